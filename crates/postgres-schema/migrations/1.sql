-- Rotations change no indexed column except death_hour, which changes once an hour at most. All other rotations are heap-only
-- updates, for which each page keeps free space. There are no CHECK constraints, as every rotation would evaluate them.
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

-- A hash index, because a b-tree rejects long texts.
CREATE INDEX "{table}_subject" ON "{schema}"."{table}" USING hash (subject) WHERE ended_at IS NULL;

CREATE INDEX "{table}_death_hour" ON "{schema}"."{table}" (death_hour);

CREATE INDEX "{table}_ended_at" ON "{schema}"."{table}" (ended_at) WHERE ended_at IS NOT NULL;
