//! A store that only reads, with a role that may do nothing else.

use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};
use tower_refresh_sqlx::{OpenError, OpenErrorKind, SqlxOptions, SqlxStore};

use crate::support::{NOW, block_on, handle, own_table, pool, row, server, unique, watcher::Watcher};

async fn open(options: SqlxOptions, role: &str) -> Result<SqlxStore, OpenError> {
    let url = server().url("postgres").replace("postgres@", &format!("{role}@"));
    options.with_read_only().with_trusted_owner("postgres").open(pool(&url).await).await
}

/// A role that may connect.
async fn reader() -> String {
    let role = unique("reader");
    let create = format!("CREATE ROLE {role} LOGIN");
    server().client("postgres").await.batch_execute(&create).await.expect("creates");
    role
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_role_that_may_only_read_follows_the_feed() {
    block_on(async {
        let schema = unique("read");
        let options = SqlxOptions::new().with_schema(&schema);
        let writer =
            options.clone().open(pool(&server().url("postgres")).await).await.expect("creates the table");
        for number in 0..3 {
            writer.create(&row(number)).await.expect("creates");
        }
        assert!(writer.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        let role = reader().await;
        let grant = format!(
            "GRANT USAGE ON SCHEMA {schema} TO {role}; \
             GRANT SELECT ON {schema}.sessions, {schema}.sessions_version TO {role}"
        );
        server().client("postgres").await.batch_execute(&grant).await.expect("grants");

        let reader = open(options, &role).await.expect("opens");
        let watcher = Watcher::start(&reader, NOW).await;
        assert!(watcher.has_seen(handle(0)), "from before");
        assert!(writer.end(handle(1), EndReason::Logout, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(1), NOW).await;
        assert_eq!(reader.load(handle(2)).await.expect("loads").map(|row| row.handle), Some(handle(2)));

        let refused = reader.end(handle(2), EndReason::Logout, NOW, 7).await.expect_err("it may not write");
        assert_ne!(refused.kind(), StoreErrorKind::Unsupported);
        assert!(writer.load(handle(2)).await.expect("loads").expect("is there").ended.is_none());
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_that_is_not_there_or_older_is_not_migrated() {
    block_on(async {
        let schema = unique("absent");
        let options = || SqlxOptions::new().with_schema(&schema);
        let missing = open(options(), "postgres").await.expect_err("there is no table");
        assert_eq!(missing.kind(), OpenErrorKind::NotMigrated);
        let client = server().client("postgres").await;
        let query = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
        let schemas: i64 = client.query_one(query, &[&schema]).await.expect("counts").get(0);
        assert_eq!(schemas, 0, "nothing was created");

        options().open(pool(&server().url("postgres")).await).await.expect("creates the table");
        let set_back = format!("UPDATE {schema}.sessions_version SET version = 1");
        client.batch_execute(&set_back).await.expect("sets back");
        let older = open(options(), "postgres").await.expect_err("it is older");
        assert_eq!(older.kind(), OpenErrorKind::NotMigrated);
        let version: i32 = client
            .query_one(&format!("SELECT version FROM {schema}.sessions_version"), &[])
            .await
            .expect("reads")
            .get(0);
        assert_eq!(version, 1);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_role_without_the_right_to_read_cannot_open_it() {
    block_on(async {
        let role = reader().await;
        let options = own_table();
        options.clone().open(pool(&server().url("postgres")).await).await.expect("creates the table");
        assert_eq!(open(options, &role).await.expect_err("no right").kind(), OpenErrorKind::Unavailable);
    });
}
