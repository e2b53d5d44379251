//! Calls that outdate claims, many in one statement.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use tower_refresh_core::{SessionHandle, StoreError};

use super::batcher::Operation;
use crate::{
    database::Database,
    table::{read_epoch, read_handle},
};

pub(crate) struct OutdateClaims(pub(crate) Arc<Database>);

/// A session whose claims are outdated, and the time as the column stores it.
#[derive(Clone, Copy)]
pub(crate) struct Outdate {
    pub(crate) handle: SessionHandle,
    pub(crate) at: i64,
    pub(crate) version: i64,
}

/// The calls for one session, as one.
#[derive(Clone, Copy)]
struct Calls {
    number: i64,
    /// The latest time, and the version of the last call.
    at: i64,
    version: i64,
}

impl Operation for OutdateClaims {
    type Input = Outdate;
    type Output = Option<u32>;

    async fn run(&self, calls: Vec<Outdate>) -> Result<Vec<Option<u32>>, StoreError> {
        let Self(database) = self;
        let sessions = by_session(&calls);
        let outdated = database
            .query(
                &database.statements.outdate,
                &[
                    &sessions.keys().map(|handle| handle.as_bytes().as_slice()).collect::<Vec<_>>(),
                    &sessions.values().map(|calls| calls.number).collect::<Vec<_>>(),
                    &sessions.values().map(|calls| calls.at).collect::<Vec<_>>(),
                    &sessions.values().map(|calls| calls.version).collect::<Vec<_>>(),
                ],
            )
            .await?;
        let mut epochs = outdated
            .iter()
            .map(|columns| Ok((read_handle(columns, 0)?, read_epoch(columns, 1)?)))
            .collect::<Result<HashMap<_, _>, StoreError>>()?;
        let count = |call: &Outdate| {
            epochs.get_mut(&call.handle).map(|epoch| {
                *epoch = epoch.saturating_add(1);
                *epoch
            })
        };
        Ok(calls.iter().map(count).collect())
    }
}

/// Each session once, in order.
fn by_session(calls: &[Outdate]) -> BTreeMap<SessionHandle, Calls> {
    let mut sessions = BTreeMap::new();
    for &Outdate { handle, at, version } in calls {
        let so_far = sessions.entry(handle).or_insert(Calls { number: 0, at, version });
        *so_far = Calls { number: so_far.number + 1, at: at.max(so_far.at), version };
    }
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_for_one_session_add_up_with_the_latest_time_and_the_last_version() {
        let session = |number: u8| SessionHandle::from_bytes([number; 16]);
        let call = |number, at, version| Outdate { handle: session(number), at, version };
        let sessions = by_session(&[call(2, 5, 1), call(1, 9, 2), call(2, 7, 3), call(2, 6, 4)]);
        let sessions: Vec<_> =
            sessions.iter().map(|(handle, calls)| (*handle, calls.number, calls.at, calls.version)).collect();
        assert_eq!(sessions, [(session(1), 1, 9, 2), (session(2), 3, 7, 4)]);
    }
}
