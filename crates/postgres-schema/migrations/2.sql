-- The defaults are for the sessions of the first version. Where it has no value, authenticated_at is created_at, and idle is
-- the idle lifetime of the policy. No row is rewritten.
ALTER TABLE "{schema}"."{table}"
    ADD COLUMN authenticated_at bigint,
    ADD COLUMN idle bigint,
    ADD COLUMN claims_epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN persistent boolean NOT NULL DEFAULT true,
    ADD COLUMN binding bytea;

-- In the order of a list, so that a page reads its own rows only. Of the subject it has a hash, because a b-tree rejects long
-- texts; queries compare the subject as well.
DROP INDEX "{schema}"."{table}_subject";

CREATE INDEX "{table}_subject" ON "{schema}"."{table}" (hashtextextended(subject, 0), created_at, handle)
    WHERE ended_at IS NULL;

-- The oldest version of the table whose servers can use it as it is. A later migration that only adds leaves it unchanged, so
-- that servers of both versions can use the table at the same time.
ALTER TABLE "{schema}"."{table}_version" ADD COLUMN oldest integer NOT NULL DEFAULT 2;
