//! Which calls are sent again when their connection fails.

use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_postgres::{PostgresOptions, PostgresStore};

use crate::support::{
    NOW, block_on, handle, own_table,
    proxy::{Fault, Proxy},
    rotated, row, server, unique,
    watcher::Watcher,
};

/// A store with one connection, on which all statements of the tests are prepared.
async fn open(proxy: &Proxy) -> PostgresStore {
    let store = own_table().with_connections(1).connect(&proxy.url()).await.expect("opens");
    store.create(&row(0)).await.expect("creates");
    assert_eq!(store.load(handle(0)).await.expect("loads"), Some(row(0)));
    assert!(store.compare_and_swap(&rotated(&row(0)), 1).await.expect("swaps"));
    assert!(store.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
    store
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_statement_that_a_terminated_connection_did_not_accept_is_sent_on_another_one() {
    block_on(async {
        let proxy = Proxy::start(server()).await;
        let store = open(&proxy).await;
        // The statement is prepared on the connection, so the fault meets its execution.
        for number in [1, 2] {
            proxy.fail_next(&[Fault::Terminated]);
            store.create(&row(number)).await.expect("is sent again");
            assert_eq!(store.load(handle(number)).await.expect("loads"), Some(row(number)));
        }
        // The new connection has no other statement yet, so these faults meet the preparation.
        proxy.fail_next(&[Fault::Terminated]);
        assert!(store.compare_and_swap(&rotated(&row(1)), 1).await.expect("is sent again"));
        proxy.fail_next(&[Fault::Terminated]);
        assert!(store.end(handle(1), EndReason::Logout, NOW, 7).await.expect("is sent again"));
        let ended = store.load(handle(1)).await.expect("loads").expect("the session is there");
        assert_eq!((ended.generation, ended.version), (1, 7), "each write was executed once");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_statement_is_sent_again_only_once() {
    block_on(async {
        let proxy = Proxy::start(server()).await;
        let store = open(&proxy).await;
        proxy.fail_next(&[Fault::Terminated, Fault::Terminated]);
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
        // Each write on a connection of its own, on which the statement is prepared.
        let store = open(&proxy).await;
        proxy.fail_next(&[Fault::ReplyLost]);
        let error = store.create(&row(1)).await.expect_err("the reply was lost");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert_eq!(store.load(handle(1)).await.expect("loads"), Some(row(1)), "it was executed");

        let store = open(&proxy).await;
        store.create(&row(1)).await.expect("creates");
        proxy.fail_next(&[Fault::ReplyLost]);
        let error = store.compare_and_swap(&rotated(&row(1)), 1).await.expect_err("the reply was lost");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let swapped = store.load(handle(1)).await.expect("loads").expect("the session is there");
        assert_eq!((swapped.generation, swapped.version), (1, 1), "it was executed");

        let store = open(&proxy).await;
        store.create(&row(1)).await.expect("creates");
        proxy.fail_next(&[Fault::ReplyLost]);
        let error = store.end(handle(1), EndReason::Logout, NOW, 7).await.expect_err("the reply was lost");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let ended = store.load(handle(1)).await.expect("loads").expect("the session is there");
        assert!(ended.ended.is_some(), "it was executed");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn sessions_that_ended_without_a_reply_are_reported_by_the_feed() {
    block_on(async {
        let proxy = Proxy::start(server()).await;
        let database = unique("replies");
        server().create_database(&database, "").await;
        let feed = server().url(&database);
        let options = || PostgresOptions::new().with_feed_url(&feed).with_connections(1);
        let store = options().connect(&proxy.url_of(&database)).await.expect("opens");
        let other = options().connect(&feed).await.expect("opens");
        for number in 0..1050 {
            store.create(&row(number)).await.expect("creates");
        }
        let watcher = Watcher::start(&other, NOW).await;
        let alice = "alice".into();
        let first = store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.expect("ends");
        assert_eq!(first.len(), 1000);
        // The statement is prepared, so the fault meets its execution. The reply is short enough to follow the commit.
        proxy.fail_next(&[Fault::ReplyLost]);
        let error = store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.expect_err("no reply");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        for number in 0..1050 {
            watcher.until_reported(handle(number), NOW).await;
        }
        let rest = store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.expect("is repeated");
        assert_eq!(rest, [], "the call without a reply ended them");
    });
}
