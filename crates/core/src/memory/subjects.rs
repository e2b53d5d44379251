//! The index of the sessions of each subject that have not ended.

use std::{
    array,
    collections::{BTreeSet, HashMap, hash_map::RandomState},
    hash::BuildHasher,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard},
};

use super::locks::{SHARDS, lock};
use crate::SessionHandle;

/// The index. A keyed hash selects the shard, because users may be able to choose their subject.
pub(super) struct Subjects {
    hasher: RandomState,
    shards: [Mutex<Sessions>; SHARDS],
}

/// A shard of the index. A subject without sessions has no entry.
#[derive(Default)]
pub(super) struct Sessions(HashMap<Arc<str>, Handles>);

/// Most subjects have one session or a few, for which a set would take more memory than the sessions.
enum Handles {
    One(SessionHandle),
    Few(Vec<SessionHandle>),
    Many(Box<Set>),
}

struct Set(BTreeSet<SessionHandle>);

const FEW: usize = 8;

impl Default for Subjects {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: array::from_fn(|_| Mutex::default()) }
    }
}

impl Subjects {
    pub(super) fn lock(&self, subject: &str) -> MutexGuard<'_, Sessions> {
        lock(&self.shards[self.hasher.hash_one(subject) as usize % SHARDS])
    }
}

impl Sessions {
    /// The name of the subject, shared with its other sessions.
    pub(super) fn shared_name(&self, subject: &str) -> Arc<str> {
        self.0.get_key_value(subject).map_or_else(|| subject.into(), |(name, _)| Arc::clone(name))
    }

    /// Handles of the subject that are larger than `after`, ordered: at most `limit`, if the subject has many.
    pub(super) fn handles(
        &self,
        subject: &str,
        after: Option<SessionHandle>,
        limit: usize,
    ) -> Vec<SessionHandle> {
        let few = |handles: &[SessionHandle]| {
            let mut handles: Vec<_> =
                handles.iter().copied().filter(|&handle| Some(handle) > after).collect();
            handles.sort_unstable();
            handles
        };
        match self.0.get(subject) {
            None => Vec::new(),
            Some(Handles::One(handle)) => few(&[*handle]),
            Some(Handles::Few(handles)) => few(handles),
            Some(Handles::Many(handles)) => {
                let start = after.map_or(Bound::Unbounded, Bound::Excluded);
                handles.0.range((start, Bound::Unbounded)).take(limit).copied().collect()
            }
        }
    }

    pub(super) fn add(&mut self, subject: Arc<str>, handle: SessionHandle) {
        self.0.entry(subject).and_modify(|handles| handles.insert(handle)).or_insert(Handles::One(handle));
    }

    pub(super) fn remove(&mut self, subject: &str, handle: SessionHandle) {
        let Some(handles) = self.0.get_mut(subject) else { return };
        let is_empty = match handles {
            Handles::One(only) => *only == handle,
            Handles::Few(handles) => {
                handles.retain(|other| *other != handle);
                handles.is_empty()
            }
            Handles::Many(handles) => {
                handles.0.remove(&handle);
                handles.0.is_empty()
            }
        };
        if is_empty {
            self.0.remove(subject);
        }
    }
}

impl Handles {
    fn insert(&mut self, handle: SessionHandle) {
        match self {
            Self::One(only) if *only == handle => {}
            Self::One(only) => *self = Self::Few(vec![*only, handle]),
            Self::Few(handles) if handles.contains(&handle) => {}
            Self::Few(handles) if handles.len() < FEW => handles.push(handle),
            Self::Few(handles) => {
                let all = handles.iter().copied().chain([handle]).collect();
                *self = Self::Many(Box::new(Set(all)));
            }
            Self::Many(handles) => {
                handles.0.insert(handle);
            }
        }
    }
}
