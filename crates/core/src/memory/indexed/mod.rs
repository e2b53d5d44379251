//! A collection that is found by hash.

mod chunks;
mod table;

use std::ops::{Index, IndexMut};

use self::{chunks::Chunks, table::Table};

/// Entries without gaps between them, each found by its hash or by its number. A `HashMap` takes up to three times its entries just
/// after it has grown, and hands out no numbers.
pub(super) struct Indexed<T> {
    entries: Chunks<T>,
    table: Table,
}

impl<T> Default for Indexed<T> {
    fn default() -> Self {
        Self { entries: Chunks::default(), table: Table::default() }
    }
}

impl<T> Indexed<T> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter()
    }

    /// The number of the entry with this hash for which `is` is true.
    pub(super) fn find(&self, hash: u32, is: impl Fn(&T) -> bool) -> Option<u32> {
        self.table.find(hash, |number| is(&self[number]))
    }

    /// Adds an entry, and returns its number.
    ///
    /// # Panics
    /// If there are 2^32 - 1 entries, which would take more memory than a machine has.
    pub(super) fn push(&mut self, hash: u32, entry: T) -> u32 {
        let number = u32::try_from(self.len()).ok().filter(|&number| number != u32::MAX);
        let number = number.expect("there are fewer than 2^32 entries");
        self.entries.push(entry);
        self.table.insert(hash, number);
        number
    }

    /// Removes an entry. The last one gets its number.
    pub(super) fn swap_remove(&mut self, number: u32, hash_of: impl Fn(&T) -> u32) -> Option<T> {
        let last = u32::try_from(self.len()).ok()?.checked_sub(1)?;
        self.table.remove(hash_of(&self[number]), number);
        if number != last {
            self.table.renumber(hash_of(&self[last]), last, number);
        }
        self.entries.swap_remove(number as usize)
    }
}

impl<T> Index<u32> for Indexed<T> {
    type Output = T;

    fn index(&self, number: u32) -> &T {
        &self.entries[number as usize]
    }
}

impl<T> IndexMut<u32> for Indexed<T> {
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.entries[number as usize]
    }
}
