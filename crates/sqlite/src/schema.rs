//! The tables, and how a file comes to have them.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::{OpenError, OpenErrorKind};

/// The steps from an empty file to the newest schema. A file's `user_version` counts the steps it has taken, so a step
/// that was released never changes; new ones go to the end.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/1.sql")];

/// `trSQ`: tells a file of sessions from the database of some other application.
const APPLICATION_ID: i32 = 0x7472_5351;

/// Brings the file to the newest schema. Safe when several processes do it at once: the first to hold the write lock
/// does it, the others find it done.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    for (script, version) in MIGRATIONS.into_iter().zip(1..).skip(found) {
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    transaction.commit()?;
    Ok(())
}

/// How many migrations the file has taken, if it is one of ours or empty.
fn version(transaction: &Transaction<'_>) -> Result<usize, OpenError> {
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    if application != APPLICATION_ID {
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != 0 || version != 0 || tables != 0 {
            return Err(OpenErrorKind::Foreign.into());
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(OpenErrorKind::Newer.into()),
    }
}
