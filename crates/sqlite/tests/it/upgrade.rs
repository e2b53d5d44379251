//! Files of other versions: the first schema with live sessions, and one that a later version has added to.

use std::{
    path::Path,
    pin::pin,
    sync::Mutex,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use futures_executor::block_on;
use tower_refresh_core::{
    EndReason, Ended, FeedWatcher, Page, SessionBinding, SessionHandle, SessionMeta, SessionRow,
    SessionStore, Timestamp,
};
use tower_refresh_sqlite::SqliteOptions;

use crate::support::{DAY, NOW, handle, open, pragma, row, sqlite, temporary};

/// `migrations/1.sql` as released first.
const FIRST_SCHEMA: &str = include_str!("schema_1.sql");

/// A file with the first schema, and three sessions as its version wrote them: as at the login, refreshed, ended.
fn first_file(path: &Path) {
    let connection = sqlite(path);
    connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    connection.execute_batch(FIRST_SCHEMA).unwrap();
    connection.pragma_update(None, "application_id", 0x7472_5351).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
    let insert =
        "INSERT INTO sessions (handle, subject, generation, rotated_at, confirmed, late_budget, created_at,
           idle_expiry, absolute_expiry, version, user_agent, ip, label, data, look_at)
         VALUES (?1, 'alice', ?2, ?3, ?4, 0, ?5, ?6, ?7, ?8, 'Firefox', '192.0.2.1', 'phone', x'00ff', ?6)";
    let login = NOW.as_millis() as i64;
    let (day, idle, absolute) = (86_400_000, login + 7 * 86_400_000, login + 30 * 86_400_000);
    let mut insert = connection.prepare(insert).unwrap();
    for (number, generation, rotated_at, confirmed, version) in
        [(0, 0, login, false, 0), (1, 9, login + day, true, 14), (2, 1, login, false, 2)]
    {
        let handle = handle(number);
        let moved = idle + rotated_at - login;
        insert
            .execute((handle.as_bytes(), generation, rotated_at, confirmed, login, moved, absolute, version))
            .unwrap();
    }
    let end = "UPDATE sessions SET ended_reason = 'reuse', ended_at = ?1, version = 3 WHERE handle = ?2";
    connection.execute(end, (login + 5, handle(2).as_bytes())).unwrap();
}

/// The row of [`first_file`] as it is read now.
fn first_row(number: u64) -> SessionRow {
    let mut expected = row(number);
    expected.meta = SessionMeta::default();
    expected.meta.user_agent = Some("Firefox".into());
    expected.meta.ip = Some([192, 0, 2, 1].into());
    expected.meta.label = Some("phone".into());
    expected.data = vec![0, 255];
    expected.authenticated_at = NOW;
    expected.idle = None;
    match number {
        1 => {
            (expected.generation, expected.confirmed, expected.version) = (9, true, 14);
            expected.rotated_at = NOW.saturating_add(DAY);
            expected.idle_expiry = expected.idle_expiry.saturating_add(DAY);
        }
        2 => {
            (expected.generation, expected.version) = (1, 3);
            expected.ended = Some(Ended::new(EndReason::Reuse, Timestamp::from_millis(NOW.as_millis() + 5)));
        }
        _ => {}
    }
    expected
}

#[test]
fn a_file_of_the_first_version_opens_with_its_live_and_ended_sessions() {
    let (_folder, path) = temporary();
    first_file(&path);
    block_on(async {
        let store = open(&path).await;
        for number in 0..3 {
            assert_eq!(store.load(handle(number)).await.unwrap(), Some(first_row(number)));
        }
        let mut live = [first_row(0), first_row(1)];
        live.reverse();
        assert_eq!(store.list(&"alice".into(), NOW, Page::first(10)).await.unwrap(), live);

        let mut next = first_row(1);
        next.generation = 10;
        next.claims_epoch = 1;
        next.binding = Some(SessionBinding::from_bytes(*b"key"));
        next.data = b"changed".to_vec();
        assert!(store.compare_and_swap(&next, 0x7fff_ffff_ffff_fff0).await.unwrap());
        next.version = 0x7fff_ffff_ffff_fff0;
        assert!(store.end(handle(0), EndReason::Logout, NOW, 4).await.unwrap());
        store.create(&row(3)).await.unwrap();
        drop(store);

        let store = open(&path).await;
        assert_eq!(store.load(handle(1)).await.unwrap(), Some(next));
        assert_eq!(store.load(handle(0)).await.unwrap().unwrap().ended.unwrap().reason, EndReason::Logout);
        assert_eq!(store.load(handle(3)).await.unwrap(), Some(row(3)));
        let ends = ends(&store).await;
        assert_eq!(ends.len(), 2, "the feed has the session ends of both versions");
        assert_eq!(store.purge_dead(NOW.saturating_add(DAY * 400)).await.unwrap(), 4);
    });
}

#[test]
#[ignore = "takes some seconds"]
fn a_file_of_the_first_version_with_200_000_sessions_is_migrated() {
    const SESSIONS: i64 = 200_000;
    let (_folder, path) = temporary();
    first_file(&path);
    sqlite(&path)
        .execute_batch(&format!(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {SESSIONS})
             INSERT INTO sessions (handle, subject, generation, rotated_at, confirmed, late_budget, created_at,
                 idle_expiry, absolute_expiry, version, user_agent, data, look_at)
             SELECT randomblob(16), 'user' || n % 100000, 0, {now}, 0, 0, {now} + n, {expiry}, {expiry}, 0,
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', x'', {expiry} FROM numbers",
            now = NOW.as_millis(),
            expiry = row(0).idle_expiry.as_millis()
        ))
        .unwrap();
    let started = Instant::now();
    let store = block_on(open(&path));
    println!("migration of {SESSIONS} sessions: {:?}", started.elapsed());
    assert_eq!(block_on(store.load(handle(1))).unwrap(), Some(first_row(1)));
}

#[test]
fn a_process_waits_longer_for_a_migration_than_for_a_write() {
    let (_folder, path) = temporary();
    first_file(&path);
    let mut migrating = sqlite(&path);
    let lock = migrating.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let options = SqliteOptions::new().with_lock_timeout(Duration::ZERO);
    thread::scope(|scope| {
        let opening = scope.spawn(|| block_on(options.open(&path)).unwrap());
        // Long enough for a store that does not wait to fail.
        thread::sleep(Duration::from_millis(200));
        assert!(!opening.is_finished(), "it waits");
        drop(lock);
        let store = opening.join().unwrap();
        assert_eq!(block_on(store.load(handle(1))).unwrap(), Some(first_row(1)));
    });
}

#[test]
fn a_file_that_needs_no_migration_opens_although_another_process_is_writing() {
    let (_folder, path) = temporary();
    drop(block_on(open(&path)));
    let mut writing = sqlite(&path);
    let lock = writing.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let store = block_on(SqliteOptions::new().with_lock_timeout(Duration::ZERO).open(&path)).unwrap();
    assert_eq!(block_on(store.load(handle(0))).unwrap(), None);
    drop(lock);
}

#[test]
fn an_upgraded_file_has_the_schema_of_a_new_one() {
    let (folder, new) = temporary();
    let upgraded = folder.path().join("upgraded.db");
    first_file(&upgraded);
    drop((block_on(open(&new)), block_on(open(&upgraded))));
    let schema = |path: &Path| {
        let connection = sqlite(path);
        let mut statement = connection.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
        let sql = statement.query_map([], |columns| columns.get::<_, Option<String>>(0)).unwrap();
        (sql.map(Result::unwrap).collect::<Vec<_>>(), pragma::<i64>(&connection, "user_version"))
    };
    assert_eq!(schema(&upgraded), schema(&new));
}

/// What a later version may do to a file without excluding this one: columns and tables of its own, reasons and notices that
/// are unknown here.
fn add_to(path: &Path) {
    sqlite(path)
        .execute_batch(
            "ALTER TABLE sessions ADD COLUMN color TEXT NOT NULL DEFAULT 'blue';
             UPDATE sessions SET color = 'green';
             CREATE TABLE colors (name TEXT) STRICT;
             UPDATE sessions SET ended_reason = 'boredom', ended_at = 7 WHERE handle = x'00000000000000000000000000000002';
             ALTER TABLE ends ADD COLUMN color TEXT;
             INSERT INTO ends (handle, at, kind) VALUES (x'0101', 4102444800000, 2);
             PRAGMA user_version = 1000",
        )
        .unwrap();
}

#[test]
fn a_file_to_which_a_later_version_has_added_is_used_and_its_additions_are_kept() {
    let (_folder, path) = temporary();
    block_on(async {
        let running = open(&path).await;
        for number in 0..3 {
            running.create(&row(number)).await.unwrap();
        }
        add_to(&path);
        let started = open(&path).await;
        for store in [running, started] {
            let mut next = store.load(handle(0)).await.unwrap().unwrap();
            next.generation += 1;
            assert!(store.compare_and_swap(&next, u64::from(next.generation)).await.unwrap());
            let ended = store.load(handle(2)).await.unwrap().unwrap().ended;
            assert_eq!(
                ended,
                Some(Ended::new(EndReason::Revoked, Timestamp::from_millis(7))),
                "it has ended"
            );
            let before = ends(&store).await;
            assert!(
                before.iter().all(|(_, at)| *at < Timestamp::from_secs(4_102_444_800)),
                "it is passed over"
            );
            let number = u64::from(next.generation) + 10;
            store.create(&row(number)).await.unwrap();
            assert!(store.end(handle(number), EndReason::Logout, NOW, 1).await.unwrap());
            assert_eq!(ends(&store).await.len(), before.len() + 1);
        }
        let color = "SELECT color FROM sessions WHERE handle = x'00000000000000000000000000000000'";
        let color: String = sqlite(&path).query_row(color, [], |columns| columns.get(0)).unwrap();
        assert_eq!(color, "green", "a swap keeps the column of a later version");
        assert_eq!(pragma::<i64>(&sqlite(&path), "user_version"), 1_000, "the file is not migrated back");
    });
}

#[test]
fn a_watcher_passes_over_new_notices_of_unknown_kinds() {
    let (_folder, path) = temporary();
    block_on(async {
        let store = open(&path).await;
        store.create(&row(0)).await.unwrap();
        let recorder = Recorder::default();
        let mut watching = pin!(store.watch_feed(NOW, &recorder));
        let mut step = 0;
        std::future::poll_fn(|context| {
            assert!(watching.as_mut().poll(context).is_pending(), "the feed is still open");
            let (ends, caught_up, _) = recorder.0.lock().unwrap().clone();
            if step == 0 && caught_up {
                step = 1;
                let unknown = "INSERT INTO ends (handle, at, kind) VALUES (x'05', 4102444800000, 9)";
                sqlite(&path).execute_batch(unknown).unwrap();
                assert!(block_on_other(store.end(handle(0), EndReason::Logout, NOW, 1)));
            }
            if ends == [(handle(0), NOW)] { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        assert_eq!(recorder.0.lock().unwrap().2, 1, "the unknown notice is reported");
    });
}

/// Waits in this thread, as the executor is busy.
fn block_on_other(ending: impl Future<Output = Result<bool, tower_refresh_core::StoreError>>) -> bool {
    let mut ending = pin!(ending);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let Poll::Ready(ended) = ending.as_mut().poll(&mut context) {
            return ended.unwrap();
        }
        std::thread::yield_now();
    }
}

#[derive(Default)]
struct Recorder(Mutex<Reports>);

/// The session ends, whether the feed has caught up, and the number of unknown notices.
type Reports = (Vec<(SessionHandle, Timestamp)>, bool, usize);

impl FeedWatcher for Recorder {
    fn ended(&self, session: SessionHandle, at: Timestamp) {
        self.0.lock().unwrap().0.push((session, at));
    }

    fn outdated(&self, _session: SessionHandle, _epoch: u32) {}

    fn caught_up(&self) {
        self.0.lock().unwrap().1 = true;
    }

    fn unknown_notice(&self) {
        self.0.lock().unwrap().2 += 1;
    }
}

/// All session ends in the feed.
async fn ends(store: &impl SessionStore) -> Vec<(SessionHandle, Timestamp)> {
    let recorder = Recorder::default();
    let mut watching = pin!(store.watch_feed(Timestamp::default(), &recorder));
    std::future::poll_fn(|context| {
        assert!(watching.as_mut().poll(context).is_pending(), "the feed is still open");
        if recorder.0.lock().unwrap().1 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    recorder.0.lock().unwrap().0.clone()
}
