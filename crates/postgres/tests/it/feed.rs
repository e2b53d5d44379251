//! The feed of ended sessions between servers.

use deadpool_postgres::{Manager, Pool};
use tokio_postgres::{Config, NoTls};
use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_postgres::{PostgresOptions, PostgresStore};

use crate::support::{DAY, NOW, block_on, handle, row, server, unique, until_closed, watcher::Watcher};

/// Two servers of one application, in a database of the test's own.
async fn two_stores(database: &str) -> [PostgresStore; 2] {
    server().create_database(database, "").await;
    let url = server().url(database);
    let open = async || PostgresStore::connect(&url).await.expect("opens");
    [open().await, open().await]
}

#[test]
#[ignore = "needs PostgreSQL"]
fn every_server_is_reported_the_sessions_that_another_ended() {
    block_on(async {
        let [here, there] = two_stores(&unique("feed")).await;
        for number in 0..200 {
            here.create(&row(number)).await.expect("creates");
        }
        let (near, far) = (Watcher::start(&here, NOW).await, Watcher::start(&there, NOW).await);

        assert!(here.end(handle(0), EndReason::Reuse, NOW, 7).await.expect("ends"));
        let rest = there.end_subject(&"alice".into(), Some(handle(1)), EndReason::Logout, NOW, 7).await;
        assert_eq!(rest.expect("ends").len(), 198);
        for watcher in [&near, &far] {
            for number in (0..200).filter(|number| *number != 1) {
                watcher.until_reported(handle(number), NOW).await;
            }
            assert!(!watcher.has_seen(handle(1)), "the excepted session did not end");
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn an_end_that_changed_nothing_is_not_reported() {
    block_on(async {
        let [here, there] = two_stores(&unique("feed")).await;
        for number in 0..2 {
            here.create(&row(number)).await.expect("creates");
        }
        assert!(here.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        let later = NOW.saturating_add(DAY);
        let watcher = Watcher::start(&there, later).await;
        assert!(!here.end(handle(0), EndReason::Reuse, later, 7).await.expect("answers"));
        assert!(here.end(handle(1), EndReason::Logout, later, 7).await.expect("ends"));
        watcher.until_reported(handle(1), later).await;
        assert!(!watcher.has_seen(handle(0)), "it ended once, before the time that is watched");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_lost_feed_is_an_error_and_the_next_one_misses_nothing() {
    block_on(async {
        let database = unique("feed");
        server().create_database(&database, "").await;
        let config: Config = server().url(&database).parse().expect("a URL");
        let pool = Pool::builder(Manager::new(config, NoTls)).build().expect("a pool");
        let here = PostgresOptions::new().connect_pool(pool.clone()).await.expect("opens");
        let there = PostgresStore::connect(&server().url(&database)).await.expect("opens");
        for number in 0..3 {
            here.create(&row(number)).await.expect("creates");
        }
        let watcher = Watcher::start(&there, NOW).await;
        let client = server().client("postgres").await;
        let terminate = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        client.query(terminate, &[&database]).await.expect("terminates");
        assert_eq!(watcher.lost().await, StoreErrorKind::Unavailable);

        // The pool's connections are closed as well. The store replaces them.
        until_closed(&pool).await;
        let at = NOW.saturating_add(DAY);
        assert!(here.end(handle(0), EndReason::Logout, at, 7).await.expect("ends"));
        let watcher = Watcher::start(&there, NOW).await;
        assert!(
            watcher.has_seen(handle(0)),
            "what ended meanwhile is reported before the feed has caught up"
        );
        assert!(here.end(handle(1), EndReason::Logout, at, 7).await.expect("ends"));
        watcher.until_reported(handle(1), at).await;
        assert!(!watcher.has_seen(handle(2)));
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn other_messages_on_the_channel_are_ignored() {
    block_on(async {
        let [here, there] = two_stores(&unique("feed")).await;
        here.create(&row(0)).await.expect("creates");
        let watcher = Watcher::start(&there, NOW).await;
        let client = server().client("postgres").await;
        for payload in ["", "x", "x 1", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA -1", " "] {
            let everywhere = "SELECT pg_notify(channel, $1) FROM pg_listening_channels() AS channel";
            client.query(everywhere, &[&payload]).await.expect("notifies");
        }
        assert!(here.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(0), NOW).await;
    });
}
