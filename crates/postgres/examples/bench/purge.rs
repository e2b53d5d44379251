//! A purge during refreshes.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use tower_refresh_core::SessionStore;
use tower_refresh_postgres::PostgresStore;

use crate::{NOW, percentile, refresh::Refreshes};

const TASKS: usize = 8;
const BEFORE: Duration = Duration::from_secs(5);

pub(crate) async fn during_refreshes(
    store: &PostgresStore,
    refreshes: Refreshes,
    at_most: Duration,
) -> Result<(), Box<dyn Error>> {
    let store = store.clone();
    refreshes.run(TASKS, Duration::from_secs(1)).await;
    print("before", refreshes.run(TASKS, BEFORE).await);

    let start = Instant::now();
    let purging = tokio::spawn(async move {
        let (mut purged, mut longest) = (0, Duration::ZERO);
        while start.elapsed() < at_most {
            let call = Instant::now();
            let some = store.purge_dead(NOW).await.expect("purges");
            longest = longest.max(call.elapsed());
            purged += some;
            if some == 0 {
                break;
            }
        }
        (purged, longest, start.elapsed())
    });
    let mut times = Vec::new();
    while !purging.is_finished() {
        times.extend(refreshes.run(TASKS, Duration::from_millis(500)).await);
    }
    let (purged, longest, took) = purging.await?;
    print("during", times);
    let longest = longest.as_secs_f64() * 1000.0;
    println!("  {purged} purged in {:.1} s, the longest call {longest:.0}", took.as_secs_f64());
    Ok(())
}

fn print(when: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let [median, p99, longest] = [0.5, 0.99, 1.0].map(|share| percentile(&times, share));
    println!("  refreshes {when}: {}, median {median:.2}, p99 {p99:.2}, longest {longest:.2}", times.len());
}
