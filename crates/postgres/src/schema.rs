//! How a database comes to have the table.

use deadpool_postgres::{Object, Transaction};
use tokio_postgres::IsolationLevel;

use crate::{OpenError, OpenErrorKind, name::Table};

/// The steps from nothing to the newest table. A table's version counts the steps it has taken, so a step that was
/// released never changes; new ones go to the end.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/1.sql")];

/// Brings the table to the newest version. Safe when several servers do it at once: the first to hold the lock does it,
/// the others find it done.
///
/// Where there is nothing to do, it needs no right to change a schema.
pub(crate) async fn migrate(connection: &mut Object, table: &Table) -> Result<(), OpenError> {
    // Not the database's default level, by which a snapshot from before the lock would be kept.
    let building = connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
    let transaction = building.start().await?;
    check_database(&transaction).await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&table.lock()]).await?;
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

/// Texts have to come back as they were, and a statement that waited for a row has to look at it as it became.
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

/// How many migrations the table has taken, if it is there.
async fn version(transaction: &Transaction<'_>, table: &Table) -> Result<Option<usize>, OpenError> {
    if !exists(transaction, &table.version_path()).await? {
        return Ok(None);
    }
    let query = format!("SELECT version FROM {}", table.version_path());
    let version: i32 = transaction.query_one(&query, &[]).await?.try_get(0)?;
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(Some(version)),
        _ => Err(OpenErrorKind::Newer.into()),
    }
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
