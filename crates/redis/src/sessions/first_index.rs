//! The indexes of the first version, which were ordered by absolute expiry. The first call that reads the index of a subject converts
//! it.

use redis::cmd;
use tower_refresh_core::{SessionHandle, StoreError, Subject, Timestamp};

use super::subject_index::{add_all, entry, load, read_handle};
use crate::{connection::Request, database::Database};

const ENTRIES_AT_ONCE: usize = 500;

/// Moves the sessions of the subject from the index of the first version, if there is one. Each step leaves every session in one of
/// the two indexes, so that a call that is interrupted loses none, and the next one continues.
pub(crate) async fn convert(database: &Database, subject: &Subject) -> Result<(), StoreError> {
    let key = database.keys.first_index(subject);
    let mut exists = cmd("EXISTS");
    exists.arg(&key);
    if !database.query::<bool>(Request::Command(exists)).await? {
        return Ok(());
    }
    loop {
        let mut range = cmd("ZRANGE");
        range.arg(&key).arg(0).arg(ENTRIES_AT_ONCE - 1);
        let handles: Vec<Vec<u8>> = database.query(Request::Command(range)).await?;
        if handles.is_empty() {
            return Ok(());
        }
        let handles = handles.into_iter().map(read_handle).collect::<Result<Vec<_>, _>>()?;
        convert_some(database, subject, &handles).await?;
        let mut remove = cmd("ZREM");
        remove.arg(&key);
        for handle in handles {
            remove.arg(handle.as_bytes());
        }
        database.query::<()>(Request::Command(remove)).await?;
    }
}

/// Adds the sessions that exist to the index.
async fn convert_some(
    database: &Database,
    subject: &Subject,
    handles: &[SessionHandle],
) -> Result<(), StoreError> {
    let (mut entries, mut last) = (Vec::new(), Timestamp::default());
    for (&handle, row) in handles.iter().zip(load(database, handles).await?) {
        match row {
            Ok(Some(row)) => {
                entries.push(entry(&row));
                last = last.max(row.absolute_expiry);
            }
            Ok(None) => {}
            // It stays in an index, so that readers report it.
            Err(_) => {
                entries.push((1, handle));
                last = Timestamp::from_millis(u64::MAX);
            }
        }
    }
    if !entries.is_empty() {
        add_all(database, subject, &entries, last).await?;
    }
    Ok(())
}
