//! Outdates the claims of a session.
//!
//! As in [`end`](super::end), an entry is appended to the log first. It has the epoch that the session is about to get, and readers
//! of the log wait for that epoch. If it never comes, nothing was outdated.

use tower_refresh_core::{SessionHandle, SessionRow, StoreError, StoreErrorKind, Timestamp};

use crate::{
    connection::Request,
    database::Database,
    feed::{log, message},
    keyspace::row,
};

/// The answer of the script if the row has the first format and must be replaced as a whole.
const FIRST_FORMAT: i64 = -1;

/// Returns the new epoch, or `None` if the session has ended or does not exist, in which case nothing is written.
pub(crate) async fn outdate(
    database: &Database,
    handle: SessionHandle,
    now: Timestamp,
    version: u64,
) -> Result<Option<u32>, StoreError> {
    let Some(mut row) = database.load(handle).await?.filter(|row| row.ended.is_none()) else {
        return Ok(None);
    };
    let expected = row.claims_epoch.saturating_add(1);
    (row.claims_epoch, row.version) = (expected, version);
    log::append_outdated(database, handle, expected, now).await?;
    let epoch = write(database, &row, now).await?;
    // Another call was faster: a reader of the log may have seen its epoch, and waits for no further one.
    if let Some(later) = epoch.filter(|epoch| *epoch > expected) {
        log::append_outdated(database, handle, later, now).await?;
    }
    Ok(epoch)
}

/// `row` is written as a whole if the stored one has the first format. Such a row changes only when it gets another format or ends.
async fn write(database: &Database, row: &SessionRow, now: Timestamp) -> Result<Option<u32>, StoreError> {
    let writer = database.next_writer();
    let message = message::outdated_without_epoch(row.handle, now);
    let answer = match execute(database, row, writer, &message, None).await? {
        Some(FIRST_FORMAT) => {
            let whole = row::encode(row, writer).ok_or_else(corrupt)?;
            execute(database, row, writer, &message, Some(&whole)).await?
        }
        answer => answer,
    };
    answer.map(|epoch| u32::try_from(epoch).map_err(|_| corrupt())).transpose()
}

async fn execute(
    database: &Database,
    row: &SessionRow,
    writer: u64,
    message: &[u8],
    whole: Option<&[u8]>,
) -> Result<Option<i64>, StoreError> {
    let (key, channel) = (database.keys.row(row.handle), database.keys.channel());
    let (version, writer) = (row.version.to_be_bytes(), writer.to_be_bytes());
    let mut arguments: Vec<&[u8]> = vec![&version, &writer, channel.as_bytes(), message];
    arguments.extend(whole);
    database.query(Request::script(&database.scripts.outdate, &key, &arguments)).await
}

fn corrupt() -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt)
}
