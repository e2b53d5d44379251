//! A table that an administrator has partitioned by handle.

use tokio::sync::OnceCell;
use tower_refresh_core::{SessionStore, conformance_tests};
use tower_refresh_postgres::{PostgresOptions, PostgresStore};

use crate::support::{DAY, NOW, block_on, handle, row, server, unique};

const PARTITIONS: u32 = 4;

/// Replaces the table by a partitioned one with the same columns and indexes.
async fn partitioned() -> PostgresStore {
    let schema = unique("partitioned");
    let url = server().url("postgres");
    let options = || PostgresOptions::new().with_schema(schema.clone());
    options().connect(&url).await.expect("an empty database is opened");
    let mut script = format!(
        "ALTER TABLE {schema}.sessions RENAME TO plain;
         CREATE TABLE {schema}.sessions (LIKE {schema}.plain INCLUDING ALL) PARTITION BY HASH (handle);
         DROP TABLE {schema}.plain;"
    );
    for number in 0..PARTITIONS {
        script += &format!(
            "CREATE TABLE {schema}.sessions_{number} PARTITION OF {schema}.sessions
                 FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {number}) WITH (fillfactor = 80);"
        );
    }
    server().client("postgres").await.batch_execute(&script).await.expect("partitions");
    options().connect(&url).await.expect("the partitioned table is opened")
}

/// One table for all laws, which run at the same time.
async fn store() -> PostgresStore {
    static STORE: OnceCell<PostgresStore> = OnceCell::const_new();
    STORE.get_or_init(partitioned).await.clone()
}

conformance_tests! {
    #[ignore = "needs PostgreSQL"]
    store: store(),
    block_on: block_on,
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_purge_deletes_no_live_session_at_the_same_place_of_another_partition() {
    block_on(async {
        let store = partitioned().await;
        for number in 0..400 {
            let mut row = row(number);
            let expiry = if number % 2 == 0 { NOW } else { NOW.saturating_add(DAY * 7) };
            (row.idle_expiry, row.absolute_expiry) = (expiry, expiry);
            store.create(&row).await.expect("creates");
        }
        let mut purged = 0;
        loop {
            match store.purge_dead(NOW.saturating_add(DAY)).await.expect("purges") {
                0 => break,
                some => purged += some,
            }
        }
        assert_eq!(purged, 200);
        for number in (1..400).step_by(2) {
            assert!(store.load(handle(number)).await.expect("loads").is_some(), "session {number} is live");
        }
    });
}
