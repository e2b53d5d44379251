//! Tables of other versions: the first one with live sessions, and one that a later version has added to.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_refresh_core::{
    EndReason, Ended, Page, SessionBinding, SessionHandle, SessionRow, SessionStore, Timestamp,
};
use tower_refresh_postgres::{OpenErrorKind, PostgresOptions, PostgresStore};

use crate::support::{DAY, NOW, block_on, handle, open, rotated, row, server, unique, watcher::Watcher};

/// `migrations/1.sql` as released first.
const FIRST: &str = include_str!("schema_1.sql");

/// A table of the first version, and three sessions as its servers wrote them: as at the login, refreshed, ended.
async fn first_table(schema: &str) {
    let client = server().client("postgres").await;
    let script = FIRST.replace("{schema}", schema).replace("{table}", "sessions");
    let create = format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.sessions_version (version integer NOT NULL);
         INSERT INTO {schema}.sessions_version (version) VALUES (1); {script}"
    );
    client.batch_execute(&create).await.expect("creates");
    let insert = format!(
        "INSERT INTO {schema}.sessions (handle, subject, generation, rotated_at, confirmed, late_budget, created_at,
             idle_expiry, absolute_expiry, ended_reason, ended_at, version, user_agent, ip, label, data, death_hour)
         VALUES ($1, 'alice', $2, $3, $4, 0, $5, $6, $7, $8, $9, $10, 'Firefox', '192.0.2.1', 'phone', $11, $12)"
    );
    for number in 0..3 {
        let row = first_row(number);
        let millis = |at: Timestamp| i64::try_from(at.as_millis()).expect("is in range");
        client
            .execute(
                &insert,
                &[
                    &row.handle.as_bytes().as_slice(),
                    &i64::from(row.generation),
                    &millis(row.rotated_at),
                    &row.confirmed,
                    &millis(row.created_at),
                    &millis(row.idle_expiry),
                    &millis(row.absolute_expiry),
                    &row.ended.map(|ended| ended.reason.as_str()),
                    &row.ended.map(|ended| millis(ended.at)),
                    &i64::try_from(row.version).expect("is in range"),
                    &row.data,
                    &(millis(row.dead_since()) / 3_600_000),
                ],
            )
            .await
            .expect("inserts");
    }
}

/// A row of [`first_table`] as it is read now.
fn first_row(number: u64) -> SessionRow {
    let mut expected = row(number);
    expected.idle_expiry = NOW.saturating_add(DAY * 7);
    expected.meta.user_agent = Some("Firefox".into());
    expected.meta.ip = Some([192, 0, 2, 1].into());
    expected.meta.label = Some("phone".into());
    expected.data = vec![0, 255];
    expected.idle = None;
    match number {
        1 => {
            (expected.generation, expected.confirmed, expected.version) = (9, true, 14);
            expected.rotated_at = NOW.saturating_add(DAY);
            expected.idle_expiry = NOW.saturating_add(DAY * 8);
        }
        2 => {
            expected.version = 3;
            expected.ended = Some(Ended::new(EndReason::Reuse, NOW.saturating_add(DAY)));
        }
        _ => {}
    }
    expected
}

async fn connect(schema: &str) -> PostgresStore {
    PostgresOptions::new().with_schema(schema).connect(&server().url("postgres")).await.expect("opens")
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_of_the_first_version_opens_with_its_live_and_ended_sessions() {
    block_on(async {
        let schema = unique("first");
        first_table(&schema).await;
        let store = connect(&schema).await;
        for number in 0..3 {
            assert_eq!(store.load(handle(number)).await.expect("loads"), Some(first_row(number)));
        }
        let listed = store.list(&"alice".into(), NOW, Page::first(10)).await.expect("lists");
        assert_eq!(listed, [first_row(1), first_row(0)]);

        let mut next = first_row(1);
        next.generation = 10;
        next.claims_epoch = 1;
        next.binding = Some(SessionBinding::from_bytes(*b"key"));
        next.data = b"changed".to_vec();
        assert!(store.compare_and_swap(&next, 0x7fff_ffff_ffff_fff0).await.expect("swaps"));
        next.version = 0x7fff_ffff_ffff_fff0;
        assert!(store.end(handle(0), EndReason::Logout, NOW, 4).await.expect("ends"));
        store.create(&row(3)).await.expect("creates");

        let store = connect(&schema).await;
        assert_eq!(store.load(handle(1)).await.expect("loads"), Some(next));
        assert_eq!(store.load(handle(3)).await.expect("loads"), Some(row(3)));
        let watcher = Watcher::start(&store, NOW).await;
        watcher.until_reported(handle(0), NOW).await;
        watcher.until_reported(handle(2), NOW.saturating_add(DAY)).await;
        assert_eq!(store.purge_dead(NOW.saturating_add(DAY * 400)).await.expect("purges"), 4);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_table_to_which_a_later_version_has_added_is_used_and_its_additions_are_kept() {
    block_on(async {
        let schema = unique("later");
        let running = connect(&schema).await;
        for number in 0..3 {
            running.create(&row(number)).await.expect("creates");
        }
        let client = server().client("postgres").await;
        let add = format!(
            "ALTER TABLE {schema}.sessions ADD COLUMN color text NOT NULL DEFAULT 'blue';
             UPDATE {schema}.sessions SET color = 'green';
             UPDATE {schema}.sessions SET ended_reason = 'boredom', ended_at = 7
                 WHERE handle = decode('{third:032x}', 'hex');
             UPDATE {schema}.sessions_version SET version = 1000",
            third = u128::from_be_bytes(*handle(2).as_bytes())
        );
        client.batch_execute(&add).await.expect("adds");
        for store in [running, connect(&schema).await] {
            let stored = store.load(handle(0)).await.expect("loads").expect("is there");
            assert!(store.compare_and_swap(&rotated(&stored), stored.version + 1).await.expect("swaps"));
            let ended = store.load(handle(2)).await.expect("loads").expect("is there").ended;
            assert_eq!(ended, Some(Ended::new(EndReason::Revoked, Timestamp::from_millis(7))));
            store.create(&row(10 + stored.version)).await.expect("creates");
        }
        let colors = format!("SELECT color FROM {schema}.sessions WHERE generation = 2");
        let color: String = client.query_one(&colors, &[]).await.expect("is there").get(0);
        assert_eq!(color, "green", "a swap keeps the column of a later version");
    });
}

/// What servers of the second version do, on a connection that was open before the migration.
const SWAP_OF_THE_SECOND_VERSION: &str = "UPDATE {schema}.sessions AS s SET version = $2, generation = $3, rotated_at = $4, \
         confirmed = true, late_budget = 0, idle_expiry = $4, claims_epoch = $5, binding = NULL, data = '', \
         death_hour = least($4, s.absolute_expiry) / 3600000 \
     WHERE s.handle = $1 AND s.ended_at IS NULL RETURNING s.handle, s.version";

#[test]
#[ignore = "needs PostgreSQL"]
fn servers_of_the_second_version_go_on_with_a_table_that_a_new_one_migrates() {
    block_on(async {
        let schema = unique("second");
        let store = connect(&schema).await;
        for number in 0..2 {
            store.create(&row(number)).await.expect("creates");
        }
        let client = server().client("postgres").await;
        let back = format!(
            "ALTER TABLE {schema}.sessions DROP COLUMN claims_outdated_at; UPDATE {schema}.sessions_version SET version = 2"
        );
        client.batch_execute(&back).await.expect("is as the second version left it");
        let swap = SWAP_OF_THE_SECOND_VERSION.replace("{schema}", &schema);
        let swap = client.prepare(&swap).await.expect("prepares");
        let (id, later) = (*handle(0).as_bytes(), i64::try_from(NOW.as_millis()).expect("is in range"));
        let swap_to = async |version: i64, epoch: i64| {
            let values = client.query(&swap, &[&id.as_slice(), &version, &version, &later, &epoch]).await;
            values.expect("swaps").len()
        };
        assert_eq!(swap_to(1, 0).await, 1);

        let store = connect(&schema).await;
        let versions = format!("SELECT version, oldest FROM {schema}.sessions_version");
        let versions = client.query_one(&versions, &[]).await.expect("is there");
        assert_eq!(
            (versions.get(0), versions.get(1)),
            (3, 2),
            "servers of the second version can be started"
        );
        let loaded = store.load(handle(1)).await.expect("loads");
        assert_eq!(loaded, Some(row(1)), "the migration changes no row");
        let none = Watcher::start(&store, Timestamp::default()).await;
        assert_eq!(none.epochs(handle(1)), [], "no claims were outdated before");

        assert_eq!(store.outdate_claims(handle(0), NOW, 2).await.expect("outdates"), Some(1));
        assert_eq!(swap_to(3, 1).await, 1);
        Watcher::start(&store, NOW).await.until_outdated(handle(0), 1).await;
        assert_eq!(store.outdate_claims(handle(0), NOW, 4).await.expect("outdates"), Some(2));
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_watcher_passes_over_notices_of_unknown_kinds() {
    block_on(async {
        let database = unique("notices");
        server().create_database(&database, "").await;
        let store = PostgresStore::connect(&server().url(&database)).await.expect("opens");
        for number in 0..2 {
            store.create(&row(number)).await.expect("creates");
        }
        let watcher = Watcher::start(&store, NOW).await;
        let client = server().client(&database).await;
        let channel = store_channel();
        for payload in
            [format!("renamed {} 4", handle(0)), format!("{{\"stale\":\"{}\"}}", handle(0)), String::new()]
        {
            client.query("SELECT pg_notify($1, $2)", &[&channel, &payload]).await.expect("notifies");
        }
        assert!(store.end(handle(1), EndReason::Logout, NOW, 1).await.expect("ends"));
        watcher.until_reported(handle(1), NOW).await;
        assert!(!watcher.has_seen(handle(0)), "the other notices are passed over");
        assert_eq!(watcher.unknown_notices(), 3, "and reported");
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_migration_does_not_make_others_wait_behind_it_for_long() {
    block_on(async {
        let schema = unique("locked");
        first_table(&schema).await;
        let mut reader = server().client("postgres").await;
        let reading = reader.transaction().await.expect("begins");
        let read = format!("SELECT FROM {schema}.sessions");
        reading.batch_execute(&read).await.expect("reads");

        let other = server().client("postgres").await;
        let opening = async {
            let options = PostgresOptions::new().with_schema(&schema);
            options.connect(&server().url("postgres")).await.expect_err("the table is in use").kind()
        };
        let others = async {
            let mut longest = Duration::ZERO;
            for _ in 0..300 {
                let start = Instant::now();
                other.batch_execute(&read).await.expect("reads");
                longest = longest.max(start.elapsed());
                sleep(Duration::from_millis(10)).await;
            }
            longest
        };
        let (kind, longest) = tokio::join!(opening, others);
        assert_eq!(kind, OpenErrorKind::Locked);
        // It does wait, so the migration was in the way.
        assert!(longest > Duration::from_millis(300), "{longest:?}");
        assert!(
            longest < Duration::from_millis(1_900),
            "requests wait for two seconds, this took {longest:?}"
        );

        reading.commit().await.expect("commits");
        let store = connect(&schema).await;
        assert_eq!(store.load(handle(0)).await.expect("loads"), Some(first_row(0)), "nothing has changed");
    });
}

/// The channel of the default table, which is the same in every version.
fn store_channel() -> String {
    let bytes = ["tower_refresh", "sessions"].iter().flat_map(|text| text.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("tower_refresh_ends_{hash:016x}")
}

#[test]
#[ignore = "needs PostgreSQL"]
fn a_subject_with_200_000_sessions_is_listed_in_pages_and_ended_in_batches() {
    const SESSIONS: usize = 200_000;
    block_on(async {
        let schema = unique("robot");
        let options = PostgresOptions::new().with_schema(&schema);
        let store = options.connect(&server().url("postgres")).await.expect("opens");
        let (now, expiry) = (NOW.as_millis(), row(0).absolute_expiry.as_millis());
        let insert = format!(
            "INSERT INTO {schema}.sessions (handle, subject, generation, rotated_at, confirmed, late_budget,
                 created_at, idle_expiry, absolute_expiry, version, user_agent, data, death_hour)
             SELECT decode(md5(n::text), 'hex'), 'robot', 0, {now}, false, 0, {now} + n, {expiry}, {expiry}, 0,
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '', {expiry} / 3600000
             FROM generate_series(1, {SESSIONS}) AS n"
        );
        server().client("postgres").await.batch_execute(&insert).await.expect("inserts");
        let robot = "robot".into();

        let (start, mut longest) = (Instant::now(), 0);
        let mut page = store.list(&robot, NOW, Page::first(10_000)).await.expect("lists");
        let (mut listed, newest) = (page.len(), page[0].handle);
        while page.len() == 10_000 {
            let begun = Instant::now();
            page = store.list(&robot, NOW, Page::after(&page[9_999], 10_000)).await.expect("lists");
            listed += page.len();
            longest = longest.max(begun.elapsed().as_millis());
        }
        println!("list of {listed}: {:?}, the longest call {longest} ms", start.elapsed());
        assert_eq!(listed, SESSIONS);

        let (start, mut longest, mut ended) = (Instant::now(), 0, 0);
        loop {
            let begun = Instant::now();
            let some: Vec<SessionHandle> = store
                .end_subject(&robot, Some(newest), EndReason::Revoked, NOW, 5)
                .await
                .expect("no call takes longer than the store's time limit");
            longest = longest.max(begun.elapsed().as_millis());
            assert!(some.len() <= 1000, "{} in one call", some.len());
            ended += some.len();
            if some.is_empty() {
                break;
            }
        }
        println!("end_subject of {ended}: {:?}, the longest call {longest} ms", start.elapsed());
        assert_eq!(ended, SESSIONS - 1);
        let left = store.list(&robot, NOW, Page::first(10)).await.expect("lists");
        assert_eq!(left.iter().map(|row| row.handle).collect::<Vec<_>>(), [newest]);
    });
}

#[test]
#[ignore = "needs PostgreSQL"]
fn two_servers_end_the_sessions_of_one_subject_at_the_same_time() {
    const SESSIONS: u64 = 3_000;
    block_on(async {
        let store = open(server()).await;
        for number in 0..SESSIONS {
            store.create(&row(number)).await.expect("creates");
        }
        let alice = "alice".into();
        let end_all = async || {
            let mut all = Vec::new();
            loop {
                let end = store.end_subject(&alice, None, EndReason::Revoked, NOW, 5).await;
                match end.expect("no deadlock") {
                    some if some.is_empty() => break,
                    some => all.extend(some),
                }
            }
            let left = store.list(&alice, NOW, Page::first(1)).await.expect("lists");
            assert_eq!(left, [], "none is left once a call has ended none");
            all
        };
        let (first, second) = tokio::join!(end_all(), end_all());
        let mut all = [first, second].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len() as u64, SESSIONS, "each session was ended by one of them");
    });
}
