//! Ends, many in one statement.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use tower_refresh_core::{EndReason, SessionHandle};

use crate::{database::Database, error::Failure, group::Work, row::read_handle};

pub(crate) struct Ends(pub(crate) Arc<Database>);

/// An end, its time in a number that the column holds.
pub(crate) struct End {
    pub(crate) handle: SessionHandle,
    pub(crate) reason: EndReason,
    pub(crate) at: i64,
}

impl Work for Ends {
    type Question = End;
    type Answer = bool;

    async fn answer(&self, ends: Vec<End>) -> Result<Vec<bool>, Failure> {
        let Self(database) = self;
        let statements = &database.statements;
        if let [end] = &*ends {
            let ended = database
                .query(&statements.end, &[&end.handle.as_bytes().as_slice(), &end.reason.as_str(), &end.at])
                .await?;
            return Ok(vec![!ended.is_empty()]);
        }
        // A session ends once: the first of its ends is sent.
        let mut first = BTreeMap::new();
        for end in &ends {
            first.entry(end.handle).or_insert(end);
        }
        let ended = database
            .query(
                &statements.end_group,
                &[
                    &first.values().map(|end| end.handle.as_bytes().as_slice()).collect::<Vec<_>>(),
                    &first.values().map(|end| end.reason.as_str()).collect::<Vec<_>>(),
                    &first.values().map(|end| end.at).collect::<Vec<_>>(),
                ],
            )
            .await?;
        let mut ended =
            ended.iter().map(|columns| read_handle(columns, 0)).collect::<Result<HashSet<_>, _>>()?;
        Ok(ends.iter().map(|end| ended.remove(&end.handle)).collect())
    }
}
