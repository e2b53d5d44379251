//! What a notice of the feed costs a server that receives it, and how many there can be.

use std::{
    error::Error,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use postgres_testing::server::Server;
use tower_refresh_core::{FeedWatcher, SessionHandle, SessionStore, Timestamp};
use tower_refresh_postgres::PostgresStore;
use tower_refresh_postgres_schema::{Statements, Table};

use crate::{NOW, open};

const NOTICES: u64 = 200_000;
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

/// The server itself sends the notices, so the processor time of this process is that of receiving them.
pub(crate) async fn compare(server: &Server) -> Result<(), Box<dyn Error>> {
    let database = "notices";
    open(server, database).await?;
    let table = Table::new("tower_refresh".into(), "sessions".into())?;
    let channel = Statements::new(&table, false, |sql, _| sql).channel;
    for (stores, at_once) in [(1, 1), (4, 1), (16, 1), (1, 1000), (4, 1000), (16, 1000)] {
        let watcher = Arc::new(Watcher::default());
        let mut watching = Vec::new();
        for _ in 0..stores {
            let (store, watcher) =
                (PostgresStore::connect(&server.url(database)).await?, Arc::clone(&watcher));
            watching.push(tokio::spawn(async move { store.watch_feed(NOW, &*watcher).await }));
        }
        until(&watcher.ready, stores).await;
        let (start, busy) = (Instant::now(), processor_time()?);
        let client = server.client(database).await;
        // 22 characters of base64 are a handle.
        let send = format!(
            "DO $$ BEGIN FOR batch IN 0..{} BY {at_once} LOOP \
                 PERFORM pg_notify('{channel}', lpad(n::text, 21, 'A') || 'A {}') \
                     FROM generate_series(batch, batch + {at_once} - 1) AS n; \
                 COMMIT; \
             END LOOP; END $$",
            NOTICES - 1,
            NOW.as_millis()
        );
        client.batch_execute("SET synchronous_commit = off").await?;
        client.batch_execute(&send).await?;
        until(&watcher.received, NOTICES * stores).await;
        let (took, busy) = (start.elapsed(), processor_time()? - busy);
        println!(
            "  {at_once:>4} in a transaction, {stores:>2} servers: {:.0} notices/s to each, {:.2} µs of processor time for each that is received",
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
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, after_name) = stat.rsplit_once(')').ok_or("the name is in brackets")?;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    Ok(TICK * ticks.sum::<Result<u32, _>>()?)
}
