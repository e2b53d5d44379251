//! PgBouncer between a pool and its server. Before version 1.21 it has no support for prepared statements, except where a client
//! keeps its connection for the session.

use std::{sync::OnceLock, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::OnceCell, time::timeout};
use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind, conformance_tests};
use tower_refresh_sqlx::{OpenErrorKind, SqlxOptions, SqlxStore};

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

/// PgBouncer rejects a parameter that the driver sends by default, unless its own settings say otherwise.
fn through(bouncer: &Bouncer) -> PgConnectOptions {
    let options: PgConnectOptions = bouncer.url("postgres").parse().expect("a URL");
    options.extra_float_digits(None)
}

async fn pool(options: PgConnectOptions) -> PgPool {
    // For each connection of a client by session PgBouncer has one of the server's, of which it has eight.
    PgPoolOptions::new().max_connections(4).connect_with(options).await.expect("connects")
}

fn past_the_pooler() -> SqlxOptions {
    own_table().with_feed(server().url("postgres").parse().expect("a URL"))
}

/// A store whose calls go through PgBouncer, and whose feed does not.
async fn store() -> SqlxStore {
    static STORE: OnceCell<SqlxStore> = OnceCell::const_new();
    let open = async || {
        let options = past_the_pooler().with_unnamed_statements();
        options.open(pool(through(by_transaction())).await).await.expect("opens")
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
        let error = options.open(pool(through(by_transaction())).await).await.expect_err("is rejected");
        assert_eq!(error.kind(), OpenErrorKind::PreparedStatementsUnsupported);
        assert!(error.to_string().contains("with_unnamed_statements"), "{error}");
    });
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_pool_whose_cache_of_statements_is_off_needs_no_option_behind_a_pooler_by_transaction() {
    block_on(async {
        let pool = pool(through(by_transaction()).statement_cache_capacity(0)).await;
        let store = past_the_pooler().open(pool).await.expect("opens");
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..50 {
            let store = store.clone();
            tasks.spawn(async move {
                store.create(&row(number)).await.expect("creates");
                assert_eq!(store.load(handle(number)).await.expect("loads"), Some(row(number)));
            });
        }
        tasks.join_all().await;
    });
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_pooler_by_statement_is_rejected() {
    block_on(async {
        let bouncer = Bouncer::start(server(), "statement");
        let options = own_table().with_unnamed_statements();
        let error = options.open(pool(through(&bouncer)).await).await.expect_err("there are no transactions");
        assert_eq!(error.kind(), OpenErrorKind::Unavailable);
    });
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_feed_through_a_pooler_by_transaction_is_down_and_says_why() {
    block_on(async {
        let options = own_table().with_unnamed_statements().with_timeout(Duration::from_secs(1));
        let store = options.open(pool(through(by_transaction())).await).await.expect("opens");
        let (kind, reason) = why_lost(&store, NOW).await;
        assert_eq!(kind, StoreErrorKind::Unavailable);
        assert!(reason.contains("PgBouncer in transaction mode"), "{reason}");
        assert!(reason.contains("SqlxOptions::with_feed"), "{reason}");
    });
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer"]
fn a_pooler_by_session_is_used_like_the_server_itself() {
    block_on(async {
        let bouncer = Bouncer::start(server(), "session");
        let store = own_table().open(pool(through(&bouncer)).await).await.expect("opens");
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
