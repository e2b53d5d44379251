//! Purging beside refreshes.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tower_refresh_core::SessionStore;
use tower_refresh_redis::RedisStore;

use crate::{FEW, NOW, Result, WEEK, refresh::refresh};

const AT_MOST: Duration = Duration::from_secs(60);

/// Removes expired sessions earlier than Redis does, beside refreshes of others.
pub(crate) async fn beside_refreshes(store: &RedisStore, others: &RedisStore, sessions: u64) -> Result<()> {
    let over = Arc::new(AtomicBool::new(false));
    let refreshes = tokio::spawn({
        let (store, over) = (others.clone(), Arc::clone(&over));
        async move {
            let mut times = Vec::new();
            for number in (0..FEW).cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                let started = Instant::now();
                refresh(&store, number).await?;
                times.push(started.elapsed());
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(times)
        }
    });
    let (started, mut purged) = (Instant::now(), 0);
    while purged < sessions && started.elapsed() < AT_MOST {
        purged += store.purge_dead(NOW.saturating_add(WEEK * 52)).await?;
    }
    let took = started.elapsed();
    over.store(true, Ordering::Relaxed);
    let mut times = refreshes.await??;
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let longest = times.last().copied().unwrap_or_default();
    println!("| purge of {purged} expired sessions | | {took:?} | |");
    println!("| refreshes beside it | | median {median:?}, p99 {p99:?}, longest {longest:?} | |");
    Ok(())
}
