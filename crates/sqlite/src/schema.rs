//! The tables and their migrations.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{OpenError, OpenErrorKind};

/// The migrations from an empty file to the newest schema. The `user_version` of a file counts the migrations that were
/// applied, so a released migration never changes, and new ones are appended.
const MIGRATIONS: [&str; 2] = [include_str!("../migrations/1.sql"), include_str!("../migrations/2.sql")];

/// `trSQ`: distinguishes a session file from the database of another application.
const APPLICATION_ID: i32 = 0x7472_5351;

/// Migrates the file to the newest schema. Several processes may do so at the same time: the first to take the write lock
/// applies the migrations, and the others find none left. A file without a migration to apply is not locked.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    if version(&connection.transaction()?)? >= MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    for (script, version) in MIGRATIONS.into_iter().zip(1..).skip(found) {
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()?;
    Ok(())
}

/// Checks that the file has the newest schema, and changes nothing.
pub(crate) fn check(connection: &mut Connection) -> Result<(), OpenError> {
    let version = version(&connection.transaction()?)?;
    if version >= MIGRATIONS.len() { Ok(()) } else { Err(OpenErrorKind::NotMigrated.into()) }
}

/// How many migrations were applied to the file. A file that is neither a session file nor empty is an error.
fn version(transaction: &Transaction<'_>) -> Result<usize, OpenError> {
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application != APPLICATION_ID {
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != 0 || version != 0 || tables != 0 {
            return Err(OpenErrorKind::Foreign.into());
        }
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() || oldest(transaction)? <= MIGRATIONS.len() => Ok(version),
        _ => Err(OpenErrorKind::Newer.into()),
    }
}

/// The oldest schema whose programs can use a file with a newer one. Columns and tables that they do not know are left as
/// they are.
fn oldest(transaction: &Transaction<'_>) -> rusqlite::Result<usize> {
    transaction.query_row("SELECT oldest FROM compatibility", [], |row| row.get(0))
}
