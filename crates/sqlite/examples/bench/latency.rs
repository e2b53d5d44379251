//! One task.

use std::time::{Duration, Instant};

use crate::{
    Result,
    one_by_one::OneByOne,
    sessions::{Sessions, refresh},
};

const REFRESHES: u64 = 4_000;
const TIME: Duration = Duration::from_secs(15);

pub(crate) async fn table(few: &Sessions, many: &Sessions) -> Result<()> {
    println!(
        "| one task, median | statements, blocking the task | statements, off the task | store | to blocking | to off |"
    );
    println!("|---|---|---|---|---|---|");
    let (with_few, with_many) = (row(few).await?, row(many).await?);
    println!("| cost with {} sessions | | | {:.2} times |\n", many.rows, with_many / with_few);
    Ok(())
}

async fn row(sessions: &Sessions) -> Result<f64> {
    let raw = OneByOne::open(sessions)?;
    let (mut blocking, mut off, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    let started = Instant::now();
    for step in (0..3 * REFRESHES).step_by(3).take_while(|_| started.elapsed() < TIME) {
        let handle = sessions.random(step, 0, 1);
        let raw_here = raw.clone();
        // `block_in_place` is how a multi-threaded tokio lets a task block.
        blocking.push(timed(async { tokio::task::block_in_place(|| raw_here.refresh(handle)) }).await?);
        off.push(timed(raw.refresh_off_thread(sessions.random(step + 1, 0, 1))).await?);
        stored.push(timed(refresh(&sessions.store, sessions.random(step + 2, 0, 1))).await?);
    }
    let (blocking, off, stored) = (median(blocking), median(off), median(stored));
    println!(
        "| {} sessions | {blocking:.0} µs | {off:.0} µs | {stored:.0} µs | {:.2} times | {:.2} times |",
        sessions.rows,
        stored / blocking,
        stored / off
    );
    Ok(stored)
}

/// In microseconds.
async fn timed(work: impl Future<Output = Result<()>>) -> Result<f64> {
    let started = Instant::now();
    work.await?;
    Ok(started.elapsed().as_secs_f64() * 1e6)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
