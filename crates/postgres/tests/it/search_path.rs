//! Other roles' schemas in the search path.

use tokio::{sync::OnceCell, task::JoinSet};
use tower_refresh_core::{EndReason, SessionStore, conformance_tests};
use tower_refresh_postgres::{PostgresOptions, PostgresStore};

use crate::support::{NOW, block_on, handle, rotated, row, server, watcher::Watcher};

/// What a role with nothing but CREATE on a schema can put there: each function, operator, relation and type that it can create
/// under a name of PostgreSQL's own, with the same arguments. The functions and operators fail when they are called. The
/// schema comes first in everybody's search path, before PostgreSQL's own.
const TRAPS: &str = r"
    CREATE ROLE mallory;
    CREATE SCHEMA traps;
    GRANT CREATE, USAGE ON SCHEMA traps TO PUBLIC;
    SET SESSION AUTHORIZATION mallory;
    DO $do$
    DECLARE
        it record;
        body text := $$ LANGUAGE plpgsql AS 'BEGIN RAISE ''trapped''; END' $$;
    BEGIN
        FOR it IN SELECT oid, oprname, oprleft::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result
            FROM pg_operator WHERE oprleft <> 0 AND oprright <> 0 LOOP
            BEGIN
                EXECUTE format('CREATE FUNCTION traps.operator_%s(%s, %s) RETURNS %s', it.oid, it.l, it.r, it.result) || body;
                EXECUTE format('CREATE OPERATOR traps.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = traps.operator_%s)',
                    it.oprname, it.l, it.r, it.oid);
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
        FOR it IN SELECT proname, pg_get_function_identity_arguments(oid) AS arguments,
            pg_get_function_result(oid) AS result FROM pg_proc WHERE prokind = 'f' LOOP
            BEGIN
                EXECUTE format('CREATE FUNCTION traps.%I(%s) RETURNS %s', it.proname, it.arguments, it.result) || body;
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
        FOR it IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') AND relnamespace = 'pg_catalog'::regnamespace LOOP
            EXECUTE format('CREATE TABLE traps.%I ()', it.relname);
        END LOOP;
        FOR it IN SELECT unnest(ARRAY['text', 'bytea', 'int8', 'int4', 'bool', 'name', 'oid', 'regclass']) AS typname LOOP
            EXECUTE format('CREATE DOMAIN traps.%I AS pg_catalog.point', it.typname);
        END LOOP;
    END $do$;
    RESET SESSION AUTHORIZATION;
    ALTER DATABASE traps SET search_path = traps, pg_catalog;";

/// A store whose role owns nothing. Its table was created by the owner of the database, also with that search path.
async fn store() -> PostgresStore {
    static STORE: OnceCell<PostgresStore> = OnceCell::const_new();
    let open = async || {
        server().create_database("traps", "").await;
        server().client("traps").await.batch_execute(TRAPS).await.expect("creates");
        let url = server().url("traps");
        PostgresStore::connect(&url).await.expect("creates the table");
        let grant = "CREATE ROLE trapped LOGIN; GRANT USAGE ON SCHEMA tower_refresh TO trapped; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON tower_refresh.sessions TO trapped; \
             GRANT SELECT ON tower_refresh.sessions_version TO trapped";
        server().client("traps").await.batch_execute(grant).await.expect("grants");
        let options = PostgresOptions::new().with_lossy_rotations();
        options.connect(&url.replace("postgres@", "trapped@")).await.expect("opens")
    };
    STORE.get_or_init(open).await.clone()
}

mod a_store_among_traps {
    use super::{block_on, conformance_tests, store};

    conformance_tests! {
        #[ignore = "needs PostgreSQL"]
        store: store(),
        block_on: block_on,
    }
}

#[test]
#[ignore = "needs PostgreSQL"]
fn the_traps_are_set() {
    block_on(async {
        store().await;
        let client = server().client("traps").await;
        for unqualified in [
            "SELECT ended_at / 2 FROM (VALUES (1::bigint)) AS v(ended_at)",
            "SELECT pg_notify('channel', 'payload')",
            "SELECT FROM (VALUES ('a'::pg_catalog.bytea)) AS v(handle) WHERE handle = handle",
            "SELECT 'a'::pg_catalog.bytea IS DISTINCT FROM 'b'::pg_catalog.bytea",
        ] {
            let error = client.batch_execute(unqualified).await.expect_err(unqualified);
            assert!(
                error.as_db_error().is_some_and(|error| error.message() == "trapped"),
                "{unqualified}: {error:?}"
            );
        }
        client.batch_execute("SELECT 1::text").await.expect_err("a type is trapped");
        client.batch_execute("SELECT oid FROM pg_class").await.expect_err("a table is trapped");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn functions_and_operators_of_other_roles_are_not_called() {
    block_on(async {
        let store = store().await;
        let watcher = Watcher::start(&store, NOW).await;
        let number = |number| 1_000_000 + number;
        for index in 0..4 {
            store.create(&row(number(index))).await.expect("creates");
        }
        // At once, so that they share statements.
        let mut tasks = JoinSet::new();
        for index in 0..64 {
            let store = store.clone();
            tasks.spawn(async move {
                let found = store.load(handle(number(index % 4))).await.expect("loads").expect("is there");
                // Each write has a version of its own, or a swap that was prepared earlier would undo a later write.
                store.compare_and_swap(&rotated(&found), 1000 + index).await.expect("swaps");
                store
                    .outdate_claims(handle(number(2 + index % 2)), NOW, 2000 + index)
                    .await
                    .expect("outdates");
                store.end(handle(number(index % 2)), EndReason::Revoked, NOW, index).await.expect("ends");
            });
        }
        tasks.join_all().await;
        for index in 0..2 {
            watcher.until_reported(handle(number(index)), NOW).await;
            watcher.until_outdated(handle(number(2 + index)), 32).await;
        }
        Watcher::start(&store, NOW).await.until_outdated(handle(number(2)), 32).await;
        let alice = "alice".into();
        let ended = store.end_subject(&alice, None, EndReason::Revoked, NOW, 9).await.expect("ends");
        assert_eq!(ended.len(), 2);
        store.purge_dead(NOW).await.expect("purges");
    });
}
