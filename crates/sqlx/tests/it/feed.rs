//! The feed of ended sessions between servers.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_sqlx::{SqlxOptions, SqlxStore};

use crate::support::{
    DAY, NOW, block_on, handle, pool, row, server, unique,
    watcher::{Watcher, why_lost},
};

/// The channel of the default table, the same in every version and with each driver.
const CHANNEL: &str = "tower_refresh_ends_fa7bb4d2d81e73a9";

/// Two servers of one application, in a database of the test's own.
async fn two_stores(database: &str) -> [SqlxStore; 2] {
    server().create_database(database, "").await;
    let url = server().url(database);
    let open = async || SqlxStore::open(pool(&url).await).await.expect("opens");
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
fn a_lost_feed_is_an_error_and_the_next_one_misses_nothing() {
    block_on(async {
        let database = unique("feed");
        let [here, there] = two_stores(&database).await;
        for number in 0..3 {
            here.create(&row(number)).await.expect("creates");
        }
        let watcher = Watcher::start(&there, NOW).await;
        let client = server().client("postgres").await;
        let terminate = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = $1";
        client.query(terminate, &[&database]).await.expect("terminates");
        assert_eq!(watcher.lost().await, StoreErrorKind::Unavailable, "it does not reconnect in secret");

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
fn notices_of_other_kinds_are_reported_as_unknown_and_known_ones_may_have_more_fields() {
    block_on(async {
        let database = unique("feed");
        let [_, there] = two_stores(&database).await;
        let watcher = Watcher::start(&there, NOW).await;
        let client = server().client(&database).await;
        let (session, now) = (handle(0), NOW.as_millis());
        for payload in [
            "".to_owned(),
            " ".to_owned(),
            "AAAAAAAAAAAAAAAAAAAAAA -1".to_owned(),
            format!("displaced {session} {now}"),
            format!("stale {session}"),
            format!("stale {session} 4294967296"),
        ] {
            client.query("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload]).await.expect("notifies");
        }
        for payload in [format!("stale {session} 3 by admin"), format!("{session} {now} revoked")] {
            client.query("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload]).await.expect("notifies");
        }
        watcher.until_outdated(session, 3).await;
        watcher.until_reported(session, NOW).await;
        assert_eq!(watcher.unknown_notices(), 6);
        assert_eq!(watcher.epochs(session), [3]);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_feed_survives_silence_and_probes_through_the_pool() {
    block_on(async {
        let database = unique("feed");
        let [here, there] = two_stores(&database).await;
        here.create(&row(0)).await.expect("creates");
        let watcher = Watcher::start(&there, NOW).await;
        let waiting = tokio::time::timeout(Duration::from_secs(11), watcher.until_reported(handle(0), NOW));
        assert!(waiting.await.is_err(), "nothing has ended");
        assert!(here.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(0), NOW).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_feed_on_another_database_than_the_store_is_down_and_says_why() {
    block_on(async {
        let database = unique("feed");
        server().create_database(&database, "").await;
        let other: PgConnectOptions = server().url("postgres").parse().expect("a URL");
        let options = SqlxOptions::new().with_feed(other).with_timeout(Duration::from_secs(1));
        let store = options.open(pool(&server().url(&database)).await).await.expect("opens");
        let (kind, reason) = why_lost(&store, NOW).await;
        assert_eq!(kind, StoreErrorKind::Unavailable);
        assert!(reason.contains("another database"), "{reason}");
        assert!(reason.contains("SqlxOptions::with_feed"), "{reason}");
    });
}
