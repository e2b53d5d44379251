//! Compares the store with the same statements issued one by one, and prints tables.
//!
//! `cargo run --release -p tower-refresh-sqlite --example bench-sqlite [FOLDER]`. It takes three to five minutes, and 1 GB in
//! the folder, which should be on the disk to measure; the default is the folder for temporary files. The compared variants
//! alternate in short turns, so that they meet the same conditions.

mod beside;
mod latency;
mod one_by_one;
mod sessions;
mod throughput;

use std::{
    error::Error,
    time::{Duration, Instant},
};

use tower_refresh_core::{EndReason, SessionStore, Subject};
use tower_refresh_sqlite::SqliteStore;

use self::sessions::{ALICES, END_OF_TIME, FEW, MANY, NOW, Sessions};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let few = Sessions::create(&folder.path().join("few.db"), FEW).await?;
    let many = Sessions::create(&folder.path().join("many.db"), MANY).await?;

    println!("A refresh is a load and a compare-and-swap of a random session; synchronous=FULL.\n");
    latency::table(&few, &many).await?;
    throughput::table(&few, &many).await?;

    println!("| with {MANY} sessions | | took | refreshes meanwhile: median | p99 | slowest |");
    println!("|---|---|---|---|---|---|");
    beside::row(&many, "nothing, to compare", async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(0)
    })
    .await?;
    let store = &many.store;
    beside::row(&many, "end_subject", async {
        let (alices, mut all) = (Subject::new(ALICES), 0);
        loop {
            match store.end_subject(&alices, None, EndReason::Revoked, NOW, 7).await?.len() as u64 {
                0 => return Ok(all),
                some => all += some,
            }
        }
    })
    .await?;
    beside::row(&many, "purge_dead", purge(store)).await?;
    Ok(())
}

/// Purges all sessions that ended or expired, for at most three minutes.
async fn purge(store: &SqliteStore) -> Result<u64> {
    let started = Instant::now();
    let mut purged = 0;
    while started.elapsed().as_secs() < 180 {
        match store.purge_dead(END_OF_TIME).await? {
            0 => break,
            some => purged += some,
        }
    }
    Ok(purged)
}
