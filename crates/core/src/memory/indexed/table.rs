//! A hash table of numbers.

/// Maps hashes to the numbers of entries that are stored elsewhere: open addressing with linear probing. Several entries may have
/// the same hash.
///
/// A slot has the hash in its upper half and the number in its lower one, so that most probes, and all changes of the size, read
/// the slots alone. From half to three quarters of the slots are in use, which is 11 to 16 bytes for an entry.
#[derive(Default)]
pub(super) struct Table {
    slots: Vec<u64>,
    used: usize,
}

/// No entry has this slot, because no number is `u32::MAX`.
const FREE: u64 = u64::MAX;
const FEWEST: usize = 4;

const fn slot(hash: u32, number: u32) -> u64 {
    (hash as u64) << 32 | number as u64
}

const fn hash_of(slot: u64) -> u32 {
    (slot >> 32) as u32
}

const fn number_of(slot: u64) -> u32 {
    slot as u32
}

impl Table {
    /// The number of the entry with this hash for which `is` is true.
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        self.probe(hash)
            .map(|(_, slot)| slot)
            .find(|&slot| hash_of(slot) == hash && is(number_of(slot)))
            .map(number_of)
    }

    pub(super) fn insert(&mut self, hash: u32, number: u32) {
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.resize((self.slots.len() * 3 / 2).max(FEWEST));
        }
        self.put(slot(hash, number));
        self.used += 1;
    }

    /// Removes an entry, and closes the gap: the entries behind it move back, unless one is where its hash wants it.
    pub(super) fn remove(&mut self, hash: u32, number: u32) {
        let Some(mut gap) = self.position(hash, number) else { return };
        let mut at = gap;
        loop {
            at = self.next(at);
            let slot = self.slots[at];
            if slot == FREE {
                break;
            }
            if self.distance(self.home(hash_of(slot)), at) >= self.distance(gap, at) {
                self.slots[gap] = slot;
                gap = at;
            }
        }
        self.slots[gap] = FREE;
        self.used -= 1;
        if self.used * 4 < self.slots.len() {
            self.resize(if self.used == 0 { 0 } else { (self.used * 2).max(FEWEST) });
        }
    }

    /// Gives the entry with the number `before` another one.
    pub(super) fn renumber(&mut self, hash: u32, before: u32, after: u32) {
        if let Some(at) = self.position(hash, before) {
            self.slots[at] = slot(hash, after);
        }
    }

    fn position(&self, hash: u32, number: u32) -> Option<usize> {
        self.probe(hash).find(|&(_, other)| other == slot(hash, number)).map(|(at, _)| at)
    }

    /// The slots from the one where the hash wants its entry up to the first one that is free.
    fn probe(&self, hash: u32) -> impl Iterator<Item = (usize, u64)> {
        let mut at = self.home(hash);
        std::iter::from_fn(move || {
            let found = self.slots.get(at).map(|&slot| (at, slot)).filter(|&(_, slot)| slot != FREE);
            at = self.next(at);
            found
        })
    }

    fn resize(&mut self, slots: usize) {
        let before = std::mem::replace(&mut self.slots, vec![FREE; slots]);
        before.into_iter().filter(|&slot| slot != FREE).for_each(|slot| self.put(slot));
    }

    fn put(&mut self, slot: u64) {
        let mut at = self.home(hash_of(slot));
        while self.slots[at] != FREE {
            at = self.next(at);
        }
        self.slots[at] = slot;
    }

    /// Maps the hashes to the slots in their order, so that their number need not be a power of two.
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 < self.slots.len() { at + 1 } else { 0 }
    }

    /// How many slots `to` is behind `from`, around the end.
    fn distance(&self, from: usize, to: usize) -> usize {
        if to >= from { to - from } else { to + self.slots.len() - from }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Change {
        Insert(u32),
        Remove(usize),
        Renumber(usize),
    }

    /// Few hashes, so that many are equal, at both ends, so that probes go around the end.
    fn hash() -> impl Strategy<Value = u32> {
        prop_oneof![0..4_u32, u32::MAX - 3..=u32::MAX, any::<u32>()]
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => hash().prop_map(Change::Insert),
            3 => any::<usize>().prop_map(Change::Remove),
            1 => any::<usize>().prop_map(Change::Renumber),
        ]
    }

    proptest! {
        #[test]
        fn a_table_has_what_was_inserted_and_not_removed(changes in prop::collection::vec(change(), 0..200)) {
            let (mut table, mut model, mut fresh) = (Table::default(), BTreeMap::new(), 0);
            for change in changes {
                let nth = |index: usize, model: &BTreeMap<u32, u32>| {
                    model.iter().nth(index % model.len().max(1)).map(|(number, hash)| (*number, *hash))
                };
                match change {
                    Change::Insert(hash) => {
                        table.insert(hash, fresh);
                        model.insert(fresh, hash);
                        fresh += 1;
                    }
                    Change::Remove(index) => if let Some((number, hash)) = nth(index, &model) {
                        table.remove(hash, number);
                        model.remove(&number);
                    }
                    Change::Renumber(index) => if let Some((number, hash)) = nth(index, &model) {
                        table.renumber(hash, number, fresh);
                        model.remove(&number);
                        model.insert(fresh, hash);
                        fresh += 1;
                    }
                }
                for (&number, &hash) in &model {
                    prop_assert_eq!(table.find(hash, |found| found == number), Some(number));
                    prop_assert_eq!(table.find(hash, |_| false), None);
                }
                prop_assert_eq!(table.used, model.len());
                prop_assert_eq!(table.slots.iter().filter(|&&slot| slot != FREE).count(), model.len());
                let fits = table.slots.len() <= (4 * model.len()).max(FEWEST) && table.slots.len() * 3 >= model.len() * 4;
                prop_assert!(fits, "{} slots for {}", table.slots.len(), model.len());
                prop_assert!(!model.is_empty() || table.slots.capacity() == 0);
            }
        }
    }

    #[test]
    fn an_entry_that_is_not_in_the_table_is_neither_removed_nor_renumbered() {
        let mut table = Table::default();
        table.remove(1, 1);
        table.renumber(1, 1, 2);
        table.insert(1, 1);
        table.remove(1, 2);
        table.remove(2, 1);
        table.renumber(2, 1, 3);
        assert_eq!(table.find(1, |_| true), Some(1));
    }
}
