//! The topology of a Cluster.

use std::ops::RangeInclusive;

use redis::{Value, cmd};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::{
    connection::{self, Range, Request},
    database::Database,
};

pub(crate) async fn ranges(database: &Database) -> Result<Vec<Range>, StoreError> {
    let mut slots = cmd("CLUSTER");
    slots.arg("SLOTS");
    let answer: Value = database.query(Request::Command(slots)).await?;
    connection::read(&answer).ok_or_else(|| {
        StoreError::with_source(StoreErrorKind::Unavailable, "unexpected answer to CLUSTER SLOTS")
    })
}

/// A primary, and the slots that it serves.
#[derive(Default)]
pub(crate) struct Primary(Vec<RangeInclusive<u16>>);

impl Primary {
    pub(crate) fn has(&self, slot: u16) -> bool {
        self.0.iter().any(|slots| slots.contains(&slot))
    }

    /// A slot for requests that are for this node and no key.
    pub(crate) fn any_slot(&self) -> u16 {
        self.0.first().map_or(0, |slots| *slots.start())
    }
}

pub(crate) fn primaries(ranges: &[Range]) -> Vec<Primary> {
    let mut nodes = Vec::new();
    let mut primaries: Vec<Primary> = Vec::new();
    for range in ranges {
        let Some(node) = range.nodes.first() else { continue };
        let place = nodes.iter().position(|known| *known == node).unwrap_or(nodes.len());
        if place == nodes.len() {
            nodes.push(node);
            primaries.push(Primary::default());
        }
        primaries[place].0.push(range.slots.clone());
    }
    primaries
}
