//! A test of each store: the requests of a page that come at once with one expired session take two loads and one swap.

use std::{
    convert::Infallible,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::sleep,
    time::Duration,
};

use axum::{Router, body::Body, http::Request, routing};
use futures_util::future::join_all;
use postgres_testing::server::Server as Postgres;
use tempfile::{TempDir, tempdir};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, yield_now},
};
use tower::ServiceExt;
use tower_refresh::{
    Auth, Authenticated, Clock, Identity, KeyRing, MemoryStore, Rejection, Session, SessionHandle, Subject,
    SystemClock, Timestamp,
    event::EndReason,
    store::{Page, SessionStore, StoreError},
};
use tower_refresh_core::SessionRow;
use tower_refresh_postgres::PostgresStore;
use tower_refresh_redis::RedisStore;
use tower_refresh_sqlite::SqliteStore;

/// One half comes while the first load is in progress, and the other one while its rotation is.
const REQUESTS: usize = 20;

/// A store that counts loads and swaps, and sends their answers when the test lets it.
#[derive(Clone)]
struct CountingStore<S> {
    inner: S,
    calls: Arc<Mutex<[usize; 2]>>,
    answers: Arc<Semaphore>,
}

impl<S: SessionStore> CountingStore<S> {
    async fn answer<T>(&self, op: usize, call: impl Future<Output = T>) -> T {
        self.calls.lock().unwrap()[op] += 1;
        let result = call.await;
        self.answers.acquire().await.unwrap().forget();
        result
    }
}

impl<S: SessionStore> SessionStore for CountingStore<S> {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.inner.create(row).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.answer(0, self.inner.load(handle)).await
    }

    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        self.inner.has_version(handle, version)
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        self.answer(1, self.inner.compare_and_swap(row, version)).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.inner.end(handle, reason, now, version).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.inner.end_subject(subject, except, reason, now, version).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        self.inner.outdate_claims(handle, now, version).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.inner.list(subject, now, page).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.inner.purge_dead(dead_before).await
    }
}

/// The system's clock, ahead by so many seconds.
#[derive(Clone, Default)]
struct AheadClock(Arc<AtomicU64>);

impl Clock for AheadClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add(Duration::from_secs(self.0.load(Ordering::SeqCst)))
    }
}

async fn login(session: Session<()>) -> Result<(), Rejection> {
    session.login("alice").await.map(drop)
}

async fn me(user: Authenticated<()>) -> String {
    user.subject().as_str().to_owned()
}

/// Until each request has run until it waits for the store.
async fn all_wait() {
    for _ in 0..REQUESTS {
        yield_now().await;
    }
}

/// On one thread, where each request runs until it waits for the store.
async fn takes_two_loads_and_one_swap(store: impl SessionStore + Clone) {
    let (calls, answers) = (Arc::<Mutex<[usize; 2]>>::default(), Arc::new(Semaphore::new(0)));
    let clock = AheadClock::default();
    let auth = Auth::builder(KeyRing::ephemeral().unwrap())
        .issuer("https://api.example.com")
        .audience("example-web")
        .clock(clock.clone())
        .store(CountingStore { inner: store, calls: calls.clone(), answers: answers.clone() })
        .claims(|_subject, _session| async { Ok::<_, Infallible>(Some(Identity::new(()))) })
        .build()
        .unwrap();
    let router = Router::new()
        .route("/login", routing::post(login))
        .route("/me", routing::get(me))
        .layer(auth.layer())
        .with_state(());
    let request = Request::post("/login").header("host", "api.example.com").body(Body::empty());
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let cookies = response.headers().get_all("set-cookie").iter().map(|header| header.to_str().unwrap());
    let cookies: Vec<_> = cookies.filter_map(|cookie| cookie.split(';').next()).map(str::to_owned).collect();
    clock.0.store(3600, Ordering::SeqCst);
    let send = || {
        let request =
            Request::get("/me").header("host", "api.example.com").header("cookie", cookies.join("; "));
        tokio::spawn(router.clone().oneshot(request.body(Body::empty()).unwrap()))
    };
    let waits_after = async |loads, swaps| {
        while *calls.lock().unwrap() != [loads, swaps] {
            yield_now().await;
        }
        all_wait().await;
    };

    let mut sent: Vec<JoinHandle<_>> = (0..REQUESTS / 2).map(|_| send()).collect();
    waits_after(1, 0).await;
    answers.add_permits(1);
    waits_after(1, 1).await;
    sent.extend((REQUESTS / 2..REQUESTS).map(|_| send()));
    all_wait().await;
    answers.add_permits(REQUESTS);
    let responses = join_all(sent).await;

    let [loads, swaps] = *calls.lock().unwrap();
    assert!(loads <= 2, "{loads} loads");
    assert_eq!(swaps, 1);
    for response in responses {
        let response = response.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2, "it carries the tokens");
    }
}

#[tokio::test]
async fn twenty_requests_take_two_loads_and_one_swap_of_the_memory_store() {
    takes_two_loads_and_one_swap(MemoryStore::new()).await;
}

#[tokio::test]
async fn twenty_requests_take_two_loads_and_one_swap_of_sqlite() {
    let folder = tempdir().unwrap();
    takes_two_loads_and_one_swap(SqliteStore::open(folder.path().join("sessions.db")).await.unwrap()).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL"]
async fn twenty_requests_take_two_loads_and_one_swap_of_postgresql() {
    let server = Postgres::start(&[]);
    takes_two_loads_and_one_swap(PostgresStore::connect(&server.url("postgres")).await.unwrap()).await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn twenty_requests_take_two_loads_and_one_swap_of_redis() {
    let server = Redis::start();
    takes_two_loads_and_one_swap(RedisStore::connect(&server.url()).await.unwrap()).await;
}

/// A private server, which stops when this value is dropped.
struct Redis {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Redis {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = tempdir().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            sleep(Duration::from_millis(20));
        }
        Self { process, port, _folder: folder }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
