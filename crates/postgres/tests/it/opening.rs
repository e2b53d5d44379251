//! Opening a store: names, migrations, and what is rejected.

use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use tokio::{task::JoinSet, time::timeout};
use tokio_postgres::{Config, NoTls};
use tower_refresh_core::{
    EndReason, FeedWatcher, Page, SessionHandle, SessionStore, StoreErrorKind, Subject, Timestamp,
};
use tower_refresh_postgres::{OpenError, OpenErrorKind, PostgresOptions, PostgresStore};

use crate::support::{NOW, block_on, handle, own_table, row, server, unique, watcher::Watcher};

/// A watcher that ignores what is reported.
struct Ignore;

impl FeedWatcher for Ignore {
    fn ended(&self, _: SessionHandle, _: Timestamp) {}

    fn outdated(&self, _session: SessionHandle, _epoch: u32) {}
    fn caught_up(&self) {}
}

fn kind(result: Result<PostgresStore, OpenError>) -> OpenErrorKind {
    result.expect_err("opening fails").kind()
}

#[test]
#[ignore = "needs PostgreSQL"]
fn many_servers_may_open_an_empty_database_at_once() {
    block_on(async {
        server().create_database("at_once", "").await;
        let mut opening = JoinSet::new();
        for number in 0..16 {
            opening.spawn(async move {
                let store = PostgresStore::connect(&server().url("at_once")).await.expect("opens");
                store.create(&row(number)).await.expect("a session is created");
            });
        }
        opening.join_all().await;
        let store = PostgresStore::connect(&server().url("at_once")).await.expect("opens again");
        let listed = store.list(&Subject::new("alice"), NOW, Page::first(10_000)).await.expect("lists");
        assert_eq!(listed.len(), 16, "all use one table");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn stores_in_different_tables_share_nothing() {
    block_on(async {
        let url = server().url("postgres");
        let schema = unique("shared");
        let open = async |table: &str| {
            let options = PostgresOptions::new().with_schema(&schema).with_table(table);
            options.connect(&url).await.expect("opens")
        };
        let (first, second) = (open("sessions").await, open("Sessions").await);
        let watcher = Watcher::start(&second, NOW).await;
        first.create(&row(0)).await.expect("creates");
        assert_eq!(second.load(handle(0)).await.expect("loads"), None);
        second.create(&row(0)).await.expect("the handle is free there");
        second.create(&row(1)).await.expect("creates");
        let reason = EndReason::Logout;
        assert!(first.end(handle(0), reason, NOW, 7).await.expect("ends"));
        assert!(second.end(handle(1), reason, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(1), NOW).await;
        assert!(!watcher.has_seen(handle(0)), "the other table has a channel of its own");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn hostile_names_are_rejected_before_anything_is_sent() {
    block_on(async {
        let url = server().url("postgres");
        for name in ["", "a\"; DROP SCHEMA public CASCADE; --", "a.b", "'", "a\0b", "sessions-2", "{schema}"]
        {
            let store = PostgresOptions::new().with_schema(name).connect(&url).await;
            assert_eq!(kind(store), OpenErrorKind::InvalidName, "schema {name:?}");
            let store = own_table().with_table(name).connect(&url).await;
            assert_eq!(kind(store), OpenErrorKind::InvalidName, "table {name:?}");
        }
        for keyword in ["select", "TABLE", "user"] {
            own_table().with_table(keyword).connect(&url).await.expect("a keyword is a name like any other");
        }
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_of_another_application_is_left_alone() {
    block_on(async {
        let schema = unique("foreign");
        let client = server().client("postgres").await;
        let create = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.sessions (id integer)");
        client.batch_execute(&create).await.expect("creates");
        let store = PostgresOptions::new().with_schema(&schema).connect(&server().url("postgres")).await;
        assert_eq!(kind(store), OpenErrorKind::Foreign);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_of_a_newer_version_is_left_alone() {
    block_on(async {
        let (schema, url) = (unique("newer"), server().url("postgres"));
        PostgresOptions::new().with_schema(&schema).connect(&url).await.expect("opens");
        let client = server().client("postgres").await;
        let update =
            format!("UPDATE {schema}.sessions_version SET version = version + 1, oldest = version + 1");
        client.batch_execute(&update).await.expect("updates");
        assert_eq!(
            kind(PostgresOptions::new().with_schema(&schema).connect(&url).await),
            OpenErrorKind::Newer
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_that_is_there_needs_no_right_to_change_the_schema() {
    block_on(async {
        let (schema, role) = (unique("rights"), unique("app"));
        PostgresOptions::new().with_schema(&schema).connect(&server().url("postgres")).await.expect("opens");
        let client = server().client("postgres").await;
        let grant = format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.sessions TO {role}; \
             GRANT SELECT ON {schema}.sessions_version TO {role}"
        );
        client.batch_execute(&grant).await.expect("grants");
        let url = server().url("postgres").replace("postgres@", &format!("{role}@"));
        let store = PostgresOptions::new().with_schema(&schema).connect(&url).await.expect("opens");
        store.create(&row(0)).await.expect("creates");
        assert_eq!(store.load(handle(0)).await.expect("loads"), Some(row(0)));
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_database_that_would_break_the_laws_is_rejected() {
    block_on(async {
        server().create_database("latin", "ENCODING 'LATIN1' TEMPLATE template0").await;
        let store = PostgresStore::connect(&server().url("latin")).await;
        assert_eq!(kind(store), OpenErrorKind::Unsuitable);

        server().create_database("serializable", "").await;
        let alter = "ALTER DATABASE serializable SET default_transaction_isolation = 'serializable'";
        server().client("postgres").await.batch_execute(alter).await.expect("alters");
        let store = PostgresStore::connect(&server().url("serializable")).await;
        assert_eq!(kind(store), OpenErrorKind::Unsuitable);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_store_on_a_pool_has_a_feed_where_it_can_connect_for_it() {
    block_on(async {
        let config: Config = server().url("postgres").parse().expect("a URL");
        let pool = Pool::builder(Manager::new(config.clone(), NoTls)).max_size(2).build().expect("a pool");
        let schema = unique("pool");
        let options = || PostgresOptions::new().with_schema(&schema);
        let without_feed = options().connect_pool(pool.clone()).await.expect("opens");
        let with_feed = options().with_feed(config, NoTls).connect_pool(pool).await.expect("opens");

        without_feed.create(&row(0)).await.expect("creates");
        let watcher = Watcher::start(&with_feed, NOW).await;
        assert!(without_feed.end(handle(0), EndReason::Logout, NOW, 7).await.expect("ends"));
        watcher.until_reported(handle(0), NOW).await;

        assert_eq!(
            without_feed.watch_feed(NOW, &Ignore).await.unwrap_err().kind(),
            StoreErrorKind::Unsupported
        );
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_server_that_is_not_there_is_an_error_soon() {
    block_on(async {
        let opening = PostgresStore::connect("postgresql://postgres@127.0.0.1:1/postgres");
        let store = timeout(Duration::from_secs(10), opening).await.expect("it fails soon");
        assert_eq!(kind(store), OpenErrorKind::Unavailable);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn the_longest_time_limit_is_one_as_well() {
    block_on(async {
        let options = own_table().with_timeout(Duration::MAX);
        let store = options.connect(&server().url("postgres")).await.expect("opens");
        store.create(&row(0)).await.expect("creates");
        Watcher::start(&store, NOW).await;
    });
}
