//! Creates, lists and ends among few sessions and among many.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, Page, SessionStore};
use tower_refresh_redis::RedisStore;

use crate::{
    NOW, ROUNDS, Result,
    refresh::{median, ratio},
    sessions::{handle, row, scatter, subject},
};

const SLICE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy)]
enum Call {
    Create,
    List,
    End,
}

/// The sessions with one prefix. Further ones are created, and then ended.
#[derive(Clone)]
struct Side {
    store: RedisStore,
    sessions: u64,
    first: u64,
    created: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

/// Calls per second with few sessions and with many, in turns.
pub(crate) async fn compare(stores: [(&RedisStore, u64); 2], first: u64) -> Result<()> {
    let sides = stores.map(|(store, sessions)| Side {
        store: store.clone(),
        sessions,
        first,
        created: Arc::default(),
        ended: Arc::default(),
    });
    for (name, call) in [("create", Call::Create), ("list", Call::List), ("end", Call::End)] {
        for tasks in [1, 64] {
            let mut rates = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                for (side, rates) in sides.iter().zip(&mut rates) {
                    rates.extend(side.rate(tasks, call).await?);
                }
            }
            let cost = ratio(&rates[0], &rates[1]);
            let [few, many] = rates.map(median);
            println!("| {name}, tasks: {tasks} | {few:.0}/s few | {many:.0}/s many | cost {cost:.2} |");
        }
    }
    Ok(())
}

impl Side {
    /// Calls per second; none if there is nothing left to end.
    async fn rate(&self, tasks: u64, call: Call) -> Result<Option<f64>> {
        let started = Instant::now();
        let mut set = JoinSet::new();
        for task in 0..tasks {
            let side = self.clone();
            set.spawn(async move {
                let mut done = 0;
                while started.elapsed() < SLICE && side.one(call, done * tasks + task).await? {
                    done += 1;
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(done)
            });
        }
        let mut done = 0;
        while let Some(one) = set.join_next().await {
            done += one??;
        }
        Ok((done > 0).then(|| done as f64 / started.elapsed().as_secs_f64()))
    }

    /// Returns false if no session is left that this call could end.
    async fn one(&self, call: Call, number: u64) -> Result<bool> {
        match call {
            Call::Create => {
                let number = self.created.fetch_add(1, Ordering::Relaxed);
                self.store.create(&row(self.first + number)).await?;
            }
            Call::List => {
                let subject = subject(scatter(number) % self.sessions);
                assert_eq!(self.store.list(&subject, NOW, Page::first(50)).await?.len(), 1);
            }
            Call::End => {
                let number = self.ended.fetch_add(1, Ordering::Relaxed);
                if number >= self.created.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                assert!(self.store.end(handle(self.first + number), EndReason::Logout, NOW, 7).await?);
            }
        }
        Ok(true)
    }
}
