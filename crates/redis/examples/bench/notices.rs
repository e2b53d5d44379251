//! What a notice of the feed costs a server that receives it, and how many there can be.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::aio::MultiplexedConnection;
use tower_refresh_core::{FeedWatcher, SessionHandle, SessionStore, Timestamp};

use crate::{NOW, Result, WEEK, store};

const PREFIX: &str = "bench-notices";
const NOTICES: u64 = 200_000;
/// What `/proc` counts in.
const TICK: Duration = Duration::from_millis(10);
/// Publishes session ends: the kind, a handle that is a number, and the time.
const PUBLISH: &str = "for n = tonumber(ARGV[2]), tonumber(ARGV[3]) do \
     redis.call('PUBLISH', ARGV[1], string.char(1) .. string.format('%016d', n) .. ARGV[4]) end";

#[derive(Default)]
struct Watcher {
    ready: AtomicU64,
    received: AtomicU64,
}

impl FeedWatcher for Watcher {
    fn ended(&self, _session: SessionHandle, _at: Timestamp) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    fn outdated(&self, _session: SessionHandle, _epoch: u32) {}

    fn caught_up(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
    }
}

/// The server itself sends the notices, so the processor time of this process is that of receiving them.
pub(crate) async fn compare(url: &str, raw: &MultiplexedConnection) -> Result<()> {
    let mut raw = raw.clone();
    let at = NOW.saturating_add(WEEK);
    for (stores, at_once) in [(1, 1), (4, 1), (16, 1), (1, 1000), (4, 1000), (16, 1000)] {
        let watcher = Arc::new(Watcher::default());
        let mut watching = Vec::new();
        for _ in 0..stores {
            let (store, watcher) = (store(url, PREFIX).await?, Arc::clone(&watcher));
            watching.push(tokio::spawn(async move { store.watch_feed(at, &*watcher).await }));
        }
        until(&watcher.ready, stores).await;
        let (start, busy) = (Instant::now(), processor_time()?);
        for first in (0..NOTICES).step_by(at_once as usize * 100) {
            let mut pipe = redis::pipe();
            for first in (first..NOTICES.min(first + at_once * 100)).step_by(at_once as usize) {
                let publish = pipe.cmd("EVAL").arg(PUBLISH).arg(0).arg(format!("{PREFIX}:ended"));
                publish.arg(first).arg(first + at_once - 1).arg(&at.as_millis().to_be_bytes()).ignore();
            }
            let _: () = pipe.query_async(&mut raw).await?;
        }
        until(&watcher.received, NOTICES * stores).await;
        let (took, busy) = (start.elapsed(), processor_time()? - busy);
        println!(
            "| notices of the feed, {at_once} in a script, to {stores} servers | | {:.0}/s to each, {:.2} µs of processor time for each \
             that is received | |",
            NOTICES as f64 / took.as_secs_f64(),
            busy.as_secs_f64() * 1e6 / (NOTICES * stores) as f64
        );
        watching.iter().for_each(tokio::task::JoinHandle::abort);
    }
    Ok(())
}

async fn until(counter: &AtomicU64, count: u64) {
    while counter.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// In user and system mode, of this process.
fn processor_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').ok_or("the name is in brackets")?;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    Ok(TICK * ticks.sum::<std::result::Result<u32, _>>()?)
}
