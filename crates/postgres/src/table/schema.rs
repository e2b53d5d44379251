//! Creates and migrates the table.

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::{
    IsolationLevel, Row,
    types::{ToSql, Type},
};

use super::{name::Table, owners};
use crate::error::{OpenError, OpenErrorKind};

/// All migrations, oldest first. A table's version is the number of migrations applied to it, so a released migration
/// never changes, and new ones are appended.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../migrations/1.sql"),
    include_str!("../../migrations/2.sql"),
    include_str!("../../migrations/3.sql"),
];

/// Functions, operators and types of other roles are not found. The setting ends with the transaction, so that it does not reach
/// those who share the connection through a pooler.
const PIN_SEARCH_PATH: &str = "SET LOCAL search_path = pg_catalog, pg_temp";

/// While a migration waits for a lock, all queries of the table wait behind it. Requests wait for the store for two seconds unless
/// the application says otherwise, so with this limit they succeed.
const LIMIT_LOCK_WAITS: &str = "SET LOCAL lock_timeout = '1s'";

/// Migrates the table to the newest version. Several servers may call it at the same time: the first one to take the lock
/// migrates, and the others find nothing to do.
///
/// If the table is up to date, no right to change the schema is needed.
pub(crate) async fn migrate(
    connection: &mut Object,
    table: &Table,
    trusted_owners: &[String],
) -> Result<(), OpenError> {
    // The database's default level might keep a snapshot from before the lock was taken.
    let building = connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
    let transaction = building.start().await?;
    transaction.batch_execute(PIN_SEARCH_PATH).await?;
    check_database(&transaction).await?;
    query_one(&transaction, "SELECT pg_advisory_xact_lock($1)", &[(&table.lock(), Type::INT8)]).await?;
    // First of all, as even reading a table executes what its owner chose.
    owners::check(&transaction, table, trusted_owners).await?;
    let found = match version(&transaction, table).await? {
        Some(version) => version,
        None => {
            prepare(&transaction, table).await?;
            0
        }
    };
    if found < MIGRATIONS.len() {
        transaction.batch_execute(LIMIT_LOCK_WAITS).await?;
    }
    for (script, version) in MIGRATIONS.iter().zip(1..).skip(found) {
        transaction.batch_execute(&table.fill_in(script)).await?;
        let count = format!("UPDATE {} SET version = {version}", table.version_path());
        transaction.batch_execute(&count).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Checks that the table has the newest version, and changes nothing.
pub(crate) async fn check(
    connection: &mut Object,
    table: &Table,
    trusted_owners: &[String],
) -> Result<(), OpenError> {
    let building =
        connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(true);
    let transaction = building.start().await?;
    transaction.batch_execute(PIN_SEARCH_PATH).await?;
    check_database(&transaction).await?;
    owners::check(&transaction, table, trusted_owners).await?;
    match version(&transaction, table).await? {
        Some(version) if version >= MIGRATIONS.len() => Ok(transaction.commit().await?),
        _ => Err(OpenErrorKind::NotMigrated.into()),
    }
}

/// Text must be returned unchanged, and a statement that waited for a row must see its newest version.
async fn check_database(transaction: &Transaction<'_>) -> Result<(), OpenError> {
    let query = "SELECT current_setting('server_encoding') = 'UTF8' \
         AND current_setting('default_transaction_isolation') = 'read committed'";
    let suitable: bool = query_one(transaction, query, &[]).await?.try_get(0)?;
    if suitable { Ok(()) } else { Err(OpenErrorKind::Unsuitable.into()) }
}

/// How many migrations were applied to the table, or `None` if there is no table.
async fn version(transaction: &Transaction<'_>, table: &Table) -> Result<Option<usize>, OpenError> {
    if !exists(transaction, &table.version_path()).await? {
        return Ok(None);
    }
    let query = format!("SELECT version FROM {}", table.version_path());
    let version: i32 = query_one(transaction, &query, &[]).await?.try_get(0)?;
    match usize::try_from(version) {
        Ok(version)
            if version <= MIGRATIONS.len()
                || oldest(transaction, table).await? <= MIGRATIONS.len() as i32 =>
        {
            Ok(Some(version))
        }
        _ => Err(OpenErrorKind::Newer.into()),
    }
}

/// The oldest version whose servers can use a newer table. Columns that they do not know are left as they are.
async fn oldest(transaction: &Transaction<'_>, table: &Table) -> Result<i32, OpenError> {
    let query = format!("SELECT oldest FROM {}", table.version_path());
    Ok(query_one(transaction, &query, &[]).await?.try_get(0)?)
}

async fn prepare(transaction: &Transaction<'_>, table: &Table) -> Result<(), OpenError> {
    if exists(transaction, &table.path()).await? {
        return Err(OpenErrorKind::Foreign.into());
    }
    let query = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    let has_schema: bool =
        query_one(transaction, query, &[(&table.schema(), Type::TEXT)]).await?.try_get(0)?;
    if !has_schema {
        transaction.batch_execute(&format!("CREATE SCHEMA \"{}\"", table.schema())).await?;
    }
    let path = table.version_path();
    transaction
        .batch_execute(&format!(
            "CREATE TABLE {path} (version integer NOT NULL); INSERT INTO {path} (version) VALUES (0)"
        ))
        .await?;
    Ok(())
}

async fn exists(transaction: &Transaction<'_>, path: &str) -> Result<bool, OpenError> {
    let query = "SELECT to_regclass($1) IS NOT NULL";
    Ok(query_one(transaction, query, &[(&path, Type::TEXT)]).await?.try_get(0)?)
}

/// Without a named statement, which a pooler may not support.
async fn query_one(
    transaction: &Transaction<'_>,
    query: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Row, OpenError> {
    Ok(transaction.query_typed_one(query, parameters).await?)
}
