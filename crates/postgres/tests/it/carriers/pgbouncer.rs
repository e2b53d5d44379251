//! PgBouncer between a store and its server. Before version 1.21 it has no support for prepared statements, except where a client
//! keeps its connection for the session.

use std::{sync::OnceLock, time::Duration};

use tokio::{sync::OnceCell, time::timeout};
use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind, conformance_tests};
use tower_refresh_postgres::{OpenErrorKind, PostgresStore};

use crate::support::{
    NOW, block_on,
    bouncer::Bouncer,
    handle, own_table, row, server,
    watcher::{Watcher, why_lost},
};

fn by_transaction() -> &'static Bouncer {
    static BOUNCER: OnceLock<Bouncer> = OnceLock::new();
    BOUNCER.get_or_init(|| Bouncer::start(server(), "transaction"))
}

/// A store whose calls go through PgBouncer, and whose feed does not.
async fn store() -> PostgresStore {
    static STORE: OnceCell<PostgresStore> = OnceCell::const_new();
    let open = async || {
        let options = own_table().with_unnamed_statements().with_feed_url(server().url("postgres"));
        options.connect(&by_transaction().url("postgres")).await.expect("opens")
    };
    STORE.get_or_init(open).await.clone()
}

mod by_transaction_with_unnamed_statements {
    use super::{block_on, conformance_tests, store};

    conformance_tests! {
        #[ignore = "needs PostgreSQL and PgBouncer"]
        store: store(),
        block_on: block_on,
    }
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_pooler_by_transaction_is_rejected_unless_statements_are_unnamed() {
    block_on(async {
        let options = own_table().with_timeout(Duration::from_secs(1));
        let error = options.connect(&by_transaction().url("postgres")).await.expect_err("is rejected");
        assert_eq!(error.kind(), OpenErrorKind::PreparedStatementsUnsupported);
        assert!(error.to_string().contains("with_unnamed_statements"), "{error}");
    });
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_pooler_by_statement_is_rejected() {
    block_on(async {
        let bouncer = Bouncer::start(server(), "statement");
        let options = own_table().with_unnamed_statements();
        let error = options.connect(&bouncer.url("postgres")).await.expect_err("there are no transactions");
        assert_eq!(error.kind(), OpenErrorKind::Unavailable);
    });
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_feed_through_a_pooler_by_transaction_is_down_and_says_why() {
    block_on(async {
        let options = own_table().with_unnamed_statements().with_timeout(Duration::from_secs(1));
        let store = options.connect(&by_transaction().url("postgres")).await.expect("opens");
        let (kind, reason) = why_lost(&store, NOW).await;
        assert_eq!(kind, StoreErrorKind::Unavailable);
        assert!(reason.contains("PgBouncer in transaction mode"), "{reason}");
        assert!(reason.contains("with_feed_url"), "{reason}");
    });
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_feed_notices_that_its_pooler_changes_to_transactions() {
    block_on(async {
        let bouncer = Bouncer::start(server(), "session");
        let options = own_table().with_timeout(Duration::from_secs(1));
        let store = options.connect(&bouncer.url("postgres")).await.expect("opens");
        let watcher = Watcher::start(&store, NOW).await;
        bouncer.change_mode("transaction");
        assert_eq!(watcher.lost().await, StoreErrorKind::Unavailable);
    });
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_pooler_by_session_is_used_like_the_server_itself() {
    block_on(async {
        let bouncer = Bouncer::start(server(), "session");
        let store = own_table().connect(&bouncer.url("postgres")).await.expect("opens");
        for number in 0..2 {
            store.create(&row(number)).await.expect("creates");
        }
        let watcher = Watcher::start(&store, NOW).await;
        assert!(store.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(0), NOW).await;
        let waiting = timeout(Duration::from_secs(12), watcher.lost());
        assert!(waiting.await.is_err(), "the probes of the feed succeed");
    });
}
