//! The index of the sessions of each subject that have not ended.

use std::{
    array,
    collections::{BTreeSet, hash_map::RandomState},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard},
};

use super::{
    hashes::Place,
    indexed::Indexed,
    locks::{SHARDS, lock},
};
use crate::SessionHandle;

/// The index, in shards. A subject without sessions has no entry.
pub(super) struct Subjects {
    hasher: RandomState,
    shards: [Mutex<Indexed<Entry>>; SHARDS],
}

struct Entry {
    subject: Arc<str>,
    handles: Handles,
}

/// The sessions of a subject. Its shard is locked.
pub(super) struct Sessions<'a> {
    subject: &'a str,
    hasher: &'a RandomState,
    hash: u32,
    entries: MutexGuard<'a, Indexed<Entry>>,
}

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
    pub(super) fn lock<'a>(&'a self, subject: &'a str) -> Sessions<'a> {
        let Place { shard, hash } = Place::of(subject, &self.hasher);
        Sessions { subject, hasher: &self.hasher, hash, entries: lock(&self.shards[shard]) }
    }
}

impl Sessions<'_> {
    /// Handles of the subject that are larger than `after`, ordered: at most `limit`, if the subject has many.
    pub(super) fn handles(&self, after: Option<SessionHandle>, limit: usize) -> Vec<SessionHandle> {
        let few = |handles: &[SessionHandle]| {
            let mut handles: Vec<_> =
                handles.iter().copied().filter(|&handle| Some(handle) > after).collect();
            handles.sort_unstable();
            handles
        };
        match self.find().map(|number| &self.entries[number].handles) {
            None => Vec::new(),
            Some(Handles::One(handle)) => few(&[*handle]),
            Some(Handles::Few(handles)) => few(handles),
            Some(Handles::Many(handles)) => {
                let start = after.map_or(Bound::Unbounded, Bound::Excluded);
                handles.0.range((start, Bound::Unbounded)).take(limit).copied().collect()
            }
        }
    }

    /// Adds a session. Returns the subject, shared with its other sessions.
    pub(super) fn add(&mut self, handle: SessionHandle) -> Arc<str> {
        if let Some(number) = self.find() {
            let entry = &mut self.entries[number];
            entry.handles.insert(handle);
            return Arc::clone(&entry.subject);
        }
        let subject = Arc::from(self.subject);
        self.entries.push(self.hash, Entry { subject: Arc::clone(&subject), handles: Handles::One(handle) });
        subject
    }

    pub(super) fn remove(&mut self, handle: SessionHandle) {
        let Some(number) = self.find() else { return };
        let is_empty = match &mut self.entries[number].handles {
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
            self.entries.swap_remove(number, |entry| Place::of(&entry.subject, self.hasher).hash);
        }
    }

    fn find(&self) -> Option<u32> {
        self.entries.find(self.hash, |entry| *entry.subject == *self.subject)
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
