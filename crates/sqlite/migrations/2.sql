-- When a purge examines the session: when it ends or expires or earlier, but never later. A refresh moves the expiry but not
-- this column, so that it writes no index. A purge that examines the session too early moves it.
ALTER TABLE sessions RENAME COLUMN look_at TO purge_at;
DROP INDEX sessions_by_look_at;
CREATE INDEX sessions_by_purge_at ON sessions (purge_at);

-- The sessions of a subject that have not ended, in the order of their logins. A page of its list is a range of this index.
DROP INDEX sessions_by_subject;
CREATE INDEX sessions_by_login ON sessions (subject, created_at, handle) WHERE ended_at IS NULL;

-- The defaults are for the sessions of the first schema. Where it has no value, authenticated_at is created_at, and idle is the
-- idle lifetime of the policy. No row is rewritten.
ALTER TABLE sessions ADD COLUMN authenticated_at INTEGER;
ALTER TABLE sessions ADD COLUMN idle INTEGER;
ALTER TABLE sessions ADD COLUMN persistent INTEGER NOT NULL DEFAULT 1;
ALTER TABLE sessions ADD COLUMN claims_epoch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN binding BLOB;

-- The kind of a notice in the feed: 0 is a session end. Readers pass over kinds that they do not know.
ALTER TABLE ends ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;

-- The oldest schema whose programs can use the file as it is. A later migration that only adds leaves it unchanged, so that
-- programs of both versions can use the file at the same time.
CREATE TABLE compatibility (oldest INTEGER NOT NULL) STRICT;
INSERT INTO compatibility (oldest) VALUES (2);
