//! Compare-and-swaps, many in one statement.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use tokio_postgres::Row as Columns;
use tower_refresh_core::{SessionBinding, SessionHandle, SessionRow, StoreError};
use tower_refresh_postgres_schema::{millis, number};

use super::batcher::Operation;
use crate::{
    database::Database,
    table::{read_column, read_handle},
};

pub(crate) struct SwapSessions(pub(crate) Arc<Database>);

/// The values that a swap writes, as the columns store them.
pub(crate) struct Swap {
    handle: SessionHandle,
    version: i64,
    next_version: i64,
    generation: i64,
    rotated_at: i64,
    confirmed: bool,
    late_budget: i64,
    idle_expiry: i64,
    claims_epoch: i64,
    binding: Option<SessionBinding>,
    data: Vec<u8>,
}

impl Swap {
    /// Rejects values that the server would reject, so that no swap fails its batch. `None` if the swap can never succeed,
    /// because no stored row has such a version.
    pub(crate) fn new(row: &SessionRow, next_version: u64) -> Result<Option<Self>, StoreError> {
        let Ok(version) = i64::try_from(row.version) else { return Ok(None) };
        Ok(Some(Self {
            handle: row.handle,
            version,
            next_version: number(next_version)?,
            generation: row.generation.into(),
            rotated_at: millis(row.rotated_at)?,
            confirmed: row.confirmed,
            late_budget: millis(row.late_budget)?,
            idle_expiry: millis(row.idle_expiry)?,
            claims_epoch: row.claims_epoch.into(),
            binding: row.binding.clone(),
            data: row.data.clone(),
        }))
    }

    fn binding(&self) -> Option<&[u8]> {
        self.binding.as_ref().map(SessionBinding::as_bytes)
    }

    fn key(&self) -> (SessionHandle, i64) {
        (self.handle, self.version)
    }
}

impl Operation for SwapSessions {
    type Input = Swap;
    type Output = bool;

    async fn run(&self, swaps: Vec<Swap>) -> Result<Vec<bool>, StoreError> {
        let Self(database) = self;
        let statements = &database.statements;
        if let [swap] = &*swaps {
            let swapped = database
                .query(
                    &statements.swap,
                    &[
                        &swap.handle.as_bytes().as_slice(),
                        &swap.version,
                        &swap.next_version,
                        &swap.generation,
                        &swap.rotated_at,
                        &swap.confirmed,
                        &swap.late_budget,
                        &swap.idle_expiry,
                        &swap.claims_epoch,
                        &swap.binding(),
                        &swap.data,
                    ],
                )
                .await?;
            return Ok(vec![!swapped.is_empty()]);
        }
        // Of several swaps of one row at one version only the first can win, so the others are not sent.
        let mut first = BTreeMap::new();
        for swap in &swaps {
            first.entry(swap.key()).or_insert(swap);
        }
        let swapped = database
            .query(
                &statements.swap_batch,
                &[
                    &first.values().map(|swap| swap.handle.as_bytes().as_slice()).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.version).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.next_version).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.generation).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.rotated_at).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.confirmed).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.late_budget).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.idle_expiry).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.claims_epoch).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.binding()).collect::<Vec<_>>(),
                    &first.values().map(|swap| swap.data.as_slice()).collect::<Vec<_>>(),
                ],
            )
            .await?;
        let mut won = swapped.iter().map(read_key).collect::<Result<HashSet<_>, _>>()?;
        Ok(swaps.iter().map(|swap| won.remove(&swap.key())).collect())
    }
}

/// The handle of the swapped row and the version it had before.
fn read_key(columns: &Columns) -> Result<(SessionHandle, i64), StoreError> {
    Ok((read_handle(columns, 0)?, read_column(columns, 1)?))
}
