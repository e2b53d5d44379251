//! This store and that of `tower-refresh-postgres` on one table.

use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, Page, SessionBinding, SessionRow, SessionStore};
use tower_refresh_postgres::{PostgresOptions, PostgresStore};
use tower_refresh_sqlx::{SqlxOptions, SqlxStore};

use crate::support::{DAY, NOW, block_on, handle, pool, rotated, row, server, unique, watcher::Watcher};

async fn this(schema: &str) -> SqlxStore {
    let pool = pool(&server().url("postgres")).await;
    SqlxOptions::new().with_schema(schema).open(pool).await.expect("opens")
}

async fn other(schema: &str) -> PostgresStore {
    PostgresOptions::new().with_schema(schema).connect(&server().url("postgres")).await.expect("opens")
}

/// A session with a value in each column.
fn full(number: u64) -> SessionRow {
    let mut full = row(number);
    full.generation = 9;
    full.confirmed = true;
    full.late_budget = NOW.saturating_add(DAY);
    full.idle_expiry = NOW.saturating_add(DAY * 7);
    full.meta.user_agent = Some("Firefox ☃".into());
    full.meta.ip = Some([192, 0, 2, 1].into());
    full.meta.label = Some("phone".into());
    full.data = vec![0, 255];
    full.idle = Some(DAY * 7);
    full.persistent = false;
    full.claims_epoch = u32::MAX - 1;
    full.binding = Some(SessionBinding::from_bytes(*b"key"));
    full
}

/// What `writer` writes, `reader` reads.
async fn reads_what_is_written(writer: &impl SessionStore, reader: &impl SessionStore, first: u64) {
    let expected = full(first);
    writer.create(&expected).await.expect("creates");
    assert_eq!(reader.load(handle(first)).await.expect("loads"), Some(expected.clone()));
    assert!(reader.create(&row(first)).await.is_err(), "the handle is taken");

    assert!(reader.compare_and_swap(&rotated(&expected), 5).await.expect("swaps"));
    assert!(
        !writer.compare_and_swap(&rotated(&expected), 6).await.expect("answers"),
        "the version is another"
    );
    let mut expected = rotated(&expected);
    expected.version = 5;
    assert_eq!(writer.load(handle(first)).await.expect("loads"), Some(expected));
    assert_eq!(writer.outdate_claims(handle(first), NOW, 6).await.expect("outdates"), Some(u32::MAX));
    assert!(writer.end(handle(first), EndReason::Reuse, NOW, 7).await.expect("ends"));
    let ended = reader.load(handle(first)).await.expect("loads").expect("is there");
    assert_eq!((ended.ended.map(|end| end.reason), ended.claims_epoch), (Some(EndReason::Reuse), u32::MAX));
    let listed = reader.list(&"alice".into(), NOW, Page::first(10)).await.expect("lists");
    assert!(listed.iter().all(|row| row.handle != handle(first)));
}

#[test]
#[ignore = "needs PostgreSQL"]
fn an_application_can_move_between_the_two_stores() {
    block_on(async {
        for this_first in [true, false] {
            let schema = unique("moved");
            // The first one creates the table.
            let (this, other) = if this_first {
                let this = this(&schema).await;
                (this, other(&schema).await)
            } else {
                let other = other(&schema).await;
                (this(&schema).await, other)
            };
            reads_what_is_written(&this, &other, 0).await;
            reads_what_is_written(&other, &this, 1).await;
            assert_eq!(this.purge_dead(NOW.saturating_add(DAY)).await.expect("purges"), 2);
            assert_eq!(other.purge_dead(NOW.saturating_add(DAY)).await.expect("purges"), 0);
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn each_store_reports_what_the_other_did() {
    block_on(async {
        let schema = unique("reported");
        let (this, other) = (this(&schema).await, other(&schema).await);
        for number in 0..4 {
            this.create(&row(number)).await.expect("creates");
        }
        assert!(other.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        let watching_this = Watcher::start(&this, NOW).await;
        assert!(
            watching_this.has_seen(handle(0)),
            "what ended before is reported before the feed has caught up"
        );
        let watching_other = Watcher::start(&other, NOW).await;
        assert!(this.end(handle(1), EndReason::Logout, NOW, 7).await.expect("ends"));
        watching_other.until_reported(handle(1), NOW).await;
        assert!(other.end(handle(2), EndReason::Logout, NOW, 7).await.expect("ends"));
        watching_this.until_reported(handle(2), NOW).await;
        assert_eq!(this.outdate_claims(handle(3), NOW, 7).await.expect("outdates"), Some(1));
        watching_other.until_outdated(handle(3), 1).await;
        assert_eq!(other.outdate_claims(handle(3), NOW, 8).await.expect("outdates"), Some(2));
        watching_this.until_outdated(handle(3), 2).await;
        assert_eq!([watching_this.unknown_notices(), watching_other.unknown_notices()], [0, 0]);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn of_swaps_by_both_stores_at_one_version_one_succeeds() {
    block_on(async {
        let schema = unique("raced");
        let (this, other) = (this(&schema).await, other(&schema).await);
        for number in 0..20 {
            let known = row(number);
            this.create(&known).await.expect("creates");
            let mut tasks = JoinSet::new();
            for _ in 0..4 {
                let (this, other, next) = (this.clone(), other.clone(), rotated(&known));
                let next_here = next.clone();
                tasks.spawn(async move { this.compare_and_swap(&next_here, 2).await.expect("swaps") });
                tasks.spawn(async move { other.compare_and_swap(&next, 2).await.expect("swaps") });
            }
            let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
            assert_eq!(won, 1);
        }
    });
}
