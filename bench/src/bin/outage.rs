//! The herd after an outage of the store: `outage [SESSIONS [SECONDS]]`. All sessions expire while the store is down, and each
//! client repeats its request one second after each 503, as `Retry-After` says, or evenly spread over one to SECONDS. It prints
//! figures, and asserts that no session is lost.
#![allow(clippy::unwrap_used, reason = "a benchmark panics on unexpected errors")]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    env,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, http::StatusCode};
use tokio::{runtime::Builder, sync::Semaphore, task::JoinSet, time::sleep};
use tower::ServiceExt;
use tower_refresh::{
    MemoryStore, SessionHandle, Subject, Timestamp,
    event::EndReason,
    store::{FeedWatcher, Page, SessionRow, SessionStore, StoreError, StoreErrorKind},
};
use tower_refresh_bench::{
    algorithm::Algorithm,
    ours::{AheadClock, Ours},
    requests::get,
};

const SESSIONS: usize = 20_000;
const OUTAGE: Duration = Duration::from_secs(5);
const CONNECTIONS: usize = 10;
/// The time of a call on a connection.
const CALL: Duration = Duration::from_millis(1);
const SLOT: Duration = Duration::from_millis(100);
const ACCESS_TOKEN_LIFETIME: f64 = 600.0;

/// A store with few connections, which can be down.
#[derive(Clone, Debug)]
struct Limited(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    memory: MemoryStore,
    connections: Semaphore,
    is_limited: AtomicBool,
    is_down: AtomicBool,
    failures: AtomicUsize,
    start: Instant,
    /// The calls in each slot of time that were answered.
    calls: Mutex<BTreeMap<u128, usize>>,
}

impl Limited {
    fn new() -> Self {
        Self(Arc::new(Inner {
            memory: MemoryStore::new(),
            connections: Semaphore::new(CONNECTIONS),
            is_limited: AtomicBool::new(false),
            is_down: AtomicBool::new(false),
            failures: AtomicUsize::new(0),
            start: Instant::now(),
            calls: Mutex::default(),
        }))
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        if self.0.is_down.load(Ordering::Relaxed) {
            self.0.failures.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::new(StoreErrorKind::Unavailable));
        }
        if !self.0.is_limited.load(Ordering::Relaxed) {
            return call.await;
        }
        let _connection = self.0.connections.acquire().await.unwrap();
        sleep(CALL).await;
        // Not those that the middleware has abandoned meanwhile.
        let slot = self.0.start.elapsed().as_millis() / SLOT.as_millis();
        *self.0.calls.lock().unwrap().entry(slot).or_default() += 1;
        call.await
    }
}

impl SessionStore for Limited {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.call(self.0.memory.create(row)).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.call(self.0.memory.load(handle)).await
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        self.call(self.0.memory.compare_and_swap(row, version)).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.call(self.0.memory.end(handle, reason, now, version)).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.call(self.0.memory.end_subject(subject, except, reason, now, version)).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        self.call(self.0.memory.outdate_claims(handle, now, version)).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.call(self.0.memory.list(subject, now, page)).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.call(self.0.memory.purge_dead(dead_before)).await
    }

    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        self.0.memory.watch_feed(since, watcher).await
    }
}

fn main() {
    let argument = |index| env::args().nth(index).map(|number| number.parse::<usize>().unwrap());
    let (sessions, longest) = (argument(1).unwrap_or(SESSIONS), argument(2).unwrap_or(1));
    let runtime = Rc::new(Builder::new_current_thread().enable_time().build().unwrap());
    let (store, clock) = (Limited::new(), AheadClock::default());
    let world = Ours::on(runtime.clone(), Algorithm::Hs256, |builder| {
        builder.store(store.clone()).clock(clock.clone())
    });
    let cookies: Vec<_> = (0..sessions).map(|_| world.login().cookies()).collect();
    clock.expire_access_tokens();
    store.0.is_limited.store(true, Ordering::Relaxed);
    store.0.is_down.store(true, Ordering::Relaxed);
    let router = world.with_layer_on_routes();
    let (down, clients) = runtime.block_on(herd(&store, router, cookies, longest));
    print(&store, down, clients);
}

/// A client that has new tokens.
struct Served {
    /// Since the store was back.
    at: Duration,
    /// 503s since then.
    late: usize,
    /// Responses since then that had no tokens.
    without_tokens: usize,
}

/// The failed calls of the outage, and the clients.
async fn herd(store: &Limited, router: Router, cookies: Vec<String>, longest: usize) -> (usize, Vec<Served>) {
    let count = cookies.len();
    let back = Instant::now() + OUTAGE;
    let mut clients = JoinSet::new();
    for (number, cookies) in cookies.into_iter().enumerate() {
        let router = router.clone();
        // They begin evenly over the first second.
        let first = Duration::from_secs(1) * number as u32 / count as u32;
        clients.spawn(async move {
            sleep(first).await;
            let (mut late, mut without_tokens) = (0, 0);
            loop {
                let Ok(response) = router.clone().oneshot(get(&[("cookie", &cookies)])).await;
                let is_late = Instant::now() > back;
                let delay = if response.status() == StatusCode::OK {
                    if response.headers().contains_key("set-cookie") {
                        return Served { at: back.elapsed(), late, without_tokens };
                    }
                    // The handler ran, but the rotation was not stored in time. The client's next request refreshes again.
                    without_tokens += usize::from(is_late);
                    1
                } else {
                    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "no session is lost");
                    late += usize::from(is_late);
                    response.headers()["retry-after"].to_str().unwrap().parse().unwrap()
                };
                let share = (number * 7919 % count) as f64 / count as f64;
                let more = longest.saturating_sub(1) as f64 * share;
                sleep(Duration::from_secs(delay) + Duration::from_secs_f64(more)).await;
            }
        });
    }
    sleep(back - Instant::now()).await;
    store.0.is_down.store(false, Ordering::Relaxed);
    let down = store.0.failures.load(Ordering::Relaxed);
    (down, clients.join_all().await)
}

fn print(store: &Limited, down: usize, clients: Vec<Served>) {
    let calls = store.0.calls.lock().unwrap();
    let (sum, peak) = (calls.values().sum::<usize>(), calls.values().max().copied().unwrap_or_default());
    let normal = 2.0 * clients.len() as f64 / ACCESS_TOKEN_LIFETIME;
    let peak = peak as f64 / SLOT.as_secs_f64();
    let late: usize = clients.iter().map(|client| client.late).sum();
    let without_tokens: usize = clients.iter().map(|client| client.without_tokens).sum();
    let last = clients.iter().map(|client| client.at).max().unwrap_or_default();
    println!("{} sessions, {CONNECTIONS} connections of {CALL:?} a call", clients.len());
    println!("calls while the store was down for {OUTAGE:?}: {down}");
    println!("afterwards: {sum} calls answered, {late} 503s, {without_tokens} responses without new tokens");
    println!("the last client has new tokens after {last:.1?}");
    println!("peak: {peak:.0} calls/s, {:.0} times the normal {normal:.0}", peak / normal);
}
