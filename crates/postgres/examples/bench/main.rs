//! Compares the store with the same statements issued one by one:
//!
//! `cargo run --release -p tower-refresh-postgres --example bench-postgres -- [refresh] [size] [ends] [notices] [purge]`
//!
//! With `--sessions 10000000` it compares 1000 sessions with so many instead, which takes about ten minutes and 15 GB of disk.
//!
//! It starts a private PostgreSQL with the default durability, and takes three minutes. Other load on the machine makes all
//! figures worse, but those that are compared take turns.

mod ends;
mod fill;
mod lists;
mod notices;
mod purge;
mod refresh;
mod scale;

use std::{env, error::Error, time::Duration};

use postgres_testing::server::Server;
use tower_refresh_core::Timestamp;
use tower_refresh_postgres::PostgresStore;

use self::refresh::Refreshes;

/// The time of all logins.
const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);

const MANY: u64 = 1_000_000;
const FEW: u64 = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let chosen: Vec<_> = env::args().skip(1).collect();
    let sessions = chosen.iter().skip_while(|name| *name != "--sessions").nth(1);
    if let Some(sessions) = sessions {
        let sessions: u64 = sessions.parse()?;
        if sessions < FEW {
            return Err(format!("--sessions is at least {FEW}").into());
        }
        let server = Server::start(&["min_wal_size=2GB", "max_wal_size=4GB", "shared_buffers=2GB"]);
        println!("{}", version(&server).await?);
        return scale::compare(&server, sessions).await;
    }
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|name| name == part);
    let server = Server::start(&["min_wal_size=2GB", "max_wal_size=4GB", "shared_buffers=512MB"]);
    println!("{}", version(&server).await?);
    if wanted("refresh") {
        refresh(&server).await?;
    }
    if wanted("size") {
        size(&server).await?;
    }
    if wanted("ends") {
        println!("\nsessions of one subject, durable");
        ends::subject(&server, 10_000).await?;
        println!("\nfrom the end on one store to its report on another, durable; ms");
        ends::report_time(&server, 500).await?;
    }
    if wanted("notices") {
        println!("\n200 000 notices of the feed, sent by the server, synchronous_commit = off");
        notices::compare(&server).await?;
    }
    if wanted("purge") {
        println!("\npurge of {MANY} dead sessions while 8 tasks refresh others, durable; ms");
        let store = open(&server, "purge").await?;
        fill::dead(&server, "purge", MANY).await?;
        fill::live(&server, "purge", FEW).await?;
        let refreshes = Refreshes::of(&server, "purge", &store).await?;
        purge::during_refreshes(&store, refreshes, Duration::from_secs(60)).await?;
    }
    Ok(())
}

async fn refresh(server: &Server) -> Result<(), Box<dyn Error>> {
    println!("\nrefresh = load + compare-and-swap, {MANY} sessions; median and 99th percentile in ms");
    println!("{:<34}{:>12}{:>9}{:>9}", "", "refreshes/s", "median", "p99");
    open(server, "refresh").await?;
    fill::live(server, "refresh", MANY).await?;
    for commit in ["on", "off"] {
        println!("synchronous_commit = {commit}");
        set_commit(server, "refresh", commit).await?;
        let store = PostgresStore::connect(&server.url("refresh")).await?;
        for tasks in [1, 64] {
            refresh::compare(server, "refresh", &store, tasks).await?;
        }
    }
    Ok(())
}

async fn size(server: &Server) -> Result<(), Box<dyn Error>> {
    println!("\nrefreshes among {FEW} and among {MANY} sessions, synchronous_commit = off");
    let mut sides = Vec::new();
    for (database, count) in [("few", FEW), ("many", MANY)] {
        open(server, database).await?;
        fill::live(server, database, count).await?;
        set_commit(server, database, "off").await?;
        let store = PostgresStore::connect(&server.url(database)).await?;
        sides.push(Refreshes::of(server, database, &store).await?);
    }
    if let Ok(sides) = sides.try_into() {
        refresh::compare_sizes(sides).await;
    }
    Ok(())
}

/// Applies to new connections.
async fn set_commit(server: &Server, database: &str, commit: &str) -> Result<(), Box<dyn Error>> {
    let setting = format!("ALTER DATABASE {database} SET synchronous_commit = '{commit}'");
    Ok(server.client("postgres").await.batch_execute(&setting).await?)
}

async fn open(server: &Server, database: &str) -> Result<PostgresStore, Box<dyn Error>> {
    server.create_database(database, "").await;
    Ok(PostgresStore::connect(&server.url(database)).await?)
}

async fn version(server: &Server) -> Result<String, Box<dyn Error>> {
    let row = server.client("postgres").await.query_one("SELECT version()", &[]).await?;
    Ok(row.try_get(0)?)
}

/// The time that `share` of the sorted times do not exceed, in milliseconds.
fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
