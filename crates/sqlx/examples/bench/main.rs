//! Compares refreshes by this store with those by `tower-refresh-postgres`, which sends concurrent calls as one statement:
//!
//! `cargo run --release -p tower-refresh-sqlx --example bench-sqlx`
//!
//! It starts a private PostgreSQL with the default durability, and takes two minutes. Other load on the machine makes all figures
//! worse, but those that are compared take turns.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use postgres_testing::{NOW, server::Server};
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;
use tower_refresh_core::{SessionHandle, SessionRow, SessionStore};
use tower_refresh_postgres::PostgresStore;
use tower_refresh_sqlx::SqlxStore;

const SESSIONS: u64 = 20_000;
const TURN: Duration = Duration::from_millis(200);
const TURNS: usize = 25;
const CONNECTIONS: u32 = 10;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::start(&["min_wal_size=2GB", "max_wal_size=4GB", "shared_buffers=512MB"]);
    let url = server.url("postgres");
    let grouped = PostgresStore::connect(&url).await?;
    let handles = create(&grouped).await;
    println!("refresh = load + compare-and-swap, {SESSIONS} sessions; median and 99th percentile in ms");
    println!("{:<44}{:>12}{:>9}{:>9}", "", "refreshes/s", "median", "p99");
    for commit in ["on", "off"] {
        println!("synchronous_commit = {commit}");
        let setting = format!("ALTER DATABASE postgres SET synchronous_commit = '{commit}'");
        server.client("postgres").await.batch_execute(&setting).await?;
        // The setting applies to new connections.
        let grouped = PostgresStore::connect(&url).await?;
        let probing = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
        let trusting = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
        let trusting = trusting.connect(&url).await?;
        let (probing, trusting) = (SqlxStore::open(probing).await?, SqlxStore::open(trusting).await?);
        for tasks in [1, 64] {
            let mut times = [Vec::new(), Vec::new(), Vec::new()];
            for turn in 0..=TURNS {
                let these = [
                    run(&grouped, &handles, tasks).await,
                    run(&probing, &handles, tasks).await,
                    run(&trusting, &handles, tasks).await,
                ];
                // The first turn connects and prepares the statements.
                if turn > 0 {
                    times.iter_mut().zip(these).for_each(|(times, these)| times.extend(these));
                }
            }
            let [grouped, probing, trusting] = times.map(Figures::new);
            grouped.print(&format!("  {tasks:>2} tasks, tower-refresh-postgres"));
            for (figures, name) in [(probing, ""), (trusting, ", test_before_acquire(false)")] {
                figures.print(&format!("  {tasks:>2} tasks, sqlx{name}"));
                let (rate, median) = (figures.rate / grouped.rate, figures.median / grouped.median);
                println!("     rate x{rate:.2}, median x{median:.2}");
            }
        }
    }
    Ok(())
}

async fn create(store: &PostgresStore) -> Arc<Vec<SessionHandle>> {
    // In an order that is unrelated to that of the handles.
    let handle = |number: u64| {
        let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        SessionHandle::from_bytes(spread.to_be_bytes())
    };
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let store = store.clone();
        tasks.spawn(async move {
            for number in (task..SESSIONS).step_by(64) {
                let expiry = NOW.saturating_add(Duration::from_secs(30 * 24 * 60 * 60));
                let row =
                    SessionRow::new(handle(number), format!("user-{number}").into(), NOW, expiry, expiry);
                store.create(&row).await.expect("creates");
            }
        });
    }
    tasks.join_all().await;
    Arc::new((0..SESSIONS).map(handle).collect())
}

/// How long each refresh took that `tasks` did in a turn. Each task has sessions of its own, so that no swap is lost.
async fn run(
    store: &(impl SessionStore + Clone + 'static),
    handles: &Arc<Vec<SessionHandle>>,
    tasks: usize,
) -> Vec<Duration> {
    let mut running = JoinSet::new();
    let start = Instant::now();
    let share = handles.len() / tasks;
    for task in 0..tasks {
        let (store, handles) = (store.clone(), Arc::clone(handles));
        running.spawn(async move {
            let mut times = Vec::new();
            for number in (0..share).cycle() {
                let begun = Instant::now();
                if begun - start > TURN {
                    break;
                }
                refresh(&store, handles[task * share + number]).await;
                times.push(begun.elapsed());
            }
            times
        });
    }
    running.join_all().await.concat()
}

async fn refresh(store: &impl SessionStore, handle: SessionHandle) {
    let mut row = store.load(handle).await.expect("loads").expect("the session is there");
    row.generation += 1;
    let swapped = store.compare_and_swap(&row, row.version + 1).await.expect("swaps");
    assert!(swapped, "no other task swaps this session");
}

struct Figures {
    rate: f64,
    median: f64,
    p99: f64,
}

impl Figures {
    fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let index = (times.len() as f64 * share) as usize;
            times.get(index).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
        };
        Self {
            rate: times.len() as f64 / (TURN * TURNS as u32).as_secs_f64(),
            median: at(0.5),
            p99: at(0.99),
        }
    }

    fn print(&self, name: &str) {
        println!("{name:<44}{:>12.0}{:>9.3}{:>9.3}", self.rate, self.median, self.p99);
    }
}
