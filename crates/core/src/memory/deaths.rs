//! The order in which sessions end or expire.

use super::{indexed::Indexed, record::Record};

/// A binary heap of the numbers of all records, the one with the earliest [`Record::dead_since`] first. Each record has its place in it,
/// so that a refresh moves one number by a few places, and 4 bytes are enough for a session.
#[derive(Default)]
pub(super) struct Deaths(Vec<u32>);

impl Deaths {
    /// The record that is dead first.
    pub(super) fn first(&self) -> Option<u32> {
        self.0.first().copied()
    }

    pub(super) fn insert(&mut self, number: u32, records: &mut Indexed<Record>) {
        let place = self.0.len();
        self.0.push(number);
        self.settle(place, number, records);
    }

    /// The time of the record has changed.
    pub(super) fn update(&mut self, number: u32, records: &mut Indexed<Record>) {
        self.settle(records[number].place as usize, number, records);
    }

    pub(super) fn remove(&mut self, number: u32, records: &mut Indexed<Record>) {
        let place = records[number].place as usize;
        if let Some(last) = self.0.pop().filter(|_| place < self.0.len()) {
            self.settle(place, last, records);
        }
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
    }

    /// The record has got this number.
    pub(super) fn renumber(&mut self, number: u32, records: &Indexed<Record>) {
        self.0[records[number].place as usize] = number;
    }

    /// Stores the number near the place, which is free, so that no record is dead before the one above it.
    fn settle(&mut self, mut place: usize, number: u32, records: &mut Indexed<Record>) {
        let dead_since = records[number].dead_since();
        while place > 0 {
            let above = self.0[(place - 1) / 2];
            if records[above].dead_since() <= dead_since {
                break;
            }
            self.store(place, above, records);
            place = (place - 1) / 2;
        }
        while let Some(below) = self.earlier_below(place, records) {
            if records[self.0[below]].dead_since() >= dead_since {
                break;
            }
            self.store(place, self.0[below], records);
            place = below;
        }
        self.store(place, number, records);
    }

    /// Of the two places below, the one of the record that is dead first.
    fn earlier_below(&self, place: usize, records: &Indexed<Record>) -> Option<usize> {
        let left = 2 * place + 1;
        let dead_since = |place: usize| self.0.get(place).map(|&number| records[number].dead_since());
        let left_dead_since = dead_since(left)?;
        Some(if dead_since(left + 1).is_some_and(|right| right < left_dead_since) { left + 1 } else { left })
    }

    fn store(&mut self, place: usize, number: u32, records: &mut Indexed<Record>) {
        self.0[place] = number;
        // There are no more places than numbers.
        records[number].place = place as u32;
    }
}
