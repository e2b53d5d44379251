//! The calls of each store when many requests come at once with one expired session.

mod redis;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use axum::{Router, extract::Request, http::StatusCode, routing};
use postgres_testing::server::Server as Postgres;
use tokio::{runtime::Builder, task::JoinSet};
use tower::ServiceExt;
use tower_refresh::{Authenticated, MemoryStore, store::SessionStore};
use tower_refresh_postgres::PostgresStore;
use tower_refresh_redis::RedisStore;
use tower_refresh_sqlite::SqliteStore;

pub(crate) use self::redis::Redis;
use crate::{
    algorithm::Algorithm,
    ours::{AheadClock, Ours, User},
    requests::get_path,
    store::CountingStore,
};

const ROUNDS: usize = 20;
/// One request, a browser that loads a page, and far more than any client sends.
const CONCURRENT: [usize; 3] = [1, 20, 1000];
const THREADS: usize = 2;
/// Their handlers take up to this long, each another time.
const SLOWEST_HANDLER: Duration = Duration::from_millis(50);

/// Prints the loads and swaps of each store, with the numbers of rotated sessions in which they differed.
pub fn print_calls() {
    println!("loads and swaps on {THREADS} threads, the least and the most of {ROUNDS} rounds");
    let runtime = Rc::new(Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap());
    let print = Calls { runtime: runtime.clone() };
    print.of("memory", MemoryStore::new());
    let folder = tempfile::tempdir().unwrap();
    print.of("SQLite", runtime.block_on(SqliteStore::open(folder.path().join("sessions.db"))).unwrap());
    let server = Postgres::start(&[]);
    print.of("PostgreSQL", runtime.block_on(PostgresStore::connect(&server.url("postgres"))).unwrap());
    let server = Redis::start();
    print.of("Redis", runtime.block_on(RedisStore::connect(&server.url)).unwrap());
}

struct Calls {
    runtime: Rc<tokio::runtime::Runtime>,
}

impl Calls {
    fn of<S: SessionStore>(&self, name: &str, store: S) {
        let store = CountingStore::new(store);
        let clock = AheadClock::default();
        let world = Ours::on(self.runtime.clone(), Algorithm::Hs256, |builder| {
            builder.store(store.clone()).clock(clock.clone())
        });
        let mut lone = Duration::ZERO;
        for concurrent in CONCURRENT {
            for path in ["/me", "/slow"] {
                let mut best = Duration::MAX;
                let rounds: Vec<_> = (0..ROUNDS)
                    .map(|_| {
                        let tokens = world.login();
                        clock.expire_access_tokens();
                        store.take_calls();
                        best = best.min(self.send_at_once(&world, path, &tokens.cookies(), concurrent));
                        store.take_calls()
                    })
                    .collect();
                let span = |index: usize| {
                    let calls = rounds.iter().map(|calls| calls[index]);
                    (calls.clone().min().unwrap_or_default(), calls.max().unwrap_or_default())
                };
                let ((fewest_loads, loads), (fewest_swaps, swaps)) = (span(0), span(1));
                println!(
                    "{name}, {concurrent} requests of {path}: {fewest_loads} to {loads} loads, {fewest_swaps} to \
                     {swaps} swaps"
                );
                if path == "/me" {
                    let each = best / concurrent as u32;
                    lone = if concurrent == 1 { each } else { lone };
                    let ratio = each.as_secs_f64() / lone.as_secs_f64();
                    println!("    each takes {ratio:.2} of the time of a lone request");
                }
            }
        }
    }

    /// Returns the time from the first request to the last response.
    fn send_at_once(&self, world: &Ours, path: &str, cookies: &str, concurrent: usize) -> Duration {
        let requests: Vec<Request> = (0..concurrent)
            .map(|number| {
                let part = SLOWEST_HANDLER.as_micros() as usize * number / concurrent;
                get_path(path, &[("cookie", cookies), ("x-microseconds", &part.to_string())])
            })
            .collect();
        let router = Router::new()
            .route("/me", routing::get(me))
            .route("/slow", routing::get(slow))
            .layer(world.auth.layer())
            .with_state(());
        self.runtime.block_on(async {
            let start = Instant::now();
            let mut running: JoinSet<_> =
                requests.into_iter().map(|request| router.clone().oneshot(request)).collect();
            while let Some(response) = running.join_next().await {
                let Ok(response) = response.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                let sets = response.headers().get_all("set-cookie").iter().count();
                assert_eq!(sets, 2, "each response carries the tokens");
            }
            start.elapsed()
        })
    }
}

async fn me(user: Authenticated<User>) -> String {
    user.claims().name.clone()
}

async fn slow(user: Authenticated<User>, request: Request) -> String {
    let time = request.headers()["x-microseconds"].to_str().unwrap().parse().unwrap();
    tokio::time::sleep(Duration::from_micros(time)).await;
    user.claims().name.clone()
}
