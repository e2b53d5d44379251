//! Pools of the application: exhausted, closed, with settings of their own.

use std::time::{Duration, Instant};

use sqlx::{
    Executor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_sqlx::{OpenErrorKind, SqlxOptions};

use crate::support::{
    NOW, block_on, handle, own_table, poll_times, pool, rotated, row, server, single, unique, until_idle,
    watcher::Watcher,
};

#[test]
#[ignore = "needs PostgreSQL"]
fn an_exhausted_pool_is_a_timeout_and_the_store_recovers() {
    block_on(async {
        for (pool_waits, store_waits, reason) in [
            (Duration::from_secs(30), Duration::from_millis(200), "the store's own limit"),
            (Duration::from_millis(200), Duration::from_secs(30), "the pool's limit"),
        ] {
            let options = PgPoolOptions::new().max_connections(1).acquire_timeout(pool_waits);
            let pool = options.connect(&server().url("postgres")).await.expect("connects");
            let store = own_table().with_timeout(store_waits).open(pool.clone()).await.expect("opens");
            store.create(&row(0)).await.expect("creates");
            let held = pool.acquire().await.expect("the application has the only connection");
            let start = Instant::now();
            let error = store.load(handle(0)).await.expect_err(reason);
            assert_eq!(error.kind(), StoreErrorKind::TimedOut, "{reason}");
            assert!(start.elapsed() < Duration::from_secs(5), "{reason}");
            drop(held);
            assert!(store.load(handle(0)).await.expect("recovers").is_some());
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_pool_of_one_connection_has_room_for_calls_beside_the_feed() {
    block_on(async {
        let pool = single(&server().url("postgres")).await;
        let store = own_table().open(pool).await.expect("opens");
        let watcher = Watcher::start(&store, NOW).await;
        store.create(&row(0)).await.expect("creates");
        assert!(store.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(0), NOW).await;
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_closed_pool_is_unavailable_and_ends_the_feed() {
    block_on(async {
        let pool = pool(&server().url("postgres")).await;
        let store = own_table().open(pool.clone()).await.expect("opens");
        let watcher = Watcher::start(&store, NOW).await;
        // It waits for all connections, and does not wait for the feed.
        tokio::time::timeout(Duration::from_secs(4), pool.close()).await.expect("the pool closes");
        assert_eq!(watcher.lost().await, StoreErrorKind::Unavailable);
        let error = store.load(handle(0)).await.expect_err("the pool is closed");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let error = own_table().open(pool).await.expect_err("the pool is closed");
        assert_eq!(error.kind(), OpenErrorKind::Unavailable);
    });
}

/// A pool each of whose connections executes this first.
async fn prepared_by(script: &'static str, url: &str) -> PgPool {
    let options = PgPoolOptions::new().max_connections(3).after_connect(move |connection, _| {
        Box::pin(async move { connection.execute(script).await.map(drop) })
    });
    options.connect(url).await.expect("connects")
}

#[test]
#[ignore = "needs PostgreSQL"]
fn what_the_application_sets_on_its_connections_changes_no_statement() {
    // Another schema comes first in the search path, with an operator that is always true. The rest changes the text of values.
    const SETTINGS: &str = "CREATE SCHEMA IF NOT EXISTS decoy; \
        CREATE OR REPLACE FUNCTION decoy.yes(bytea, bytea) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'; \
        DO $$ BEGIN CREATE OPERATOR decoy.= (LEFTARG = bytea, RIGHTARG = bytea, FUNCTION = decoy.yes); \
            EXCEPTION WHEN duplicate_function THEN NULL; END $$; \
        SET search_path = decoy, pg_catalog; SET bytea_output = 'escape'; SET DateStyle = 'German'; \
        SET TimeZone = 'Asia/Kathmandu'; SET extra_float_digits = -15; SET standard_conforming_strings = off; \
        SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan";
    block_on(async {
        let database = unique("settings");
        server().create_database(&database, "").await;
        let pool = prepared_by(SETTINGS, &server().url(&database)).await;
        let store = SqlxOptions::new().open(pool).await.expect("opens");
        for number in 0..3 {
            let mut known = row(number);
            known.data = vec![0, b'\\', 255];
            store.create(&known).await.expect("creates");
            assert_eq!(store.load(handle(number)).await.expect("loads"), Some(known.clone()));
            assert!(store.compare_and_swap(&rotated(&known), 1).await.expect("swaps"));
        }
        let watcher = Watcher::start(&store, NOW).await;
        assert!(store.end(handle(1), EndReason::Logout, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(1), NOW).await;
        assert!(store.load(handle(0)).await.expect("loads").expect("is there").ended.is_none());
        assert_eq!(store.load(handle(9)).await.expect("loads"), None);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_pool_whose_connections_take_another_role_uses_the_rights_of_that_role() {
    block_on(async {
        let database = unique("roles");
        server().create_database(&database, "").await;
        let client = server().client(&database).await;
        let grant = format!("CREATE ROLE taken; GRANT CREATE ON DATABASE {database} TO taken");
        client.batch_execute(&grant).await.expect("grants");
        let pool = prepared_by("SET ROLE taken", &server().url(&database)).await;
        let store = SqlxOptions::new().open(pool).await.expect("opens");
        store.create(&row(0)).await.expect("creates");
        let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'sessions'";
        let owner: String = client.query_one(owner, &[]).await.expect("is there").get(0);
        assert_eq!(owner, "taken");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_pool_with_another_isolation_level_is_rejected() {
    block_on(async {
        let pool =
            prepared_by("SET default_transaction_isolation = 'serializable'", &server().url("postgres"))
                .await;
        let error = own_table().open(pool).await.expect_err("is rejected");
        assert_eq!(error.kind(), OpenErrorKind::Unsuitable);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_pool_whose_cache_of_statements_is_off_leaves_none_on_the_server() {
    block_on(async {
        let url = server().url("postgres");
        for (capacity, kept) in [(0, false), (100, true)] {
            let options: PgConnectOptions = url.parse().expect("a URL");
            let pool = PgPoolOptions::new().max_connections(1);
            let pool = pool.connect_with(options.statement_cache_capacity(capacity)).await.expect("connects");
            let store = own_table().open(pool.clone()).await.expect("opens");
            store.create(&row(0)).await.expect("creates");
            for _ in 0..10 {
                assert!(store.load(handle(0)).await.expect("loads").is_some());
            }
            let count = "SELECT count(*) FROM pg_prepared_statements";
            let count = sqlx::query_scalar::<_, i64>(count).persistent(false).fetch_one(&pool).await;
            assert_eq!(count.expect("counts"), if kept { 2 } else { 0 }, "capacity {capacity}");
        }
    });
}

/// How a connection came back to the pool in a transaction.
#[derive(Clone, Copy, Debug)]
enum LeftOpen {
    /// The caller polled so often, and then stopped waiting.
    ByDriver(usize),
    ByScript(&'static str),
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_transaction_that_the_application_left_open_does_not_take_a_write_along() {
    let cases = [
        LeftOpen::ByDriver(1),
        LeftOpen::ByDriver(2),
        LeftOpen::ByDriver(3),
        LeftOpen::ByScript("BEGIN"),
        LeftOpen::ByScript("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"),
        LeftOpen::ByScript("BEGIN; SELECT 1/0"),
    ];
    block_on(async {
        for options in [own_table(), own_table().with_unnamed_statements()] {
            let kind = format!("{options:?}");
            let url = server().url("postgres");
            let pool = single(&url).await;
            let store = options.clone().open(pool.clone()).await.expect("opens");
            let other = options.open(self::pool(&url).await).await.expect("opens");
            for (number, left_open) in (0..).zip(cases) {
                store.create(&row(number)).await.expect("creates");
                until_idle(&pool).await;
                match left_open {
                    // The driver does not notice that it began, if the caller stops waiting at that time.
                    LeftOpen::ByDriver(polls) => drop(poll_times(pool.begin(), polls).await),
                    LeftOpen::ByScript(script) => drop(sqlx::raw_sql(script).execute(&pool).await),
                }
                until_idle(&pool).await;
                let why = format!("{left_open:?}, {kind}");
                assert!(store.end(handle(number), EndReason::Logout, NOW, 7).await.expect(&why), "{why}");
                let stored = other.load(handle(number)).await.expect("loads").expect("is there");
                assert!(stored.ended.is_some(), "another server sees the logout: {why}");
            }
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn the_longest_time_limit_is_one_as_well() {
    block_on(async {
        let pool = pool(&server().url("postgres")).await;
        let store = own_table().with_timeout(Duration::MAX).open(pool).await.expect("opens");
        store.create(&row(0)).await.expect("creates");
        Watcher::start(&store, NOW).await;
    });
}
