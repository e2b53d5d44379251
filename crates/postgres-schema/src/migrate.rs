//! Creates, migrates and checks the table.

use crate::{error::SchemaError, owners, table::Table, transaction::Transaction};

/// All migrations, oldest first. A table's version is the number of migrations applied to it, so a released migration
/// never changes, and new ones are appended.
const MIGRATIONS: [&str; 3] = [
    include_str!("../migrations/1.sql"),
    include_str!("../migrations/2.sql"),
    include_str!("../migrations/3.sql"),
];

/// Functions, operators and types of other roles are not found. The setting ends with the transaction, so that it does not reach
/// those who share the connection through a pooler.
const PIN_SEARCH_PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp";

/// While a migration waits for a lock, all queries of the table wait behind it. Requests wait for the store for two seconds unless
/// the application says otherwise, so with this limit they succeed.
const LIMIT_LOCK_WAITS: &str = "SET LOCAL lock_timeout = '1s'";

/// Migrates the table to the newest version. Several servers may call it at the same time: the first one to take the lock
/// migrates, and the others find nothing to do. The caller commits the transaction afterwards.
///
/// If the table is up to date, no right to change the schema is needed. Owners other than the current role, that of the database
/// and superusers are accepted only if `trusted_owners` has them.
///
/// # Errors
/// The driver's, and each [`SchemaError`] but `InvalidName`. A migration that waits for a second for a lock fails with
/// `lock_not_available`.
pub async fn migrate<T: Transaction>(
    transaction: &mut T,
    table: &Table,
    trusted_owners: &[String],
) -> Result<(), T::Error> {
    transaction.execute(PIN_SEARCH_PATH).await?;
    check_database(transaction).await?;
    transaction.execute(&format!("SELECT pg_advisory_xact_lock({})", table.lock())).await?;
    // First of all, as even reading a table executes what its owner chose.
    owners::check(transaction, table, trusted_owners).await?;
    let found = match version(transaction, table).await? {
        Some(version) => version,
        None => {
            prepare(transaction, table).await?;
            0
        }
    };
    if found < MIGRATIONS.len() {
        transaction.execute(LIMIT_LOCK_WAITS).await?;
    }
    for (script, version) in MIGRATIONS.iter().zip(1..).skip(found) {
        transaction.execute(&table.fill_in(script)).await?;
        let count = format!("UPDATE {} SET version = {version}", table.version_path());
        transaction.execute(&count).await?;
    }
    Ok(())
}

/// Checks that the table has the newest version, and changes nothing. The caller ends the transaction afterwards.
///
/// # Errors
/// [`SchemaError::NotMigrated`], and those of [`migrate`].
pub async fn check<T: Transaction>(
    transaction: &mut T,
    table: &Table,
    trusted_owners: &[String],
) -> Result<(), T::Error> {
    transaction.execute("SET TRANSACTION READ ONLY").await?;
    transaction.execute(PIN_SEARCH_PATH).await?;
    check_database(transaction).await?;
    owners::check(transaction, table, trusted_owners).await?;
    match version(transaction, table).await? {
        Some(version) if version >= MIGRATIONS.len() => Ok(()),
        _ => Err(SchemaError::NotMigrated.into()),
    }
}

/// Text must be returned unchanged, and a statement that waited for a row must see its newest version.
async fn check_database<T: Transaction>(transaction: &mut T) -> Result<(), T::Error> {
    let query = "SELECT current_setting('server_encoding') = 'UTF8' \
         AND current_setting('default_transaction_isolation') = 'read committed'";
    if transaction.query_flag(query).await? { Ok(()) } else { Err(SchemaError::Unsuitable.into()) }
}

/// How many migrations were applied to the table, or `None` if there is no table.
async fn version<T: Transaction>(transaction: &mut T, table: &Table) -> Result<Option<usize>, T::Error> {
    if !exists(transaction, &table.version_path()).await? {
        return Ok(None);
    }
    let query = format!("SELECT version FROM {}", table.version_path());
    let version = transaction.query_number(&query).await?;
    match usize::try_from(version) {
        Ok(version)
            if version <= MIGRATIONS.len()
                || oldest(transaction, table).await? <= MIGRATIONS.len() as i32 =>
        {
            Ok(Some(version))
        }
        _ => Err(SchemaError::Newer.into()),
    }
}

/// The oldest version whose servers can use a newer table. Columns that they do not know are left as they are.
async fn oldest<T: Transaction>(transaction: &mut T, table: &Table) -> Result<i32, T::Error> {
    transaction.query_number(&format!("SELECT oldest FROM {}", table.version_path())).await
}

async fn prepare<T: Transaction>(transaction: &mut T, table: &Table) -> Result<(), T::Error> {
    if exists(transaction, &table.path()).await? {
        return Err(SchemaError::Foreign.into());
    }
    let has_schema = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = '{schema}')";
    if !transaction.query_flag(&table.fill_in(has_schema)).await? {
        transaction.execute(&table.fill_in("CREATE SCHEMA \"{schema}\"")).await?;
    }
    let path = table.version_path();
    let create =
        format!("CREATE TABLE {path} (version integer NOT NULL); INSERT INTO {path} (version) VALUES (0)");
    transaction.execute(&create).await
}

async fn exists<T: Transaction>(transaction: &mut T, path: &str) -> Result<bool, T::Error> {
    transaction.query_flag(&format!("SELECT to_regclass('{path}') IS NOT NULL")).await
}
