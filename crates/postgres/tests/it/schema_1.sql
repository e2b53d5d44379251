-- Rotations change no indexed column but death_hour, and that once an hour at most: all others are heap-only updates,
-- which the free space of each page is for. There are no checks, as each would be looked at by each rotation.
CREATE TABLE "{schema}"."{table}" (
    handle bytea PRIMARY KEY,
    rotated_at bigint NOT NULL,
    late_budget bigint NOT NULL,
    created_at bigint NOT NULL,
    idle_expiry bigint NOT NULL,
    absolute_expiry bigint NOT NULL,
    ended_at bigint,
    version bigint NOT NULL,
    generation bigint NOT NULL,
    death_hour bigint NOT NULL,
    confirmed boolean NOT NULL,
    ended_reason text,
    subject text COLLATE "C" NOT NULL,
    user_agent text,
    ip text,
    label text,
    data bytea NOT NULL
) WITH (fillfactor = 80);

-- By hash, because a b-tree refuses texts of some length.
CREATE INDEX "{table}_subject" ON "{schema}"."{table}" USING hash (subject) WHERE ended_at IS NULL;

CREATE INDEX "{table}_death_hour" ON "{schema}"."{table}" (death_hour);

CREATE INDEX "{table}_ended_at" ON "{schema}"."{table}" (ended_at) WHERE ended_at IS NOT NULL;
