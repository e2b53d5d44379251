//! The feed of ended sessions between servers.

use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use tokio::task::JoinSet;
use tokio_postgres::{Config, NoTls};
use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_postgres::{OpenErrorKind, PostgresOptions, PostgresStore};

use crate::support::{
    DAY, NOW, block_on, handle, row, server, unique, until_closed,
    watcher::{Watcher, why_lost},
};

/// The channel of the default table, the same in every version.
const CHANNEL: &str = "tower_refresh_ends_fa7bb4d2d81e73a9";

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
        let database = unique("feed");
        let [here, there] = two_stores(&database).await;
        here.create(&row(0)).await.expect("creates");
        let watcher = Watcher::start(&there, NOW).await;
        let client = server().client(&database).await;
        for payload in ["", "x", "x 1", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA -1", " "] {
            client.query("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload]).await.expect("notifies");
        }
        assert!(here.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(0), NOW).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_notice_with_fields_that_a_later_version_appended_is_understood() {
    block_on(async {
        let database = unique("feed");
        let [_, there] = two_stores(&database).await;
        let watcher = Watcher::start(&there, NOW).await;
        let client = server().client(&database).await;
        let (now, soon) = (NOW.as_millis(), NOW.as_millis() + 1);
        let fields = ["revoked", "revoked 7", "", " {\"by\":\"admin\"}"];
        for (number, appended) in (0..).zip(fields) {
            let payload = format!("{} {now} {appended}", handle(number));
            client.query("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload]).await.expect("notifies");
            watcher.until_reported(handle(number), NOW).await;
        }
        // A later version's notices of other kinds begin with the kind.
        for kind in ["Stale", "displaced", "v2"] {
            let payload = format!("{kind} {} {soon}", handle(9));
            client.query("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload]).await.expect("notifies");
        }
        let last = format!("{} {now}", handle(10));
        client.query("SELECT pg_notify($1, $2)", &[&CHANNEL, &last]).await.expect("notifies");
        watcher.until_reported(handle(10), NOW).await;
        assert!(!watcher.has_seen(handle(9)), "a notice of another kind reports no end");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn every_server_is_reported_the_claims_that_another_outdated() {
    block_on(async {
        let database = unique("feed");
        let [here, there] = two_stores(&database).await;
        for number in 0..200 {
            here.create(&row(number)).await.expect("creates");
        }
        let (near, far) = (Watcher::start(&here, NOW).await, Watcher::start(&there, NOW).await);
        let mut tasks = JoinSet::new();
        for number in 0..200 {
            let here = here.clone();
            tasks.spawn(async move { here.outdate_claims(handle(number), NOW, 7).await.expect("outdates") });
        }
        assert!(tasks.join_all().await.into_iter().all(|epoch| epoch == Some(1)));
        for watcher in [&near, &far] {
            for number in 0..200 {
                watcher.until_outdated(handle(number), 1).await;
            }
        }
        // A later version may append fields. What is no epoch is passed over.
        let client = server().client(&database).await;
        let session = handle(0);
        for payload in [
            format!("stale {session}"),
            format!("stale {session} "),
            format!("stale {session} -1"),
            format!("stale {session} 4294967296"),
            "stale x 3".to_owned(),
            format!("stale {session} 4294967295 by admin"),
        ] {
            client.query("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload]).await.expect("notifies");
        }
        far.until_outdated(session, u32::MAX).await;
        assert_eq!(far.epochs(session), [1, u32::MAX]);
        assert_eq!(far.unknown_notices(), 5);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn outdated_claims_are_on_disk_before_they_are_acknowledged_whatever_the_default_is() {
    block_on(async {
        let database = unique("feed");
        let [here, there] = two_stores(&database).await;
        let setting = format!("ALTER DATABASE {database} SET synchronous_commit = 'off'");
        server().client("postgres").await.batch_execute(&setting).await.expect("sets");
        here.create(&row(0)).await.expect("creates");
        let client = server().client(&database).await;
        // It runs when the transaction commits.
        let spy = "CREATE TABLE spied (setting text);
             CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO public.spied VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER spy AFTER UPDATE ON tower_refresh.sessions DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION spy()";
        client.batch_execute(spy).await.expect("creates");
        let watcher = Watcher::start(&there, NOW).await;
        assert_eq!(here.outdate_claims(handle(0), NOW, 7).await.expect("outdates"), Some(1));
        watcher.until_outdated(handle(0), 1).await;
        let setting: String =
            client.query_one("SELECT setting FROM spied", &[]).await.expect("is there").get(0);
        assert_eq!(setting, "on", "whatever the database's default is");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_feed_on_another_database_than_the_store_is_down_and_says_why() {
    block_on(async {
        let database = unique("feed");
        server().create_database(&database, "").await;
        let other = server().url("postgres");
        let with_url = PostgresOptions::new().with_feed_url(&other);
        let with_config = PostgresOptions::new().with_feed(other.parse().expect("a URL"), NoTls);
        for options in [with_url, with_config] {
            let options = options.with_timeout(Duration::from_secs(1));
            let store = options.connect(&server().url(&database)).await.expect("opens");
            // The query of the ended sessions would fail as well, but later.
            let (kind, reason) = why_lost(&store, NOW).await;
            assert_eq!(kind, StoreErrorKind::Unavailable);
            assert!(reason.contains("another database"), "{reason}");
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn an_invalid_url_of_the_feed_is_an_error_on_opening() {
    block_on(async {
        for (url, kind) in [
            ("mysql://db", OpenErrorKind::InvalidUrl),
            ("postgresql://app@db.internal/app", OpenErrorKind::TlsRequired),
        ] {
            let options = || PostgresOptions::new().with_feed_url(url);
            let error = options().connect(&server().url("postgres")).await.expect_err("fails");
            assert_eq!(error.kind(), kind, "{url}");
            let config: Config = server().url("postgres").parse().expect("a URL");
            let pool = Pool::builder(Manager::new(config, NoTls)).build().expect("a pool");
            let error = options().connect_pool(pool).await.expect_err("fails");
            assert_eq!(error.kind(), kind, "{url}");
        }
    });
}
