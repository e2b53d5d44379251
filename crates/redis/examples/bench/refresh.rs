//! Refreshes, raw and with the store.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Script, aio::MultiplexedConnection};
use tokio::task::JoinSet;
use tower_refresh_core::{SessionStore, Timestamp};
use tower_refresh_redis::RedisStore;

use crate::{
    NOW, ROUNDS, Result, WEEK,
    sessions::{handle, key, scatter},
};

const SLICE: Duration = Duration::from_millis(150);

/// Refreshes some sessions, raw or with the store.
pub(crate) struct Load {
    store: RedisStore,
    raw: MultiplexedConnection,
    script: Arc<Script>,
    prefix: Arc<str>,
    rows: u64,
}

impl Load {
    pub(crate) fn new(store: &RedisStore, raw: &MultiplexedConnection, prefix: &str, rows: u64) -> Self {
        let script = Arc::new(Script::new(include_str!("../../src/keyspace/scripts/swap.lua")));
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

/// Refreshes per second, raw and with the store, with few sessions and with many. They take turns, so that other load on the
/// machine affects all alike.
pub(crate) async fn compare(loads: &[Load; 2], tasks: u64) -> Result<()> {
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
    let [few, many] = loads.each_ref().map(|load| load.rows);
    println!("| cost with {many} sessions, tasks: {tasks} | | | {cost:.2} times that with {few} |");
    Ok(())
}

pub(crate) fn ratio(these: &[f64], those: &[f64]) -> f64 {
    median(these.iter().zip(those).map(|(this, that)| this / that).collect())
}

pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Calls per second. Each task has sessions of its own.
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

pub(crate) async fn refresh(store: &RedisStore, number: u64) -> Result<()> {
    let mut row = store.load(handle(number)).await?.ok_or("no row")?;
    row.generation = row.generation.wrapping_add(1);
    row.rotated_at = NOW;
    row.idle_expiry = next_expiry(row.idle_expiry.as_millis());
    assert!(store.compare_and_swap(&row, row.version + 1).await?);
    Ok(())
}

/// The same two commands with the same effect, and nothing around them.
async fn refresh_raw(mut raw: MultiplexedConnection, script: &Script, key: &str) -> Result<()> {
    let value: Vec<u8> = redis::cmd("GET").arg(key).query_async(&mut raw).await?;
    let mut head = value[..55].to_vec();
    let version = u64::from_be_bytes(value[1..9].try_into()?);
    head[1..9].copy_from_slice(&(version + 1).to_be_bytes());
    let idle = next_expiry(u64::from_be_bytes(value[47..55].try_into()?)).as_millis();
    head[47..55].copy_from_slice(&idle.to_be_bytes());
    let mut swap = script.key(key);
    let subject = u32::from_be_bytes(value[71..75].try_into()?) as usize;
    // The claims epoch, no binding, no data.
    let part = &value[75 + subject..][..12];
    swap.arg(&value[1..9]).arg(head).arg(idle + 24 * 60 * 60 * 1000).arg(part);
    assert!(swap.invoke_async::<bool>(&mut raw).await?);
    Ok(())
}

fn next_expiry(idle_expiry: u64) -> Timestamp {
    let first = NOW.saturating_add(WEEK).as_millis();
    Timestamp::from_millis(first + (idle_expiry + 1 - first) % 1_000_000)
}
