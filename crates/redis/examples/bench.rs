//! Compares the store with the same commands issued one by one through the same driver, and prints a table.
//!
//! `cargo run --release -p tower-refresh-redis --example bench-redis [URL]`. It runs for about a minute. Without a URL it starts a
//! private `redis-server` without persistence, and stops it at the end. With a URL, it fills that server with a million sessions
//! under the prefixes `bench-few` and `bench-many`, and does not remove them.

use std::{
    error::Error,
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{
    Client, ConnectionInfo, IntoConnectionInfo, Script, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use tokio::task::JoinSet;
use tower_refresh_core::{
    EndReason, EndWatcher, SessionHandle, SessionRow, SessionStore, Subject, Timestamp,
};
use tower_refresh_redis::{Options, RedisStore, Server};

const SLICE: Duration = Duration::from_millis(150);
const ROUNDS: usize = 31;
const FEW: u64 = 1_000;
const MANY: u64 = 1_000_000;
const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<()> {
    let own = std::env::args().nth(1).is_none().then(OwnServer::start).transpose()?;
    let url = own.as_ref().map_or_else(|| std::env::args().nth(1).unwrap_or_default(), |own| own.url.clone());
    let raw = raw_connection(&url).await?;
    let few = store(&url, "bench-few").await?;
    fill(&few, &raw, "bench-few", FEW).await?;
    let many = store(&url, "bench-many").await?;
    let before = used_memory(&raw).await?;
    fill(&many, &raw, "bench-many", MANY).await?;
    let bytes = (used_memory(&raw).await? - before) / MANY;

    println!(
        "refresh = load + compare-and-swap; medians of {ROUNDS} alternating rounds, and of the ratios per round"
    );
    println!("| | raw | store | |\n|---|---|---|---|");
    let loads = [Load::new(&few, &raw, "bench-few", FEW), Load::new(&many, &raw, "bench-many", MANY)];
    for tasks in [1, 64] {
        compare(&loads, tasks).await?;
    }
    println!("| memory per session, including its entry in the subject's list | | {bytes} bytes | |");
    whole_subject(&many).await?;
    purge(&many, &few).await?;
    feed_latency(&few, &store(&url, "bench-few").await?).await
}

struct OwnServer {
    process: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl OwnServer {
    fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { process, folder, url: format!("redis://127.0.0.1:{port}") };
        let client = Client::open(server.url.as_str())?;
        while client.get_connection().is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = self.folder.path();
    }
}

async fn store(url: &str, prefix: &str) -> Result<RedisStore> {
    Ok(Options::new().with_prefix(prefix).connect(Server::url(url)?).await?)
}

async fn raw_connection(url: &str) -> Result<MultiplexedConnection> {
    let info: ConnectionInfo = url.into_connection_info()?;
    let client = Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))?;
    Ok(client.get_multiplexed_async_connection().await?)
}

async fn used_memory(raw: &MultiplexedConnection) -> Result<u64> {
    let info: redis::InfoDict = redis::cmd("INFO").arg("memory").query_async(&mut raw.clone()).await?;
    Ok(info.get("used_memory").unwrap_or_default())
}

/// Writes one row with the store, and copies of it directly.
async fn fill(store: &RedisStore, raw: &MultiplexedConnection, prefix: &str, rows: u64) -> Result<()> {
    const SUBJECT: usize = 75;
    store.end_subject(&subject(0), None, EndReason::Revoked, NOW).await?;
    let mut raw = raw.clone();
    let _: () = redis::cmd("DEL").arg(key(prefix, 0)).query_async(&mut raw).await?;
    store.create(&row(0)).await?;
    let mut value: Vec<u8> = redis::cmd("GET").arg(key(prefix, 0)).query_async(&mut raw).await?;
    let forgotten = row(0).expires_at().as_millis() + 24 * 60 * 60 * 1000;
    for first in (1..rows).step_by(1000) {
        let mut pipe = redis::pipe();
        for number in first..rows.min(first + 1000) {
            let name = subject(number).into_string();
            value[SUBJECT..SUBJECT + name.len()].copy_from_slice(name.as_bytes());
            pipe.cmd("SET").arg(key(prefix, number)).arg(&value).arg("PXAT").arg(forgotten).ignore();
            let index = format!("{prefix}:u:{name}");
            let dead = row(number).absolute_expiry.as_millis();
            pipe.cmd("ZADD").arg(&index).arg(dead).arg(handle(number).as_bytes()).ignore();
            pipe.cmd("PEXPIREAT").arg(&index).arg(forgotten).ignore();
        }
        let _: () = pipe.query_async(&mut raw).await?;
    }
    assert!(store.load(handle(rows - 1)).await?.is_some_and(|row| row.subject == subject(rows - 1)));
    Ok(())
}

/// Refreshes of a number of sessions, with the store or with raw commands.
struct Load {
    store: RedisStore,
    raw: MultiplexedConnection,
    script: Arc<Script>,
    prefix: Arc<str>,
    rows: u64,
}

impl Load {
    fn new(store: &RedisStore, raw: &MultiplexedConnection, prefix: &str, rows: u64) -> Self {
        let script = Arc::new(Script::new(include_str!("../src/scripts/swap.lua")));
        Self { store: store.clone(), raw: raw.clone(), script, prefix: prefix.into(), rows }
    }

    async fn with_commands(&self, tasks: u64) -> Result<f64> {
        let (raw, script, prefix) = (self.raw.clone(), Arc::clone(&self.script), Arc::clone(&self.prefix));
        rate(tasks, self.rows, move |number| {
            let (raw, script, prefix) = (raw.clone(), Arc::clone(&script), Arc::clone(&prefix));
            async move { refresh_raw(raw, &script, &key(&prefix, number)).await }
        })
        .await
    }

    async fn with_store(&self, tasks: u64) -> Result<f64> {
        let store = self.store.clone();
        rate(tasks, self.rows, move |number| {
            let store = store.clone();
            async move { refresh(&store, number).await }
        })
        .await
    }
}

/// Refreshes per second, with raw commands and with the store, with few sessions and with many. The variants alternate, so that
/// they have the same conditions.
async fn compare(loads: &[Load; 2], tasks: u64) -> Result<()> {
    let mut rates = [[Vec::new(), Vec::new()], [Vec::new(), Vec::new()]];
    for _ in 0..ROUNDS {
        for (load, rates) in loads.iter().zip(&mut rates) {
            rates[0].push(load.with_commands(tasks).await?);
            rates[1].push(load.with_store(tasks).await?);
        }
    }
    for (load, [raw, store]) in loads.iter().zip(&rates) {
        let (rows, share) = (load.rows, ratio(store, raw));
        let (raw, store) = (median(raw.clone()), median(store.clone()));
        println!(
            "| {rows} sessions, tasks: {tasks} | {raw:.0}/s | {store:.0}/s | rate {share:.2}, latency {:.2} |",
            1.0 / share
        );
    }
    let cost = ratio(&rates[0][1], &rates[1][1]);
    println!("| cost with {MANY} sessions, tasks: {tasks} | | | {cost:.2} times that with {FEW} |");
    Ok(())
}

fn ratio(these: &[f64], those: &[f64]) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| this / that).collect())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Refreshes per second; each task has its own sessions.
async fn rate<F: Future<Output = Result<()>> + Send + 'static>(
    tasks: u64,
    rows: u64,
    call: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Result<f64> {
    let started = Instant::now();
    let mut set = JoinSet::new();
    for task in 0..tasks {
        let call = call.clone();
        set.spawn(async move {
            let mut done = 0;
            while started.elapsed() < SLICE {
                let number = scatter(done ^ (task << 40)) % (rows / tasks) * tasks + task;
                call(number).await?;
                done += 1;
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(done)
        });
    }
    let mut done = 0;
    while let Some(one) = set.join_next().await {
        done += one??;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

async fn refresh(store: &RedisStore, number: u64) -> Result<()> {
    let mut row = store.load(handle(number)).await?.ok_or("no row")?;
    row.generation = row.generation.wrapping_add(1);
    row.rotated_at = NOW;
    row.idle_expiry = next_expiry(row.idle_expiry.as_millis());
    assert!(store.compare_and_swap(&row).await?);
    Ok(())
}

/// The same two commands without the store.
async fn refresh_raw(mut raw: MultiplexedConnection, script: &Script, key: &str) -> Result<()> {
    let value: Vec<u8> = redis::cmd("GET").arg(key).query_async(&mut raw).await?;
    let mut head = value[..55].to_vec();
    let version = u64::from_be_bytes(value[1..9].try_into()?);
    head[1..9].copy_from_slice(&(version + 1).to_be_bytes());
    let idle = next_expiry(u64::from_be_bytes(value[47..55].try_into()?)).as_millis();
    head[47..55].copy_from_slice(&idle.to_be_bytes());
    let mut swap = script.key(key);
    swap.arg(&value[1..9]).arg(head).arg(idle + 24 * 60 * 60 * 1000);
    assert!(swap.invoke_async::<bool>(&mut raw).await?);
    Ok(())
}

fn next_expiry(idle_expiry: u64) -> Timestamp {
    let first = NOW.saturating_add(WEEK).as_millis();
    Timestamp::from_millis(first + (idle_expiry + 1 - first) % 1_000_000)
}

async fn whole_subject(store: &RedisStore) -> Result<()> {
    const SESSIONS: u64 = 10_000;
    let alice = Subject::new("alice");
    let mut set = JoinSet::new();
    for number in 0..SESSIONS {
        let (store, mut row) = (store.clone(), row(MANY + number));
        row.subject = alice.clone();
        set.spawn(async move { store.create(&row).await });
        if set.len() == 64 {
            set.join_next().await.ok_or("a task")???;
        }
    }
    set.join_all().await.into_iter().collect::<std::result::Result<Vec<_>, _>>()?;
    let started = Instant::now();
    assert_eq!(store.list(&alice, NOW).await?.len() as u64, SESSIONS);
    println!("| list of {SESSIONS} sessions of one subject | | {:?} | |", started.elapsed());
    let started = Instant::now();
    assert_eq!(store.end_subject(&alice, None, EndReason::Revoked, NOW).await?.len() as u64, SESSIONS);
    println!("| end_subject of {SESSIONS} sessions | | {:?} | |", started.elapsed());
    Ok(())
}

/// Removes expired sessions earlier than Redis would, during refreshes of other sessions.
async fn purge(store: &RedisStore, others: &RedisStore) -> Result<()> {
    const SESSIONS: u64 = MANY;
    let over = Arc::new(AtomicBool::new(false));
    let refreshes = tokio::spawn({
        let (store, over) = (others.clone(), Arc::clone(&over));
        async move {
            let mut times = Vec::new();
            for number in (0..FEW).cycle().take_while(|_| !over.load(Ordering::Relaxed)) {
                let started = Instant::now();
                refresh(&store, number).await?;
                times.push(started.elapsed());
            }
            Ok::<_, Box<dyn Error + Send + Sync>>(times)
        }
    });
    let (started, mut purged) = (Instant::now(), 0);
    while purged < SESSIONS {
        purged += store.purge_dead(NOW.saturating_add(WEEK * 52)).await?;
    }
    let took = started.elapsed();
    over.store(true, Ordering::Relaxed);
    let mut times = refreshes.await??;
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let longest = times.last().copied().unwrap_or_default();
    println!("| purge of {purged} expired sessions | | {took:?} | |");
    println!("| refreshes during the purge | | median {median:?}, p99 {p99:?}, longest {longest:?} | |");
    Ok(())
}

/// Records when a session end is reported.
#[derive(Default)]
struct Recorder(Mutex<Reported>);

#[derive(Default)]
struct Reported {
    caught_up: bool,
    last: Option<(SessionHandle, Instant)>,
}

impl EndWatcher for Recorder {
    fn ended(&self, session: SessionHandle, _: Timestamp) {
        if let Ok(mut reported) = self.0.lock()
            && reported.last.is_none_or(|(last, _)| last != session)
        {
            reported.last = Some((session, Instant::now()));
        }
    }

    fn caught_up(&self) {
        if let Ok(mut reported) = self.0.lock() {
            reported.caught_up = true;
        }
    }
}

/// The time from the call of `end` on one store to the report to the watcher of another.
async fn feed_latency(here: &RedisStore, there: &RedisStore) -> Result<()> {
    const ENDS: u64 = 1_000;
    let recorder = Arc::new(Recorder::default());
    let watching = tokio::spawn({
        let (there, recorder) = (there.clone(), Arc::clone(&recorder));
        async move { there.watch_ends(NOW.saturating_add(WEEK), &*recorder).await }
    });
    let is =
        |condition: &dyn Fn(&Reported) -> bool| recorder.0.lock().is_ok_and(|reported| condition(&reported));
    while !is(&|reported| reported.caught_up) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut times = Vec::new();
    for number in 0..ENDS {
        let handle = handle(2 * MANY + number);
        here.create(&row(2 * MANY + number)).await?;
        let started = Instant::now();
        here.end(handle, EndReason::Logout, NOW.saturating_add(WEEK)).await?;
        while !is(&|reported| reported.last.is_some_and(|(last, _)| last == handle)) {
            tokio::task::yield_now().await;
        }
        times.extend(recorder.0.lock().ok().and_then(|reported| reported.last).map(|(_, at)| at - started));
    }
    watching.abort();
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("| from end on one store to the report on another | | median {median:?}, p99 {p99:?} | |");
    Ok(())
}

fn key(prefix: &str, number: u64) -> String {
    format!("{prefix}:s:{}", handle(number))
}

fn subject(number: u64) -> Subject {
    Subject::new(format!("user-{number:07}"))
}

fn row(number: u64) -> SessionRow {
    let expiry = NOW.saturating_add(WEEK);
    let mut row = SessionRow::new(handle(number), subject(number), NOW, expiry, expiry.saturating_add(WEEK));
    row.meta.user_agent = Some(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36".into(),
    );
    row
}

fn handle(number: u64) -> SessionHandle {
    let bits = (u128::from(scatter(number)) << 64) | u128::from(number);
    SessionHandle::from_bytes(bits.to_be_bytes())
}

/// A bijection that spreads numbers over all of `u64` (the finalizer of SplitMix64).
fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
