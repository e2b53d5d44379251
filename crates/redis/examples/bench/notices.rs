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

use crate::{NOW, Result, WEEK, sessions::handle, store};

const PREFIX: &str = "bench-notices";
const NOTICES: u64 = 200_000;
const SENT_AT_ONCE: u64 = 100;
/// What `/proc` counts in.
const TICK: Duration = Duration::from_millis(10);

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

/// The processor time of this process includes sending. The more servers there are, the less of it falls to each notice that is received.
pub(crate) async fn compare(url: &str, raw: &MultiplexedConnection) -> Result<()> {
    let mut raw = raw.clone();
    let at = NOW.saturating_add(WEEK);
    for stores in [1, 4, 16] {
        let watcher = Arc::new(Watcher::default());
        let mut watching = Vec::new();
        for _ in 0..stores {
            let (store, watcher) = (store(url, PREFIX).await?, Arc::clone(&watcher));
            watching.push(tokio::spawn(async move { store.watch_feed(at, &*watcher).await }));
        }
        until(&watcher.ready, stores).await;
        let (start, busy) = (Instant::now(), processor_time()?);
        for first in (0..NOTICES).step_by(SENT_AT_ONCE as usize) {
            let mut pipe = redis::pipe();
            for number in first..first + SENT_AT_ONCE {
                // Kind, handle and time.
                let mut message = [1; 25];
                message[1..17].copy_from_slice(handle(number).as_bytes());
                message[17..].copy_from_slice(&at.as_millis().to_be_bytes());
                pipe.cmd("PUBLISH").arg(format!("{PREFIX}:ended")).arg(&message).ignore();
            }
            let _: () = pipe.query_async(&mut raw).await?;
        }
        until(&watcher.received, NOTICES * stores).await;
        let (took, busy) = (start.elapsed(), processor_time()? - busy);
        println!(
            "| notices of the feed to {stores} servers | | {:.0}/s to each, {:.2} µs of processor time for each \
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
