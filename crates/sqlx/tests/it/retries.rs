//! Which calls are sent again when their connection fails.

use sqlx::{PgPool, postgres::PgPoolOptions};
use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_sqlx::SqlxStore;

use crate::support::{
    NOW, block_on, handle, own_table,
    proxy::{Fault, Proxy},
    rotated, row, server, single, until_idle,
};

/// A store whose only connection has all statements of the tests prepared, unless they have no names.
async fn open(proxy: &Proxy, unnamed: bool) -> (PgPool, SqlxStore) {
    let pool = single(&proxy.url()).await;
    let options = if unnamed { own_table().with_unnamed_statements() } else { own_table() };
    let store = options.open(pool.clone()).await.expect("opens");
    store.create(&row(0)).await.expect("creates");
    assert_eq!(store.load(handle(0)).await.expect("loads"), Some(row(0)));
    assert!(store.compare_and_swap(&rotated(&row(0)), 1).await.expect("swaps"));
    assert!(store.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
    until_idle(&pool).await;
    (pool, store)
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_statement_that_a_terminated_connection_did_not_execute_is_sent_on_another_one() {
    block_on(async {
        for unnamed in [false, true] {
            let proxy = Proxy::start(server()).await;
            let (pool, store) = open(&proxy, unnamed).await;
            // The second fault meets the question whether a transaction is open.
            for (number, faults) in [(1, &[Fault::Absent, Fault::Terminated][..]), (2, &[Fault::Terminated])]
            {
                proxy.fail_next(faults);
                store.create(&row(number)).await.expect("is sent again");
                assert_eq!(store.load(handle(number)).await.expect("loads"), Some(row(number)));
                until_idle(&pool).await;
            }
            // The new connection has no other statement yet, so these faults meet the preparation.
            proxy.fail_next(&[Fault::Absent, Fault::Terminated]);
            assert!(store.compare_and_swap(&rotated(&row(1)), 1).await.expect("is sent again"));
            until_idle(&pool).await;
            proxy.fail_next(&[Fault::Absent, Fault::Terminated]);
            assert!(store.end(handle(1), EndReason::Logout, NOW, 7).await.expect("is sent again"));
            let ended = store.load(handle(1)).await.expect("loads").expect("the session is there");
            assert_eq!((ended.generation, ended.version), (1, 7), "each write was executed once");
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_statement_is_sent_again_only_once() {
    block_on(async {
        let proxy = Proxy::start(server()).await;
        let (_pool, store) = open(&proxy, false).await;
        // One meets the statement, the other the new connection.
        proxy.fail_next(&[Fault::Absent, Fault::Terminated, Fault::Terminated]);
        let error = store.create(&row(1)).await.expect_err("both connections were terminated");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(store.load(handle(1)).await.expect("loads"), None);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_write_that_may_have_been_executed_is_not_repeated() {
    block_on(async {
        let proxy = Proxy::start(server()).await;
        let (_pool, store) = open(&proxy, false).await;
        proxy.fail_next(&[Fault::Absent, Fault::ReplyLost]);
        let error = store.create(&row(1)).await.expect_err("the reply was lost");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(store.load(handle(1)).await.expect("loads"), Some(row(1)), "it was executed");

        let (pool, store) = open(&proxy, false).await;
        store.create(&row(1)).await.expect("creates");
        until_idle(&pool).await;
        proxy.fail_next(&[Fault::Absent, Fault::ReplyLost]);
        let error = store.compare_and_swap(&rotated(&row(1)), 1).await.expect_err("the reply was lost");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let swapped = store.load(handle(1)).await.expect("loads").expect("the session is there");
        assert_eq!((swapped.generation, swapped.version), (1, 1), "it was executed");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_pool_that_probes_its_connections_replaces_one_that_was_terminated() {
    block_on(async {
        let proxy = Proxy::start(server()).await;
        let pool = PgPoolOptions::new().max_connections(1).connect(&proxy.url()).await.expect("connects");
        let store = own_table().open(pool.clone()).await.expect("opens");
        store.create(&row(0)).await.expect("creates");
        for fault in [Fault::Terminated, Fault::ReplyLost] {
            until_idle(&pool).await;
            proxy.fail_next(&[fault]);
            assert!(store.load(handle(0)).await.expect("the probe meets the fault").is_some());
        }
    });
}
