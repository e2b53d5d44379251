//! How much of a long job is done at once.

use std::time::Duration;

/// The number of rows that one step of a long job writes: as many as this disk takes in a moment, for a write that comes
/// meanwhile waits for them.
pub(super) struct Pace {
    rows: usize,
}

const GOAL: Duration = Duration::from_millis(5);
const LEAST: usize = 8;
const MOST: usize = 256;

impl Pace {
    pub(super) fn new() -> Self {
        Self { rows: MOST / 4 }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Learns from the time that a group with such a step took.
    pub(super) fn learn(&mut self, took: Duration) {
        if took > GOAL {
            self.rows = (self.rows / 2).max(LEAST);
        } else if took < GOAL / 2 {
            self.rows = (self.rows + self.rows / 4).min(MOST);
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
            pace.learn(Duration::from_secs(1));
        }
        assert_eq!(pace.rows(), LEAST);
        for _ in 0..100 {
            pace.learn(Duration::ZERO);
        }
        assert_eq!(pace.rows(), MOST);
        pace.learn(GOAL);
        assert_eq!(pace.rows(), MOST, "what takes as long as it may stays");
    }
}
