//! How lists and the feed are read: by an index, not more rows than the page or the feed has.

use std::fs;

use tokio_postgres::Client;
use tower_refresh_core::{Page, SessionHandle, SessionRow, SessionStore};
use tower_refresh_postgres::PostgresStore;

use crate::support::{NOW, block_on, row, server, watcher::Watcher};

const SESSIONS: u64 = 200_000;

/// The plans of the database's statements go to the server's log.
const LOG_PLANS: &str = "ALTER DATABASE {database} SET session_preload_libraries = 'auto_explain'; \
     ALTER DATABASE {database} SET auto_explain.log_min_duration = 0; \
     ALTER DATABASE {database} SET auto_explain.log_analyze = on; \
     ALTER DATABASE {database} SET auto_explain.log_timing = off";

/// The plans in the server's log of the statement that begins and goes on like this, with how many rows each step had.
fn plans(begins: &str, goes_on: &str) -> Vec<String> {
    let log = fs::read_to_string(server().log()).expect("there is a log");
    let plans = log.split("\tQuery Text: ").skip(1).filter(|plan| plan.starts_with(begins));
    plans.filter(|plan| plan.contains(goes_on)).map(str::to_owned).collect()
}

/// A quarter of the sessions has another subject than `robot`.
async fn filled(database: &str) -> Client {
    server().create_database(database, "").await;
    let client = server().client(database).await;
    PostgresStore::connect(&server().url(database)).await.expect("opens");
    let (now, expiry) = (NOW.as_millis(), row(0).absolute_expiry.as_millis());
    let insert = format!(
        "INSERT INTO tower_refresh.sessions (handle, subject, generation, rotated_at, confirmed, late_budget,
             created_at, idle_expiry, absolute_expiry, version, data, death_hour)
         SELECT decode(md5(n::text), 'hex'), CASE n % 4 WHEN 0 THEN 'user' || n ELSE 'robot' END, 0, {now}, false, 0,
             {now} + n, {expiry}, {expiry}, 0, '', {expiry} / 3600000
         FROM generate_series(1, {SESSIONS}) AS n"
    );
    client.batch_execute(&insert).await.expect("inserts");
    client.batch_execute(&LOG_PLANS.replace("{database}", database)).await.expect("alters");
    client
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_page_of_200_000_sessions_reads_its_own_rows_only() {
    block_on(async {
        let client = filled("plans").await;
        let plans = || plans("SELECT handle, subject", "LIMIT $5");

        for statistics in [false, true] {
            if statistics {
                client.batch_execute("ANALYZE tower_refresh.sessions").await.expect("analyzes");
            }
            let store = PostgresStore::connect(&server().url("plans")).await.expect("opens");
            let before = plans().len();
            let mut pages = 0;
            for depth in [None, Some(100_000), Some(199_900)] {
                // More than five times, after which the server may use one plan for all values.
                for _ in 0..4 {
                    let page = match depth {
                        None => Page::first(100),
                        Some(depth) => Page::after(&login(NOW.as_millis() + SESSIONS - depth), 100),
                    };
                    let rows = store.list(&"robot".into(), NOW, page).await.expect("lists");
                    assert_eq!(rows.len(), if depth == Some(199_900) { 75 } else { 100 });
                    pages += 1;
                }
            }
            let plans = plans().split_off(before);
            assert_eq!(plans.len(), pages, "each list is in the log");
            for plan in plans {
                assert!(plan.contains("Index Scan Backward using sessions_subject"), "{plan}");
                assert!(plan.contains("ROW(created_at, handle) < ROW("), "{plan}");
                assert!(!plan.contains("Sort") && !plan.contains("Rows Removed"), "{plan}");
            }
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_new_watcher_among_200_000_sessions_reads_those_with_outdated_claims_only() {
    const OUTDATED: usize = 500;
    block_on(async {
        let client = filled("plans_of_the_feed").await;
        let store = PostgresStore::connect(&server().url("plans_of_the_feed")).await.expect("opens");
        let some =
            format!("SELECT handle FROM tower_refresh.sessions WHERE subject = 'robot' LIMIT {OUTDATED}");
        for columns in client.query(&some, &[]).await.expect("selects") {
            let session = SessionHandle::from_bytes(columns.get::<_, &[u8]>(0).try_into().expect("16 bytes"));
            assert_eq!(store.outdate_claims(session, NOW, 1).await.expect("outdates"), Some(1));
        }
        for statistics in [false, true] {
            if statistics {
                client.batch_execute("ANALYZE tower_refresh.sessions").await.expect("analyzes");
            }
            let plans = || plans("SELECT handle, claims_epoch", "claims_outdated_at");
            let before = plans().len();
            let watcher = Watcher::start(&store, NOW).await;
            assert_eq!(watcher.all_epochs().len(), OUTDATED);
            let plans = plans().split_off(before);
            assert_eq!(plans.len(), 1);
            for plan in plans {
                assert!(plan.contains("sessions_outdated"), "{plan}");
                assert!(!plan.contains("Seq Scan") && !plan.contains("Rows Removed"), "{plan}");
            }
        }
    });
}

/// A session of a login at this time.
fn login(at: u64) -> SessionRow {
    let at = tower_refresh_core::Timestamp::from_millis(at);
    SessionRow::new(SessionHandle::from_bytes([0; 16]), "robot".into(), at, at, at)
}
