//! Many tasks.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::{
    Result,
    one_by_one::OneByOne,
    sessions::{Sessions, refresh},
};

const TASKS: u64 = 64;
const TURNS: u64 = 40;
const TURN: Duration = Duration::from_millis(250);

pub(crate) async fn table(few: &Sessions, many: &Sessions) -> Result<()> {
    println!("| {TASKS} tasks, median of {TURNS} turns | statements | store | |");
    println!("|---|---|---|---|");
    let (with_few, with_many) = (row(few).await?, row(many).await?);
    println!("| cost with {} sessions | | {:.2} times | |\n", many.rows, with_few / with_many);
    Ok(())
}

async fn row(sessions: &Sessions) -> Result<f64> {
    let raw = OneByOne::open(sessions)?;
    let (mut by_statement, mut by_store) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let first = turn << 32;
        by_statement.push(tokio::task::block_in_place(|| statements(&raw, sessions, first))?);
        by_store.push(store(sessions, first).await?);
    }
    let (by_statement, by_store) = (median(by_statement), median(by_store));
    println!(
        "| {} sessions | {by_statement:.0}/s | {by_store:.0}/s | {:.1} times |",
        sessions.rows,
        by_store / by_statement
    );
    Ok(by_store)
}

/// Tasks beside each other would only wait for the one connection that may write.
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

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
