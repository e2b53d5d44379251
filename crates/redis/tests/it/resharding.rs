//! Slots of a Cluster that move to other nodes while sessions are in use.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, Page, SessionRow, SessionStore, StoreError, Subject};
use tower_refresh_redis::{RedisOptions, RedisStore, Server};

use crate::support::{Cluster, NOW, Resharding, handle, row, with};

const TASKS: u64 = 16;
/// Sessions of each task at the start.
const SESSIONS: u64 = 12;
/// A slot stays in each state until so many calls have been answered.
const CALLS_IN_EACH_STATE: usize = 4;

/// However slow the machine is, a call fails because of the store only. One that is never answered stops the test.
const TIMEOUT: Duration = Duration::from_secs(3600);

/// What all tasks share.
#[derive(Default)]
struct World {
    stop: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

impl World {
    /// Records that the call was answered, or how it failed.
    async fn call<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Option<T> {
        match call.await {
            Ok(answer) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                Some(answer)
            }
            Err(error) => {
                self.fail(format!("{name}: {error:?}"));
                None
            }
        }
    }

    /// What a failed call has written is unknown, so the test ends.
    fn fail(&self, failure: String) {
        self.failures.lock().unwrap().push(failure);
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for calls, unless one has failed.
    fn let_calls_pass(&self) {
        let first = self.answered.load(Ordering::Relaxed);
        while self.answered.load(Ordering::Relaxed) - first < CALLS_IN_EACH_STATE && !self.is_stopped() {
            std::thread::yield_now();
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A task and the sessions of its own subject, which no other task changes.
struct Task {
    store: RedisStore,
    world: Arc<World>,
    subject: Subject,
    next: u64,
    live: BTreeMap<u64, SessionRow>,
    ended: BTreeSet<u64>,
}

impl Task {
    async fn start(number: u64, store: RedisStore, world: Arc<World>) -> Self {
        let subject = Subject::new(format!("user {number}"));
        let mut task = Self {
            store,
            world,
            subject,
            next: number * 1_000_000,
            live: BTreeMap::new(),
            ended: BTreeSet::new(),
        };
        for _ in 0..SESSIONS {
            task.create().await;
        }
        task
    }

    async fn run(mut self) -> Self {
        for round in 0_u64.. {
            let numbers: Vec<_> = self.live.keys().copied().collect();
            for number in numbers {
                self.refresh(number).await;
            }
            if self.world.is_stopped() {
                break;
            }
            self.list().await;
            match round % 4 {
                0 => self.create().await,
                1 => self.end().await,
                2 => self.outdate().await,
                _ if round % 20 == 3 => self.end_all_but_some().await,
                _ => {}
            }
        }
        self
    }

    async fn create(&mut self) {
        let row = with(row(self.next), |row| row.subject = self.subject.clone());
        if self.world.call("create", self.store.create(&row)).await.is_some() {
            self.live.insert(self.next, row);
        }
        self.next += 1;
    }

    /// A load finds what was written last, a swap succeeds once, and not with the version before it.
    async fn refresh(&mut self, number: u64) {
        let known = self.live[&number].clone();
        let Some(loaded) = self.world.call("load", self.store.load(known.handle)).await else { return };
        assert_eq!(loaded.as_ref(), Some(&known), "session {number}");
        let next = with(known.clone(), |row| row.generation += 1);
        let version = known.version + 1;
        let swap = self.store.compare_and_swap(&next, version);
        let again = self.store.compare_and_swap(&next, version);
        let swaps = futures_util::future::join(self.world.call("swap", swap), self.world.call("swap", again));
        let (Some(one), Some(other)) = swaps.await else { return };
        assert!(one != other, "of two swaps of session {number} at {version} one succeeds: {one}, {other}");
        self.live.insert(number, with(next, |row| row.version = version));
    }

    async fn list(&self) {
        let list = self.store.list(&self.subject, NOW, Page::first(1000));
        let Some(listed) = self.world.call("list", list).await else { return };
        // A failed call may have written something.
        if !self.world.failures.lock().unwrap().is_empty() {
            return;
        }
        let listed: BTreeMap<_, _> = listed.into_iter().map(|row| (row.handle, row)).collect();
        let live: BTreeMap<_, _> = self.live.values().map(|row| (row.handle, row.clone())).collect();
        assert_eq!(listed, live, "the sessions of {}", self.subject);
    }

    async fn end(&mut self) {
        let Some((&number, row)) = self.live.first_key_value() else { return };
        let end = |version| self.store.end(row.handle, EndReason::Logout, NOW, version);
        let Some(ended) = self.world.call("end", end(7)).await else { return };
        assert!(ended, "session {number} is ended once");
        let again = self.world.call("end", end(8)).await;
        assert_ne!(again, Some(true), "session {number} is ended once");
        let swap = self.world.call("swap", self.store.compare_and_swap(row, row.version + 1)).await;
        assert_ne!(swap, Some(true), "session {number} is not revived");
        self.live.remove(&number);
        self.ended.insert(number);
    }

    async fn outdate(&mut self) {
        let Some((_, row)) = self.live.iter_mut().next_back() else { return };
        let version = row.version + 1;
        let outdate = self.store.outdate_claims(row.handle, NOW, version);
        if let Some(epoch) = self.world.call("outdate", outdate).await {
            let epoch = epoch.unwrap();
            // A repetition may add one more: it costs one refresh.
            assert!(epoch > row.claims_epoch);
            (row.claims_epoch, row.version) = (epoch, version);
        }
    }

    /// Ends all sessions but the last one, and creates others.
    async fn end_all_but_some(&mut self) {
        let Some((&kept, row)) = self.live.last_key_value() else { return };
        let end = self.store.end_subject(&self.subject, Some(row.handle), EndReason::Revoked, NOW, 9);
        let Some(ended) = self.world.call("end_subject", end).await else { return };
        let expected: BTreeSet<_> = self.live.range(..kept).map(|(_, row)| row.handle).collect();
        assert_eq!(ended.into_iter().collect::<BTreeSet<_>>(), expected, "sessions of {}", self.subject);
        self.ended.extend(self.live.range(..kept).map(|(number, _)| *number));
        self.live = self.live.split_off(&kept);
        for _ in 1..SESSIONS {
            self.create().await;
        }
    }

    /// All sessions are as they were acknowledged.
    async fn check(&self) {
        for (number, known) in &self.live {
            assert_eq!(self.store.load(handle(*number)).await.unwrap().as_ref(), Some(known));
        }
        for number in &self.ended {
            let row = self.store.load(handle(*number)).await.unwrap().unwrap();
            assert!(row.ended.is_some(), "session {number} is ended");
        }
        self.list().await;
    }
}

/// Scans all keys again and again. No session is dead for long enough.
async fn scan(store: RedisStore, world: Arc<World>) {
    while !world.is_stopped() {
        assert!(world.call("purge", store.purge_dead(NOW)).await.is_none_or(|purged| purged == 0));
    }
}

/// Moves the slots of all keys to the last node, which had none, and back, so that it has none again.
fn reshard(resharding: &mut Resharding, keys: &[String], world: &World) {
    let slots: BTreeSet<_> = keys.iter().map(|key| resharding.slot(key)).collect();
    let slots: Vec<_> = slots.into_iter().map(|slot| (slot, resharding.owner(slot))).collect();
    for &(slot, owner) in &slots {
        resharding.move_slot(slot, owner, 3, || world.let_calls_pass());
    }
    assert_eq!(resharding.slots()[3], slots.len());
    for &(slot, owner) in &slots {
        resharding.move_slot(slot, 3, owner, || world.let_calls_pass());
    }
    assert_eq!(resharding.slots()[3], 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Redis Cluster"]
async fn slots_that_move_fail_no_call_and_lose_and_revive_no_session() {
    let mut cluster = Cluster::start(0);
    let server = Server::url(&cluster.url()).unwrap();
    let store = RedisOptions::new().with_timeout(TIMEOUT).connect(server).await.unwrap();
    let world = Arc::<World>::default();
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let task = Task::start(number, store.clone(), Arc::clone(&world)).await;
        tasks.spawn(task.run());
    }
    let scanning = tokio::spawn(scan(store.clone(), Arc::clone(&world)));

    cluster.add_primary();
    let mut resharding = cluster.resharding();
    let rows = (0..TASKS).flat_map(|task| (0..SESSIONS * 2).map(move |number| task * 1_000_000 + number));
    let rows = rows.map(|number| format!("tower-refresh:s:{}", handle(number)));
    let indexes = (0..TASKS).map(|task| format!("tower-refresh:i:user {task}"));
    let keys: Vec<_> = rows.chain(indexes).chain(["tower-refresh:ends".to_owned()]).collect();
    let moving = Arc::clone(&world);
    let moved = tokio::task::spawn_blocking(move || {
        reshard(&mut resharding, &keys, &moving);
        resharding.until_agreed();
    });
    moved.await.unwrap();
    world.stop.store(true, Ordering::Relaxed);
    let tasks = tasks.join_all().await;
    scanning.await.unwrap();

    let failures = std::mem::take(&mut *world.failures.lock().unwrap());
    assert!(failures.is_empty(), "{} failures: {:#?}", failures.len(), &failures[..failures.len().min(10)]);
    for task in tasks {
        task.check().await;
    }
}
