-- When the claims of the session were last outdated. Rows get no value and are not rewritten, and rotations do not write it.
ALTER TABLE "{schema}"."{table}" ADD COLUMN claims_outdated_at bigint;

CREATE INDEX "{table}_outdated" ON "{schema}"."{table}" (claims_outdated_at)
    WHERE claims_outdated_at IS NOT NULL AND ended_at IS NULL;
