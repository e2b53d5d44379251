//! The stores of the tests.

use deadpool_postgres::Pool;
pub(crate) use postgres_testing::{
    DAY, LONG, NOW, block_on, bouncer, handle, proxy, rotated, row, server, unique, watcher,
};
use tokio::time::timeout;
use tower_refresh_postgres::{PostgresOptions, PostgresStore};

use self::server::Server;

/// An empty table of the test's own.
pub(crate) fn own_table() -> PostgresOptions {
    PostgresOptions::new().with_schema(unique("own"))
}

pub(crate) async fn open(server: &Server) -> PostgresStore {
    own_table().connect(&server.url("postgres")).await.expect("an empty database is opened")
}

/// Waits until the idle connections of the pool are closed, and the pool has noticed.
pub(crate) async fn until_closed(pool: &Pool) {
    let closed = async {
        loop {
            let mut open = false;
            pool.retain(|connection, _| {
                open |= !connection.is_closed();
                true
            });
            if !open {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, closed).await.expect("the connections are closed");
}
