//! Where rights are tried: on keys that do not exist, of each kind, on every primary of a Cluster.

use std::{collections::hash_map::RandomState, hash::BuildHasher};

use tower_refresh_core::{SessionHandle, StoreError, Subject};

use crate::{
    cluster::{self, Primary},
    connection::slot,
    database::Database,
};

/// A primary that serves fewer slots may be left out.
const MOST_TRIES: u64 = 100_000;

/// A node, and a key of each kind, which it serves if it is one of a Cluster.
pub(super) struct Place {
    /// A slot of the node.
    pub(super) slot: u16,
    pub(super) row: String,
    pub(super) index: String,
    pub(super) first_index: String,
    /// The same everywhere; other nodes redirect.
    pub(super) log: String,
}

impl Place {
    /// Whether the word is one of the keys.
    pub(super) fn has(&self, word: &str) -> bool {
        [&self.row, &self.index, &self.first_index, &self.log].iter().any(|key| *key == word)
    }
}

pub(super) async fn places(database: &Database) -> Result<Vec<Place>, StoreError> {
    if !database.connection.is_cluster() {
        return Ok(place(database, 0, |_| true).into_iter().collect());
    }
    let primaries = cluster::primaries(&cluster::ranges(database).await?);
    let on = |primary: &Primary| place(database, primary.any_slot(), |key| primary.has(slot(key)));
    Ok(primaries.iter().filter_map(on).collect())
}

fn place(database: &Database, slot: u16, is_there: impl Fn(&str) -> bool) -> Option<Place> {
    let (keys, random) = (&database.keys, RandomState::new());
    let handle = |try_: u64| {
        let half = |number: u64| u128::from(random.hash_one((try_, number)));
        SessionHandle::from_bytes(((half(0) << 64) | half(1)).to_be_bytes())
    };
    let find = |key: &dyn Fn(SessionHandle) -> String| {
        (0..MOST_TRIES).map(|number| key(handle(number))).find(|key| is_there(key))
    };
    let subject = |handle: SessionHandle| Subject::new(handle.to_string());
    Some(Place {
        slot,
        row: find(&|handle| keys.row(handle))?,
        index: find(&|handle| keys.index(&subject(handle)))?,
        first_index: find(&|handle| keys.first_index(&subject(handle)))?,
        log: keys.log(),
    })
}
