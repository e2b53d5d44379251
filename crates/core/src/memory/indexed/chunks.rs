//! A vector in pieces.

use std::ops::{Index, IndexMut};

/// A vector in pieces of equal length. Unlike that of a `Vec`, its capacity never exceeds its length by more than a piece, and it
/// grows without moving its elements, so no call takes long.
pub(super) struct Chunks<T>(Vec<Vec<T>>);

const CHUNK: usize = 32;

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Chunks<T> {
    pub(super) fn len(&self) -> usize {
        self.0.split_last().map_or(0, |(last, full)| full.len() * CHUNK + last.len())
    }

    pub(super) fn push(&mut self, element: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(element),
            Some(_) => {
                let mut next = Vec::with_capacity(CHUNK);
                next.push(element);
                self.0.push(next);
            }
            // Grows like any other vector: a collection with few elements has no piece to spare.
            None => self.0.push(vec![element]),
        }
    }

    /// Removes the element at `index`, which the last one replaces.
    pub(super) fn swap_remove(&mut self, index: usize) -> Option<T> {
        let last = self.0.last_mut()?.pop()?;
        let removed = if index == self.len() { last } else { std::mem::replace(&mut self[index], last) };
        if self.0.last().is_some_and(Vec::is_empty) {
            self.0.pop();
            if self.0.len() < self.0.capacity() / 4 {
                self.0.shrink_to(self.0.len() * 2);
            }
        }
        Some(removed)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

impl<T> Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        &self.0[index / CHUNK][index % CHUNK]
    }
}

impl<T> IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        &mut self.0[index / CHUNK][index % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_keep_their_places_but_for_the_last_one_which_fills_the_gap() {
        for length in [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            for removed in [0, length / 2, length - 1] {
                let mut chunks = Chunks::default();
                (0..length).for_each(|element| chunks.push(element));
                let mut expected: Vec<_> = (0..length).collect();
                assert_eq!(chunks.swap_remove(removed), Some(expected.swap_remove(removed)));
                assert_eq!(chunks.len(), length - 1);
                assert_eq!(chunks.iter().copied().collect::<Vec<_>>(), expected, "{removed} of {length}");
                assert!(expected.iter().enumerate().all(|(index, element)| chunks[index] == *element));
                chunks.push(length);
                assert_eq!(chunks[length - 1], length, "{removed} of {length}");
            }
        }
        assert_eq!(Chunks::<u8>::default().swap_remove(0), None);
    }

    #[test]
    fn no_more_than_a_piece_is_to_spare() {
        let mut chunks = Chunks::default();
        let spare = |chunks: &Chunks<usize>| chunks.0.iter().map(Vec::capacity).sum::<usize>() - chunks.len();
        for length in 0..10 * CHUNK {
            chunks.push(length);
            assert!(spare(&chunks) < CHUNK.min(4 * chunks.len()), "{length}");
        }
        while chunks.swap_remove(0).is_some() {
            assert!(spare(&chunks) < CHUNK, "{}", chunks.len());
            assert!(chunks.0.capacity() <= 4 * (chunks.0.len() + 1), "{}", chunks.len());
        }
        assert_eq!(chunks.0.capacity(), 0);
    }
}
