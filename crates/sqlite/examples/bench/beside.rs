//! The effect of work on many sessions on concurrent refreshes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    Result,
    sessions::{Sessions, refresh},
};

const TASKS: u64 = 8;
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) async fn row(
    sessions: &Sessions,
    name: &str,
    work: impl Future<Output = Result<u64>>,
) -> Result<()> {
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, handle, over) = (sessions.store.clone(), sessions.immortal(task), Arc::clone(&over));
        tasks.spawn(async move {
            let mut took = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let started = Instant::now();
                refresh(&store, handle).await?;
                took.push(started.elapsed());
                tokio::time::sleep(PAUSE).await;
            }
            Result::Ok(took)
        });
    }
    let started = Instant::now();
    let rows = work.await?;
    let took = started.elapsed();
    over.store(true, Ordering::Relaxed);
    let mut refreshes = Vec::new();
    while let Some(some) = tasks.join_next().await {
        refreshes.append(&mut some??);
    }
    refreshes.sort_unstable();
    let at = |percent| refreshes.get(refreshes.len() * percent / 100).copied().unwrap_or_default();
    let slowest = refreshes.last().copied().unwrap_or_default();
    println!("| {name} | {rows} sessions | {took:.1?} | {:.1?} | {:.1?} | {slowest:.1?} |", at(50), at(99));
    Ok(())
}
