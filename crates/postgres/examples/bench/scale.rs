//! The same calls among few sessions and among very many.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use postgres_testing::server::Server;
use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, Page, SessionHandle, SessionStore, Subject};
use tower_refresh_postgres::PostgresStore;

use crate::{
    FEW, NOW,
    ends::{catch_up, row},
    fill, lists, open, percentile, purge,
    refresh::{Refreshes, compare_sizes},
    set_commit,
};

const TURN: Duration = Duration::from_millis(200);
const TURNS: usize = 10;
const PURGE_AT_MOST: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
enum Call {
    Create,
    List,
    End,
}

/// The sessions of one database.
#[derive(Clone)]
struct Side {
    store: PostgresStore,
    sessions: u64,
    listed: Arc<AtomicU64>,
    created: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
    refreshes: Refreshes,
}

/// Compares refreshes and other calls among 1000 sessions and among `sessions`. A tenth as many dead sessions are in both tables.
pub(crate) async fn compare(server: &Server, sessions: u64) -> Result<(), Box<dyn Error>> {
    println!(
        "\namong {FEW} and among {sessions} sessions, synchronous_commit = off; median and 99th percentile in ms"
    );
    let dead = sessions / 10;
    let few = Side::load(server, "few", FEW, dead).await?;
    let many = Side::load(server, "many", sessions, dead).await?;
    println!("{:<34}{:>12}{:>9}{:>9}", "", "calls/s", "median", "p99");
    println!("refresh");
    compare_sizes([few.refreshes.clone(), many.refreshes.clone()]).await;
    let sides = [few, many];
    // Those that are created make the lists of the small table longer.
    for tasks in [1, 64] {
        println!("list, of subjects that were not listed before");
        in_turns(&sides, tasks, Call::List).await?;
        // The same subjects, so that their rows are in memory.
        for side in &sides {
            side.listed.store(0, Ordering::Relaxed);
        }
        println!("list, again");
        in_turns(&sides, tasks, Call::List).await?;
    }
    for (side, database) in sides.iter().zip(["few", "many"]) {
        lists::print_pages(server, database, side.sessions).await?;
    }
    for (name, call) in [("create", Call::Create), ("end, durable", Call::End)] {
        println!("{name}");
        for tasks in [1, 64] {
            in_turns(&sides, tasks, call).await?;
        }
    }
    for (side, database) in sides.iter().zip(["few", "many"]) {
        let ended = side.ended.load(Ordering::Relaxed);
        println!(
            "{database}: the feed reports {ended} earlier ends: {:.0} ms",
            catch_up(&side.store, ended).await
        );
    }
    for (side, database) in sides.iter().zip(["few", "many"]) {
        println!("{database}: purge of {dead} dead sessions while 8 tasks refresh others; ms");
        // The other sessions, as some of those that were read first have ended.
        let refreshes = Refreshes::of(server, database, &side.store).await?;
        purge::during_refreshes(&side.store, refreshes, PURGE_AT_MOST).await?;
    }
    Ok(())
}

impl Side {
    async fn load(server: &Server, database: &str, sessions: u64, dead: u64) -> Result<Self, Box<dyn Error>> {
        open(server, database).await?;
        set_commit(server, database, "off").await?;
        let start = Instant::now();
        fill::dead(server, database, dead).await?;
        fill::live(server, database, sessions).await?;
        println!("{database}: loaded and vacuumed in {:.0} s", start.elapsed().as_secs_f64());
        fill::print_sizes(server, database).await?;
        let store = PostgresStore::connect(&server.url(database)).await?;
        let refreshes = Refreshes::of(server, database, &store).await?;
        Ok(Self {
            store,
            sessions,
            listed: Arc::default(),
            created: Arc::default(),
            ended: Arc::default(),
            refreshes,
        })
    }

    /// Returns false if no session is left that this call could end.
    async fn one(&self, call: Call) -> Result<bool, Box<dyn Error + Send + Sync>> {
        // Two sessions have each subject, all over the table.
        let subject = |number: u64| {
            Subject::new(format!("live-{}", number.wrapping_mul(0x9e37_79b9) % (self.sessions / 2)))
        };
        match call {
            Call::Create => {
                let number = self.created.fetch_add(1, Ordering::Relaxed);
                self.store.create(&row(&subject(number), number)).await?;
            }
            Call::List => {
                let number = self.listed.fetch_add(1, Ordering::Relaxed);
                self.store.list(&subject(number), NOW, Page::first(50)).await?;
            }
            Call::End => {
                let Some(handle) = self.next_to_end() else { return Ok(false) };
                assert!(self.store.end(handle, EndReason::Logout, NOW, 7).await?, "it is the first end");
            }
        }
        Ok(true)
    }

    /// One of those that were created, in both tables, as the small one has too few others.
    fn next_to_end(&self) -> Option<SessionHandle> {
        let number = self.ended.fetch_add(1, Ordering::Relaxed);
        let next =
            (number < self.created.load(Ordering::Relaxed)).then(|| row(&Subject::new(""), number).handle);
        if next.is_none() {
            self.ended.fetch_sub(1, Ordering::Relaxed);
        }
        next
    }

    /// The times of the calls that `tasks` made, and how long that took.
    async fn run(&self, tasks: u64, call: Call) -> Result<(Vec<Duration>, Duration), Box<dyn Error>> {
        let start = Instant::now();
        let mut running = JoinSet::new();
        for _ in 0..tasks {
            let side = self.clone();
            running.spawn(async move {
                let mut times = Vec::new();
                while start.elapsed() < TURN {
                    let begun = Instant::now();
                    if !side.one(call).await? {
                        break;
                    }
                    times.push(begun.elapsed());
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(times)
            });
        }
        let mut times = Vec::new();
        while let Some(some) = running.join_next().await {
            times.extend(some?.map_err(|error| error.to_string())?);
        }
        Ok((times, start.elapsed()))
    }
}

async fn in_turns(sides: &[Side; 2], tasks: u64, call: Call) -> Result<(), Box<dyn Error>> {
    let mut all = [(Vec::new(), Duration::ZERO), (Vec::new(), Duration::ZERO)];
    for _ in 0..TURNS {
        for (side, (times, took)) in sides.iter().zip(&mut all) {
            let (some, time) = side.run(tasks, call).await?;
            times.extend(some);
            *took += time;
        }
    }
    let rates = all.each_ref().map(|(times, took)| times.len() as f64 / took.as_secs_f64());
    for ((mut times, _), (name, rate)) in all.into_iter().zip(["few", "many"].into_iter().zip(rates)) {
        times.sort_unstable();
        let [median, p99] = [0.5, 0.99].map(|share| percentile(&times, share));
        println!("{:<34}{rate:>12.0}{median:>9.3}{p99:>9.3}", format!("  {tasks:>2} tasks, {name}"));
    }
    println!("     cost x{:.2}", rates[0] / rates[1]);
    Ok(())
}
