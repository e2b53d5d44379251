//! The latency of one task.

use std::time::{Duration, Instant};

use crate::{
    Result,
    one_by_one::OneByOne,
    sessions::{Sessions, refresh},
};

const TURNS: u64 = 150;
/// Each variant has a turn of its own, in which it finds the cached pages as it left them.
const REFRESHES: u64 = 20;
const TIME: Duration = Duration::from_secs(30);

/// One file, and how long each variant took with it.
struct TableRow<'a> {
    sessions: &'a Sessions,
    raw: OneByOne,
    blocking: Vec<f64>,
    off: Vec<f64>,
    stored: Vec<f64>,
}

pub(crate) async fn table(few: &Sessions, many: &Sessions) -> Result<()> {
    println!(
        "| one task, median | statements, blocking the task | statements, off the task | store | to blocking | to off |"
    );
    println!("|---|---|---|---|---|---|");
    let mut rows = [TableRow::new(few)?, TableRow::new(many)?];
    let started = Instant::now();
    for turn in (0..TURNS).take_while(|_| started.elapsed() < TIME) {
        for row in &mut rows {
            row.measure(turn).await?;
        }
    }
    let [with_few, with_many] = rows.map(TableRow::print);
    println!("| cost with {} sessions | | | {:.2} times |\n", many.rows, with_many / with_few);
    Ok(())
}

impl<'a> TableRow<'a> {
    fn new(sessions: &'a Sessions) -> Result<Self> {
        let raw = OneByOne::open(sessions)?;
        Ok(Self { sessions, raw, blocking: Vec::new(), off: Vec::new(), stored: Vec::new() })
    }

    async fn measure(&mut self, turn: u64) -> Result<()> {
        let first = turn * 3 * REFRESHES;
        let sessions = self.sessions;
        let handles = |way| {
            let steps = first + way * REFRESHES..first + (way + 1) * REFRESHES;
            steps.map(|step| sessions.random(step, 0, 1))
        };
        for handle in handles(0) {
            // With tokio, a task may block only in `block_in_place`.
            let blocking = async { tokio::task::block_in_place(|| self.raw.refresh(handle)) };
            self.blocking.push(timed(blocking).await?);
        }
        for handle in handles(1) {
            self.off.push(timed(self.raw.refresh_off_thread(handle)).await?);
        }
        for handle in handles(2) {
            self.stored.push(timed(refresh(&self.sessions.store, handle)).await?);
        }
        Ok(())
    }

    /// Returns the median of the store.
    fn print(self) -> f64 {
        let (blocking, off, stored) = (median(self.blocking), median(self.off), median(self.stored));
        println!(
            "| {} sessions | {blocking:.0} µs | {off:.0} µs | {stored:.0} µs | {:.2} times | {:.2} times |",
            self.sessions.rows,
            stored / blocking,
            stored / off
        );
        stored
    }
}

/// In microseconds.
async fn timed(work: impl Future<Output = Result<()>>) -> Result<f64> {
    let started = Instant::now();
    work.await?;
    Ok(started.elapsed().as_secs_f64() * 1e6)
}

pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
