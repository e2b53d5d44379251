-- Times are milliseconds since 1970, by the clocks of the servers.
CREATE TABLE sessions (
    id              INTEGER PRIMARY KEY,
    handle          BLOB    NOT NULL UNIQUE,
    subject         TEXT    NOT NULL,
    generation      INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    confirmed       INTEGER NOT NULL,
    late_budget     INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    idle_expiry     INTEGER NOT NULL,
    absolute_expiry INTEGER NOT NULL,
    ended_reason    TEXT,
    ended_at        INTEGER,
    version         INTEGER NOT NULL,
    user_agent      TEXT,
    ip              TEXT,
    label           TEXT,
    data            BLOB    NOT NULL,
    -- When a purge looks at the session: at its death or before, never after. A refresh moves the death but not this,
    -- so it leaves the indexes alone; a purge that comes too early moves it.
    look_at         INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_subject ON sessions (subject) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_look_at ON sessions (look_at);

-- The feed. Its numbers only grow, so that who has read up to one needs to read only what is above it.
CREATE TABLE ends (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    handle BLOB    NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

CREATE INDEX ends_by_time ON ends (at);

-- Triggers, so that the end and its entry in the feed are one statement, which happens whole or not at all.
CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON sessions
WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL
BEGIN
    INSERT INTO ends (handle, at) VALUES (NEW.handle, NEW.ended_at);
END;

CREATE TRIGGER session_created_ended AFTER INSERT ON sessions
WHEN NEW.ended_at IS NOT NULL
BEGIN
    INSERT INTO ends (handle, at) VALUES (NEW.handle, NEW.ended_at);
END;
