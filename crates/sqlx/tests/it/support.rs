//! The stores of the tests.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

pub(crate) use postgres_testing::{
    DAY, LONG, NOW, block_on, bouncer, handle, proxy, rotated, row, server, unique, watcher,
};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::time::timeout;
use tower_refresh_sqlx::{SqlxOptions, SqlxStore};

use self::server::Server;

pub(crate) async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(10).connect(url).await.expect("connects")
}

/// A pool whose only connection is not probed before it is used.
pub(crate) async fn single(url: &str) -> PgPool {
    let options = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    options.connect(url).await.expect("connects")
}

/// An empty table of the test's own.
pub(crate) fn own_table() -> SqlxOptions {
    SqlxOptions::new().with_schema(unique("own"))
}

pub(crate) async fn open(server: &Server) -> SqlxStore {
    own_table().open(pool(&server.url("postgres")).await).await.expect("an empty database is opened")
}

/// Waits until each connection of the pool is given back: the driver does that in a task.
pub(crate) async fn until_idle(pool: &PgPool) {
    let idle = async {
        while pool.num_idle() < pool.size() as usize {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, idle).await.expect("the connections are given back");
}

/// Polls the future so many times and then drops it. Returns whether it was done.
pub(crate) async fn poll_times(work: impl Future, times: usize) -> bool {
    let mut work = pin!(work);
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        work.as_mut().poll(context).map(|_| true)
    })
    .await
}
