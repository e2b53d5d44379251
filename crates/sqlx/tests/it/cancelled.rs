//! Calls whose callers stop waiting.

use sqlx::{PgPool, Row};
use tower_refresh_core::{EndReason, Page, SessionStore};
use tower_refresh_sqlx::{SqlxOptions, SqlxStore};

use crate::support::{
    NOW, block_on, handle, own_table, poll_times, rotated, row, server, single, unique, until_idle,
};

/// Longer than any call takes.
const POLLS: usize = 40;

/// The connection has no open transaction, and what it is sent next is executed as if nothing had happened.
async fn assert_clean(pool: &PgPool, why: &str) {
    until_idle(pool).await;
    // In a transaction that was left open, it would have begun earlier. The simple protocol has one time for each statement.
    let times =
        "SELECT xact_start = statement_timestamp() FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    let row = sqlx::raw_sql(times).fetch_one(pool).await.expect(why);
    assert!(row.get::<bool, _>(0), "no transaction was open: {why}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_dropped_call_leaves_no_transaction_open_and_its_connection_usable() {
    block_on(async {
        for options in [own_table(), own_table().with_unnamed_statements()] {
            let pool = single(&server().url("postgres")).await;
            let kind = format!("{options:?}");
            let store = options.open(pool.clone()).await.expect("opens");
            let mut completed = 0;
            for times in 0..POLLS {
                let number = times as u64;
                for call in 0..5 {
                    let why = format!("call {call} after {times} polls, {kind}");
                    completed += usize::from(poll_times(one(&store, call, number), times).await);
                    assert_clean(&pool, &why).await;
                }
                let session = handle(number);
                store.create(&row(number)).await.err();
                assert!(store.load(session).await.expect("loads").is_some());
            }
            assert!(completed > POLLS, "most calls with many polls are done: {completed}");
            assert_eq!(pool.size(), 1, "no connection was replaced");
        }
    });
}

async fn one(store: &SqlxStore, call: usize, number: u64) {
    let done = match call {
        0 => store.create(&row(number)).await,
        1 => store.load(handle(number)).await.map(drop),
        2 => store.compare_and_swap(&rotated(&row(number)), 1).await.map(drop),
        3 => store.list(&"alice".into(), NOW, Page::first(10)).await.map(drop),
        _ => store.end(handle(number), EndReason::Logout, NOW, 7).await.map(drop),
    };
    // A login may have been executed although its call was dropped.
    assert!(done.is_ok() || call == 0, "{done:?}");
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_dropped_opening_leaves_no_transaction_open_and_may_be_repeated() {
    block_on(async {
        let pool = single(&server().url("postgres")).await;
        let mut done = 0;
        for times in (0..200).step_by(5) {
            let options = SqlxOptions::new().with_schema(unique("dropped"));
            done += usize::from(poll_times(options.clone().open(pool.clone()), times).await);
            assert_clean(&pool, "the opening was dropped").await;
            let store = options.open(pool.clone()).await.expect("opens");
            store.create(&row(0)).await.expect("creates");
        }
        assert!(done > 0, "with many polls it is opened");
    });
}
