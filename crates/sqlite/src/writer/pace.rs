//! How many rows a step of a long job writes.

use std::time::Duration;

/// The number of rows in a step of a long job: as many as this disk writes in a moment, because other writes wait
/// meanwhile.
pub(super) struct Pace {
    rows: usize,
}

const GOAL: Duration = Duration::from_millis(5);
/// A step of fewer rows takes hardly less time, because most of it is the sync.
const MIN: usize = 64;
const MAX: usize = 256;

impl Pace {
    pub(super) fn new() -> Self {
        Self { rows: MIN }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Adapts to the time that a group with such a step took.
    pub(super) fn adapt(&mut self, took: Duration) {
        if took > GOAL {
            self.rows = (self.rows / 2).max(MIN);
        } else if took < GOAL / 2 {
            self.rows = (self.rows + self.rows / 4).min(MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_shrink_on_a_slow_disk_and_grow_again_within_bounds() {
        let mut pace = Pace::new();
        for _ in 0..100 {
            pace.adapt(Duration::from_secs(1));
        }
        assert_eq!(pace.rows(), MIN);
        for _ in 0..100 {
            pace.adapt(Duration::ZERO);
        }
        assert_eq!(pace.rows(), MAX);
        pace.adapt(GOAL);
        assert_eq!(pace.rows(), MAX, "a step that takes exactly the goal does not change the pace");
    }
}
