//! Refreshes, with the store and raw.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::{Manager, Pool};
use postgres_testing::server::Server;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;
use tower_refresh_core::{SessionHandle, SessionStore};
use tower_refresh_postgres::PostgresStore;

use crate::{fill, percentile};

const TURN: Duration = Duration::from_millis(200);
const TURNS: usize = 25;

const RAW_LOAD: &str = "SELECT handle, subject, generation, rotated_at, confirmed, late_budget, created_at, \
     idle_expiry, absolute_expiry, ended_reason, ended_at, version, user_agent, ip, label, data \
     FROM tower_refresh.sessions WHERE handle = $1";
const RAW_SWAP: &str = "UPDATE tower_refresh.sessions SET version = version + 1, generation = $3, rotated_at = $4, \
     confirmed = $5, late_budget = $6, idle_expiry = $7, death_hour = least($7::bigint, absolute_expiry) / 3600000 \
     WHERE handle = $1 AND version = $2 AND ended_at IS NULL";

/// Refreshes of sessions in turn.
#[derive(Clone)]
pub(crate) struct Refreshes {
    method: Method,
    handles: Arc<Vec<SessionHandle>>,
}

#[derive(Clone)]
enum Method {
    Store(PostgresStore),
    Raw(Pool),
}

impl Refreshes {
    pub(crate) async fn of(
        server: &Server,
        database: &str,
        store: &PostgresStore,
    ) -> Result<Self, Box<dyn Error>> {
        let handles = Arc::new(fill::handles(server, database).await?);
        Ok(Self { method: Method::Store(store.clone()), handles })
    }

    /// The same refreshes, each statement on its own on a pooled connection.
    fn raw(&self, url: &str, connections: usize) -> Result<Self, Box<dyn Error>> {
        let manager = Manager::new(url.parse()?, NoTls);
        let pool = Pool::builder(manager).max_size(connections).build()?;
        Ok(Self { method: Method::Raw(pool), ..self.clone() })
    }

    async fn one(&self, handle: SessionHandle) {
        match &self.method {
            Method::Store(store) => refresh_with_store(store, handle).await,
            Method::Raw(pool) => refresh_raw(pool, handle).await.expect("the server answers"),
        }
    }

    /// How long each refresh took that `tasks` did within the time.
    pub(crate) async fn run(&self, tasks: usize, time: Duration) -> Vec<Duration> {
        let mut running = JoinSet::new();
        let start = Instant::now();
        // Each task has sessions of its own, so that no swap is lost.
        let share = self.handles.len() / tasks;
        for task in 0..tasks {
            let refreshes = self.clone();
            running.spawn(async move {
                let mut times = Vec::new();
                for number in (0..share).cycle() {
                    let begun = Instant::now();
                    if begun - start > time {
                        break;
                    }
                    refreshes.one(refreshes.handles[task * share + number]).await;
                    times.push(begun.elapsed());
                }
                times
            });
        }
        running.join_all().await.concat()
    }
}

async fn refresh_with_store(store: &PostgresStore, handle: SessionHandle) {
    let mut row = store.load(handle).await.expect("loads").expect("the session is there");
    row.generation += 1;
    row.idle_expiry = row.idle_expiry.saturating_add(Duration::from_millis(1));
    assert!(
        store.compare_and_swap(&row, row.version + 1).await.expect("swaps"),
        "no other task swaps this session"
    );
}

async fn refresh_raw(pool: &Pool, handle: SessionHandle) -> Result<(), Box<dyn Error>> {
    let handle = handle.as_bytes().as_slice();
    let row = {
        let connection = pool.get().await?;
        let statement = connection.prepare_cached(RAW_LOAD).await?;
        connection.query_one(&statement, &[&handle]).await?
    };
    let (generation, idle_expiry): (i64, i64) = (row.try_get(2)?, row.try_get(7)?);
    let (rotated_at, confirmed, late_budget): (i64, bool, i64) =
        (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
    let version: i64 = row.try_get(11)?;
    let connection = pool.get().await?;
    let statement = connection.prepare_cached(RAW_SWAP).await?;
    let swapped = connection
        .execute(
            &statement,
            &[
                &handle,
                &version,
                &(generation + 1),
                &rotated_at,
                &confirmed,
                &late_budget,
                &(idle_expiry + 1),
            ],
        )
        .await?;
    assert_eq!(swapped, 1, "no other task swaps this session");
    Ok(())
}

/// Compares the store with the raw statements, in turns.
pub(crate) async fn compare(
    server: &Server,
    database: &str,
    store: &PostgresStore,
    tasks: usize,
) -> Result<(), Box<dyn Error>> {
    let store = Refreshes::of(server, database, store).await?;
    let url = server.url(database);
    let sides = [store.raw(&url, 10)?, store.raw(&url, 64)?, store];
    let [raw, wide, store] = in_turns(&sides, tasks).await;
    raw.print(&format!("  {tasks:>2} tasks, raw, 10 connections"));
    if tasks > 10 {
        wide.print(&format!("  {tasks:>2} tasks, raw, 64 connections"));
    }
    store.print(&format!("  {tasks:>2} tasks, store, 10 connections"));
    println!("     rate x{:.2}, median x{:.2}", store.rate / raw.rate, store.median / raw.median);
    Ok(())
}

/// Compares the same refreshes in a small table and in a large one.
pub(crate) async fn compare_sizes(sides: [Refreshes; 2]) {
    for tasks in [1, 64] {
        let [few, many] = in_turns(&sides, tasks).await;
        few.print(&format!("  {tasks:>2} tasks, few"));
        many.print(&format!("  {tasks:>2} tasks, many"));
        println!("     cost x{:.2}", few.rate / many.rate);
    }
}

async fn in_turns<const SIDES: usize>(sides: &[Refreshes; SIDES], tasks: usize) -> [Figures; SIDES] {
    let mut times = [const { Vec::new() }; SIDES];
    for turn in 0..=TURNS {
        for (side, times) in sides.iter().zip(&mut times) {
            let these = side.run(tasks, TURN).await;
            // The first turn connects and prepares the statements.
            if turn > 0 {
                times.extend(these);
            }
        }
    }
    times.map(Figures::new)
}

struct Figures {
    rate: f64,
    median: f64,
    p99: f64,
}

impl Figures {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let rate = times.len() as f64 / (TURN * TURNS as u32).as_secs_f64();
        Self { rate, median: percentile(&times, 0.5), p99: percentile(&times, 0.99) }
    }

    fn print(&self, name: &str) {
        println!("{name:<34}{:>12.0}{:>9.3}{:>9.3}", self.rate, self.median, self.p99);
    }
}
