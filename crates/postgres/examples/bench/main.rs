//! What the store costs, beside the same statements issued one by one:
//!
//! `cargo run --release -p tower-refresh-postgres --example bench-postgres`
//!
//! It starts a private PostgreSQL with its default settings, and takes two minutes. Machines that are busy with something
//! else make all figures worse, but those that are compared take turns.

mod ends;
mod fill;
mod purge;
mod refresh;
#[path = "../../tests/postgres/support/server.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod server;

use std::{error::Error, time::Duration};

use tower_refresh_core::Timestamp;
use tower_refresh_postgres::PostgresStore;

use self::{refresh::Refreshes, server::Server};

/// When all sessions log in.
const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);

const MANY: u64 = 1_000_000;
const FEW: u64 = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::start(&["max_wal_size=4GB", "shared_buffers=512MB"]);
    println!("{}", version(&server).await?);

    println!("\nrefresh = load + compare-and-swap, {MANY} sessions; medians and 99th percentiles in ms");
    println!("{:<34}{:>12}{:>9}{:>9}", "", "refreshes/s", "median", "p99");
    let many = open(&server, "many").await?;
    fill::live(&server, "many", MANY).await?;
    for commit in ["on", "off"] {
        let setting = format!("ALTER DATABASE many SET synchronous_commit = '{commit}'");
        server.client("postgres").await.batch_execute(&setting).await?;
        // Connections take the setting when they are made.
        let many = PostgresStore::connect(&server.url("many")).await?;
        println!("synchronous_commit = {commit}");
        for tasks in [1, 64] {
            refresh::compare(&server, &many, tasks).await?;
        }
    }
    drop(many);

    println!("\n64 tasks, {FEW} and {MANY} sessions, synchronous_commit = off");
    let few = open(&server, "few").await?;
    fill::live(&server, "few", FEW).await?;
    server
        .client("postgres")
        .await
        .batch_execute("ALTER DATABASE few SET synchronous_commit = 'off'")
        .await?;
    drop(few);
    let few = PostgresStore::connect(&server.url("few")).await?;
    let many = PostgresStore::connect(&server.url("many")).await?;
    let sides = [Refreshes::of(&server, "few", &few).await?, Refreshes::of(&server, "many", &many).await?];
    refresh::compare_sizes(sides).await;

    println!("\nsessions of one subject, durable");
    ends::subject(&server, 10_000).await?;
    println!("\nfrom the call of end on one store to being told on another, durable; ms");
    ends::told(&server, 500).await?;

    println!("\npurge of {MANY} dead sessions while 8 tasks refresh others, durable; ms");
    purge::beside_refreshes(&server, MANY, Duration::from_secs(60)).await?;
    Ok(())
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
