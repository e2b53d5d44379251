//! The throughput of many tasks.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{
    Result,
    latency::median,
    one_by_one::OneByOne,
    sessions::{Sessions, refresh},
};

const TASKS: u64 = 64;
const TURNS: u64 = 40;
const TURN: Duration = Duration::from_millis(250);

/// One file, and how many refreshes per second each variant did with it.
struct TableRow<'a> {
    sessions: &'a Sessions,
    raw: OneByOne,
    by_statement: Vec<f64>,
    by_store: Vec<f64>,
}

pub(crate) async fn table(few: &Sessions, many: &Sessions) -> Result<()> {
    println!("| {TASKS} tasks, median of {TURNS} turns | statements | store | |");
    println!("|---|---|---|---|");
    let mut rows = [TableRow::new(few)?, TableRow::new(many)?];
    for turn in 0..TURNS {
        for row in &mut rows {
            let first = turn << 32;
            let by_statement = tokio::task::block_in_place(|| statements(&row.raw, row.sessions, first))?;
            row.by_statement.push(by_statement);
            row.by_store.push(store(row.sessions, first).await?);
        }
    }
    let [with_few, with_many] = rows.map(TableRow::print);
    println!("| cost with {} sessions | | {:.2} times | |\n", many.rows, with_few / with_many);
    Ok(())
}

impl<'a> TableRow<'a> {
    fn new(sessions: &'a Sessions) -> Result<Self> {
        let raw = OneByOne::open(sessions)?;
        Ok(Self { sessions, raw, by_statement: Vec::new(), by_store: Vec::new() })
    }

    /// Returns the median of the store.
    fn print(self) -> f64 {
        let (by_statement, by_store) = (median(self.by_statement), median(self.by_store));
        println!(
            "| {} sessions | {by_statement:.0}/s | {by_store:.0}/s | {:.1} times |",
            self.sessions.rows,
            by_store / by_statement
        );
        by_store
    }
}

/// A single task, because concurrent ones would only wait for the one connection that may write.
fn statements(raw: &OneByOne, sessions: &Sessions, first: u64) -> Result<f64> {
    let started = Instant::now();
    let mut done = 0;
    while started.elapsed() < TURN {
        raw.refresh(sessions.random(first + done, 0, 1))?;
        done += 1;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}

async fn store(sessions: &Sessions, first: u64) -> Result<f64> {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, random) = (sessions.store.clone(), sessions.handles());
        tasks.spawn(async move {
            let mut done = 0;
            while started.elapsed() < TURN {
                refresh(&store, random(first + done, task, TASKS)).await?;
                done += 1;
            }
            Result::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(some) = tasks.join_next().await {
        done += some??;
    }
    Ok(done as f64 / started.elapsed().as_secs_f64())
}
