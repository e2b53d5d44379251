//! Checks who owns what the store uses: an owner can read and change every session.

use crate::{error::SchemaError, table::Table, transaction::Transaction};

/// The schema and the tables, and all functions, operators and types that the tables execute: those of triggers, which
/// other roles may have been granted the right to create, and of indexes, defaults, constraints, rules and policies, which
/// keep their owner when the table gets another one. What PostgreSQL brings with it belongs to a superuser.
///
/// `pg_database_owner` owns the schema `public` since PostgreSQL 15. Its only member is the owner of the database.
const UNTRUSTED: &str = r#"
    WITH tables AS MATERIALIZED (SELECT c.* FROM pg_class AS c WHERE oid IN (to_regclass('"{schema}"."{table}"'), to_regclass('"{schema}"."{table}_version"'))),
    parts(class, id, description) AS MATERIALIZED (
        SELECT 'pg_class'::regclass::oid, oid, format('the table %I', relname) FROM tables
        UNION ALL SELECT 'pg_trigger'::regclass, t.oid, format('the trigger %I', tgname)
            FROM pg_trigger AS t JOIN tables ON tgrelid = tables.oid WHERE NOT tgisinternal
        UNION ALL SELECT 'pg_class'::regclass, indexrelid, format('the index %s', indexrelid::regclass)
            FROM pg_index JOIN tables ON indrelid = tables.oid
        UNION ALL SELECT 'pg_attrdef'::regclass, d.oid, 'a default'
            FROM pg_attrdef AS d JOIN tables ON adrelid = tables.oid
        UNION ALL SELECT 'pg_constraint'::regclass, c.oid, format('the constraint %I', conname)
            FROM pg_constraint AS c JOIN tables ON conrelid = tables.oid
        UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, format('the rule %I', rulename)
            FROM pg_rewrite AS r JOIN tables ON ev_class = tables.oid
        UNION ALL SELECT 'pg_policy'::regclass, p.oid, format('the policy %I', polname)
            FROM pg_policy AS p JOIN tables ON polrelid = tables.oid),
    executed(class, id, description, owner) AS (
        SELECT 'pg_proc'::regclass::oid, oid, format('the function %I', proname), proowner FROM pg_proc
        UNION ALL SELECT 'pg_operator'::regclass, oid, format('the operator %s', oprname), oprowner FROM pg_operator
        UNION ALL SELECT 'pg_opclass'::regclass, oid, format('the operator class %I', opcname), opcowner
            FROM pg_opclass
        UNION ALL SELECT 'pg_type'::regclass, oid, format('the type %I', typname), typowner FROM pg_type),
    used(rank, description, owner) AS (
        SELECT 1, format('the schema %I', nspname), nspowner FROM pg_namespace WHERE nspname = '{schema}'
        UNION ALL SELECT 2, format('the table %I', relname), relowner FROM tables
        UNION ALL SELECT 3, format('%s, which %s uses,', executed.description, parts.description), owner
            FROM parts
            JOIN pg_depend ON classid = class AND objid = parts.id
            JOIN executed ON refclassid = executed.class AND refobjid = executed.id)
    SELECT description, rolname FROM used JOIN pg_roles ON pg_roles.oid = owner
    WHERE NOT rolsuper AND rolname NOT IN (current_user, 'pg_database_owner')
        AND owner <> (SELECT datdba FROM pg_database WHERE datname = current_database())
        AND rolname <> ALL ($1)
    ORDER BY rank, description LIMIT 1"#;

/// An error that names what belongs to an untrusted role.
pub(crate) async fn check<T: Transaction>(
    transaction: &mut T,
    table: &Table,
    trusted: &[String],
) -> Result<(), T::Error> {
    match transaction.query_owner(&table.fill_in(UNTRUSTED), trusted).await? {
        None => Ok(()),
        Some((what, owner)) => Err(SchemaError::UntrustedOwner { what, owner }.into()),
    }
}
