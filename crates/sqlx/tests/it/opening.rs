//! Opening a store: names, migrations, and what is rejected.

use sqlx::{PgPool, postgres::PgPoolOptions};
use std::time::Duration;
use tokio::task::JoinSet;
use tower_refresh_core::{Page, SessionStore};
use tower_refresh_sqlx::{OpenError, OpenErrorKind, SqlxOptions, SqlxStore};

use crate::support::{NOW, block_on, handle, own_table, pool, row, server, unique};

fn kind(result: Result<SqlxStore, OpenError>) -> OpenErrorKind {
    result.expect_err("opening fails").kind()
}

async fn shared() -> PgPool {
    pool(&server().url("postgres")).await
}

#[test]
#[ignore = "needs PostgreSQL"]
fn many_servers_may_open_an_empty_database_at_once() {
    block_on(async {
        server().create_database("at_once", "").await;
        let mut opening = JoinSet::new();
        for number in 0..16 {
            opening.spawn(async move {
                let pool = PgPoolOptions::new().max_connections(2);
                let pool = pool.connect(&server().url("at_once")).await.expect("connects");
                let store = SqlxStore::open(pool).await.expect("opens");
                store.create(&row(number)).await.expect("a session is created");
            });
        }
        opening.join_all().await;
        let store = SqlxStore::open(pool(&server().url("at_once")).await).await.expect("opens again");
        let listed = store.list(&"alice".into(), NOW, Page::first(10_000)).await.expect("lists");
        assert_eq!(listed.len(), 16, "all use one table");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn hostile_names_are_rejected_before_anything_is_sent() {
    block_on(async {
        let pool = PgPoolOptions::new().connect_lazy("postgresql://app@127.0.0.1:1/none").expect("a URL");
        for name in ["", "a\"; DROP SCHEMA public CASCADE; --", "a.b", "'", "a\0b", "sessions-2", "{schema}"]
        {
            let store = SqlxOptions::new().with_schema(name).open(pool.clone()).await;
            assert_eq!(kind(store), OpenErrorKind::InvalidName, "schema {name:?}");
            let store = own_table().with_table(name).open(pool.clone()).await;
            assert_eq!(kind(store), OpenErrorKind::InvalidName, "table {name:?}");
        }
        for keyword in ["select", "TABLE", "user"] {
            let store = own_table().with_table(keyword).open(shared().await).await;
            store.expect("a keyword is a name like any other");
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn tables_that_are_not_the_stores_own_are_left_alone() {
    // What was done to the schema before; what opening says.
    let cases = [
        ("CREATE SCHEMA {s}; CREATE TABLE {s}.sessions (id integer)", OpenErrorKind::Foreign),
        (
            "CREATE SCHEMA {s}; CREATE TABLE {s}.sessions_version (version integer, oldest integer); \
             INSERT INTO {s}.sessions_version VALUES (99, 99)",
            OpenErrorKind::Newer,
        ),
        (
            "CREATE ROLE mallory_{s}; CREATE SCHEMA {s} AUTHORIZATION mallory_{s}",
            OpenErrorKind::UntrustedOwner,
        ),
    ];
    block_on(async {
        let client = server().client("postgres").await;
        for (done, expected) in cases {
            let schema = unique("other");
            client.batch_execute(&done.replace("{s}", &schema)).await.expect(done);
            let options = || SqlxOptions::new().with_schema(&schema);
            let error = options().open(shared().await).await.expect_err(done);
            assert_eq!(error.kind(), expected, "{done}");
            if expected == OpenErrorKind::UntrustedOwner {
                let role = format!("mallory_{schema}");
                assert!(error.to_string().contains(&role), "{error}");
                assert!(error.to_string().contains("SqlxOptions::with_trusted_owner"), "{error}");
                options().with_trusted_owner(role).open(shared().await).await.expect("it is named");
            }
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_that_is_there_needs_no_right_to_change_the_schema() {
    block_on(async {
        let (schema, role) = (unique("rights"), unique("app"));
        SqlxOptions::new().with_schema(&schema).open(shared().await).await.expect("opens");
        let client = server().client("postgres").await;
        let grant = format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.sessions TO {role}; \
             GRANT SELECT ON {schema}.sessions_version TO {role}"
        );
        client.batch_execute(&grant).await.expect("grants");
        let url = server().url("postgres").replace("postgres@", &format!("{role}@"));
        let store = SqlxOptions::new().with_schema(&schema).open(pool(&url).await).await.expect("opens");
        store.create(&row(0)).await.expect("creates");
        assert_eq!(store.load(handle(0)).await.expect("loads"), Some(row(0)));
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_migration_that_another_transaction_holds_up_gives_up_and_may_be_repeated() {
    block_on(async {
        let schema = unique("locked");
        let options = || SqlxOptions::new().with_schema(&schema);
        options().open(shared().await).await.expect("opens");
        let mut client = server().client("postgres").await;
        // As before the third migration.
        let undo = format!(
            "ALTER TABLE {schema}.sessions DROP COLUMN claims_outdated_at; UPDATE {schema}.sessions_version SET version = 2"
        );
        client.batch_execute(&undo).await.expect("undoes");
        let transaction = client.transaction().await.expect("begins");
        transaction.batch_execute(&format!("SELECT FROM {schema}.sessions")).await.expect("reads");
        assert_eq!(kind(options().open(shared().await).await), OpenErrorKind::Locked);
        transaction.commit().await.expect("commits");
        options().open(shared().await).await.expect("opens");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_database_with_another_encoding_is_rejected() {
    block_on(async {
        server().create_database("latin", "ENCODING 'LATIN1' TEMPLATE template0").await;
        assert_eq!(
            kind(SqlxStore::open(pool(&server().url("latin")).await).await),
            OpenErrorKind::Unsuitable
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_server_that_is_not_there_is_an_error_within_the_limit_of_the_pool() {
    block_on(async {
        let pool = PgPoolOptions::new().acquire_timeout(Duration::from_secs(1));
        let pool = pool.connect_lazy("postgresql://postgres@127.0.0.1:1/postgres").expect("a URL");
        assert_eq!(kind(SqlxStore::open(pool).await), OpenErrorKind::Unavailable);
    });
}
