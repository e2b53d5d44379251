//! Session ends, many in one statement.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use tower_refresh_core::{EndReason, SessionHandle, StoreError};

use super::batcher::Operation;
use crate::{database::Database, table::read_handle};

pub(crate) struct EndSessions(pub(crate) Arc<Database>);

/// A session to end, and the time as the column stores it.
pub(crate) struct End {
    pub(crate) handle: SessionHandle,
    pub(crate) reason: EndReason,
    pub(crate) at: i64,
    pub(crate) version: i64,
}

impl Operation for EndSessions {
    type Input = End;
    type Output = bool;

    async fn run(&self, ends: Vec<End>) -> Result<Vec<bool>, StoreError> {
        let Self(database) = self;
        let statements = &database.statements;
        if let [end] = &*ends {
            let ended = database
                .query(
                    &statements.end,
                    &[&end.handle.as_bytes().as_slice(), &end.reason.as_str(), &end.at, &end.version],
                )
                .await?;
            return Ok(vec![!ended.is_empty()]);
        }
        // A session ends once, so only the first end of each session is sent.
        let mut first = BTreeMap::new();
        for end in &ends {
            first.entry(end.handle).or_insert(end);
        }
        let ended = database
            .query(
                &statements.end_batch,
                &[
                    &first.values().map(|end| end.handle.as_bytes().as_slice()).collect::<Vec<_>>(),
                    &first.values().map(|end| end.reason.as_str()).collect::<Vec<_>>(),
                    &first.values().map(|end| end.at).collect::<Vec<_>>(),
                    &first.values().map(|end| end.version).collect::<Vec<_>>(),
                ],
            )
            .await?;
        let mut ended =
            ended.iter().map(|columns| read_handle(columns, 0)).collect::<Result<HashSet<_>, _>>()?;
        Ok(ends.iter().map(|end| ended.remove(&end.handle)).collect())
    }
}
