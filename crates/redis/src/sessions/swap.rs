//! Compare-and-swap.

use tower_refresh_core::{SessionRow, StoreError, StoreErrorKind};

use crate::{connection::Request, database::Database, keyspace::row};

/// The answer of the script if the row has the first format and must be replaced as a whole.
const FIRST_FORMAT: u8 = 2;

pub(crate) async fn swap(database: &Database, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
    let part = row::changing_part(row).ok_or_else(too_long)?;
    match execute(database, row, version, &part, None).await? {
        FIRST_FORMAT => replace(database, row, version, &part).await,
        swapped => Ok(swapped == 1),
    }
}

/// Replaces a row of the first format, with its fields that a swap does not change.
async fn replace(
    database: &Database,
    row: &SessionRow,
    version: u64,
    part: &[u8],
) -> Result<bool, StoreError> {
    let Some(mut new) = database.load(row.handle).await? else { return Ok(false) };
    new.claims_epoch = row.claims_epoch;
    new.binding.clone_from(&row.binding);
    new.data.clone_from(&row.data);
    let whole = row::encode(&new, 0).ok_or_else(too_long)?;
    Ok(execute(database, row, version, part, Some(whole)).await? == 1)
}

/// `whole` gets the new head.
async fn execute(
    database: &Database,
    row: &SessionRow,
    version: u64,
    part: &[u8],
    whole: Option<Vec<u8>>,
) -> Result<u8, StoreError> {
    let head = row::swapped_head(row, version, database.next_writer());
    let whole = whole.map(|mut whole| {
        whole[..row::HEAD].copy_from_slice(&head);
        whole
    });
    let (key, expiry) = (database.keys.row(row.handle), database.key_expiry(row.expires_at()));
    let expected = row.version.to_be_bytes();
    let mut arguments: Vec<&[u8]> = vec![&expected, &head, expiry.as_bytes(), part];
    arguments.extend(whole.as_deref());
    database.query(Request::script(&database.scripts.swap, &key, &arguments)).await
}

fn too_long() -> StoreError {
    StoreError::with_source(StoreErrorKind::Unavailable, "data is too long to be stored")
}
