//! The feed of ends between servers.

use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_postgres::PostgresStore;

use crate::support::{DAY, NOW, block_on, handle, row, server, unique, watcher::Watcher};

/// Two servers of one application, in a database of the test's own.
async fn two_stores(database: &str) -> [PostgresStore; 2] {
    server().create_database(database, "").await;
    let url = server().url(database);
    let open = async || PostgresStore::connect(&url).await.expect("opens");
    [open().await, open().await]
}

#[test]
#[ignore = "needs PostgreSQL"]
fn every_server_is_told_of_the_ends_of_another() {
    block_on(async {
        let [here, there] = two_stores(&unique("feed")).await;
        for number in 0..200 {
            here.create(&row(number)).await.expect("creates");
        }
        let (near, far) = (Watcher::follow(&here, NOW).await, Watcher::follow(&there, NOW).await);

        assert!(here.end(handle(0), EndReason::Reuse, NOW).await.expect("ends"));
        let rest = there.end_subject(&"alice".into(), Some(handle(1)), EndReason::Logout, NOW).await;
        assert_eq!(rest.expect("ends").len(), 198);
        for watcher in [&near, &far] {
            for number in (0..200).filter(|number| *number != 1) {
                watcher.until_told(handle(number), NOW).await;
            }
            assert!(!watcher.knows(handle(1)), "the exception did not end");
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn an_end_that_changed_nothing_is_not_told() {
    block_on(async {
        let [here, there] = two_stores(&unique("feed")).await;
        for number in 0..2 {
            here.create(&row(number)).await.expect("creates");
        }
        assert!(here.end(handle(0), EndReason::Logout, NOW).await.expect("ends"));
        let later = NOW.saturating_add(DAY);
        let watcher = Watcher::follow(&there, later).await;
        assert!(!here.end(handle(0), EndReason::Reuse, later).await.expect("answers"));
        assert!(here.end(handle(1), EndReason::Logout, later).await.expect("ends"));
        watcher.until_told(handle(1), later).await;
        assert!(!watcher.knows(handle(0)), "it ended once, before the watcher came");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_lost_feed_is_an_error_and_the_next_one_misses_nothing() {
    block_on(async {
        let database = unique("feed");
        let [here, there] = two_stores(&database).await;
        for number in 0..3 {
            here.create(&row(number)).await.expect("creates");
        }
        let watcher = Watcher::follow(&there, NOW).await;
        let client = server().client("postgres").await;
        let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        client.query(terminate, &[&database]).await.expect("terminates");
        assert_eq!(watcher.lost().await, StoreErrorKind::Unavailable);

        // The store's own connections are gone as well, of which nobody else needs to know.
        let at = NOW.saturating_add(DAY);
        assert!(here.end(handle(0), EndReason::Logout, at).await.expect("ends"));
        let watcher = Watcher::follow(&there, NOW).await;
        assert!(watcher.knows(handle(0)), "what ended meanwhile was told before it caught up");
        assert!(here.end(handle(1), EndReason::Logout, at).await.expect("ends"));
        watcher.until_told(handle(1), at).await;
        assert!(!watcher.knows(handle(2)));
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn what_others_send_to_the_channel_does_no_harm() {
    block_on(async {
        let [here, there] = two_stores(&unique("feed")).await;
        here.create(&row(0)).await.expect("creates");
        let watcher = Watcher::follow(&there, NOW).await;
        let client = server().client("postgres").await;
        for payload in ["", "x", "x 1", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA -1", " "] {
            let everywhere = "SELECT pg_notify(channel, $1) FROM pg_listening_channels() AS channel";
            client.query(everywhere, &[&payload]).await.expect("notifies");
        }
        assert!(here.end(handle(0), EndReason::Logout, NOW).await.expect("ends"));
        watcher.until_told(handle(0), NOW).await;
    });
}
