//! Compare-and-swap of a session.

use rusqlite::{Connection, named_params};
use tower_refresh_core::{SessionBinding, SessionHandle, SessionRow, StoreError, Timestamp};

use super::job::{Step, Write};
use crate::{error::store_error, row::Column};

/// The fields that a swap compares and writes.
pub(crate) struct Swap {
    handle: SessionHandle,
    version: u64,
    next_version: u64,
    generation: u32,
    rotated_at: Timestamp,
    confirmed: bool,
    late_budget: Timestamp,
    idle_expiry: Timestamp,
    claims_epoch: u32,
    binding: Option<SessionBinding>,
    data: Vec<u8>,
}

macro_rules! swap {
    ($set:literal, $where:literal) => {
        concat!(
            "UPDATE sessions SET generation = :generation, rotated_at = :rotated_at, confirmed = :confirmed,
               late_budget = :late_budget, idle_expiry = :idle_expiry, version = :next_version,
               claims_epoch = :claims_epoch, binding = :binding, data = :data",
            $set,
            " WHERE handle = :handle AND version = :version AND ended_at IS NULL",
            $where
        )
    };
}
/// The session does not expire earlier than before, as in nearly every swap: no index is written.
const LONGER: &str = swap!("", " AND purge_at <= min(:idle_expiry, absolute_expiry)");
const SHORTER: &str = swap!(", purge_at = min(:idle_expiry, absolute_expiry)", "");

impl Swap {
    pub(crate) fn new(row: &SessionRow, next_version: u64) -> Self {
        Self {
            handle: row.handle,
            version: row.version,
            next_version,
            generation: row.generation,
            rotated_at: row.rotated_at,
            confirmed: row.confirmed,
            late_budget: row.late_budget,
            idle_expiry: row.idle_expiry,
            claims_epoch: row.claims_epoch,
            binding: row.binding.clone(),
            data: row.data.clone(),
        }
    }
}

impl Write for Swap {
    type Output = bool;

    fn step(&mut self, connection: &Connection, _rows: usize) -> Result<Step<bool>, StoreError> {
        let swapped = match self.execute(connection, LONGER) {
            Ok(false) => self.execute(connection, SHORTER),
            result => result,
        };
        swapped.map(Step::Done).map_err(store_error)
    }
}

impl Swap {
    fn execute(&self, connection: &Connection, statement: &str) -> rusqlite::Result<bool> {
        let rows = connection.prepare_cached(statement)?.execute(named_params! {
            ":generation": self.generation,
            ":rotated_at": Column(self.rotated_at),
            ":confirmed": self.confirmed,
            ":late_budget": Column(self.late_budget),
            ":idle_expiry": Column(self.idle_expiry),
            ":handle": Column(self.handle),
            ":version": self.version,
            ":next_version": self.next_version,
            ":claims_epoch": self.claims_epoch,
            ":binding": self.binding.as_ref().map(SessionBinding::as_bytes),
            ":data": self.data,
        })?;
        Ok(rows == 1)
    }
}
