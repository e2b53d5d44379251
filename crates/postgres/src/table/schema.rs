//! Creates and migrates the table.

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::IsolationLevel;

use super::name::Table;
use crate::error::{OpenError, OpenErrorKind};

/// All migrations, oldest first. A table's version is the number of migrations applied to it, so a released migration
/// never changes, and new ones are appended.
const MIGRATIONS: [&str; 2] =
    [include_str!("../../migrations/1.sql"), include_str!("../../migrations/2.sql")];

/// Migrates the table to the newest version. Several servers may call it at the same time: the first one to take the lock
/// migrates, and the others find nothing to do.
///
/// If the table is up to date, no right to change the schema is needed.
pub(crate) async fn migrate(connection: &mut Object, table: &Table) -> Result<(), OpenError> {
    // The database's default level might keep a snapshot from before the lock was taken.
    let building = connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
    let transaction = building.start().await?;
    check_database(&transaction).await?;
    transaction.execute("SELECT pg_catalog.pg_advisory_xact_lock($1::bigint)", &[&table.lock()]).await?;
    let found = match version(&transaction, table).await? {
        Some(version) => version,
        None => {
            prepare(&transaction, table).await?;
            0
        }
    };
    for (script, version) in MIGRATIONS.iter().zip(1..).skip(found) {
        transaction.batch_execute(&table.fill_in(script)).await?;
        let counted = format!("UPDATE {} SET version = $1", table.version_path());
        transaction.execute(&counted, &[&version]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Text must be returned unchanged, and a statement that waited for a row must see its newest version.
async fn check_database(transaction: &Transaction<'_>) -> Result<(), OpenError> {
    let row = transaction
        .query_one(
            "SELECT current_setting('server_encoding') = 'UTF8' \
             AND current_setting('default_transaction_isolation') = 'read committed'",
            &[],
        )
        .await?;
    if row.get(0) { Ok(()) } else { Err(OpenErrorKind::Unsuitable.into()) }
}

/// How many migrations were applied to the table, or `None` if there is no table.
async fn version(transaction: &Transaction<'_>, table: &Table) -> Result<Option<usize>, OpenError> {
    if !exists(transaction, &table.version_path()).await? {
        return Ok(None);
    }
    let query = format!("SELECT version FROM {}", table.version_path());
    let version: i32 = transaction.query_one(&query, &[]).await?.try_get(0)?;
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
    Ok(transaction.query_one(&query, &[]).await?.try_get(0)?)
}

async fn prepare(transaction: &Transaction<'_>, table: &Table) -> Result<(), OpenError> {
    if exists(transaction, &table.path()).await? {
        return Err(OpenErrorKind::Foreign.into());
    }
    let schemas = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
    if transaction.query_opt(schemas, &[&table.schema()]).await?.is_none() {
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
    Ok(transaction.query_one("SELECT to_regclass($1) IS NOT NULL", &[&path]).await?.try_get(0)?)
}
