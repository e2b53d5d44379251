-- The defaults are for the sessions of the first version. Where it has no value, authenticated_at is created_at, and idle is
-- the idle lifetime of the policy. No row is rewritten.
ALTER TABLE "{schema}"."{table}"
    ADD COLUMN authenticated_at bigint,
    ADD COLUMN idle bigint,
    ADD COLUMN claims_epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN persistent boolean NOT NULL DEFAULT true,
    ADD COLUMN binding bytea;

-- The oldest version of the table whose servers can use it as it is. A later migration that only adds leaves it unchanged, so
-- that servers of both versions can use the table at the same time.
ALTER TABLE "{schema}"."{table}_version" ADD COLUMN oldest integer NOT NULL DEFAULT 2;
