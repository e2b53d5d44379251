//! Files: new, old, newer, foreign, corrupted, inaccessible.

use std::{error::Error, fs, path::Path, thread};

use futures_executor::block_on;
use tower_refresh_core::{EndReason, Page, SessionStore, StoreErrorKind, Timestamp};
use tower_refresh_sqlite::{OpenError, OpenErrorKind, SqliteOptions, SqliteStore};

use crate::support::{NOW, handle, open, pragma, row, sqlite, temporary};

fn open_error(path: &Path) -> OpenError {
    block_on(SqliteStore::open(path)).expect_err("the file is rejected")
}

#[test]
fn a_file_opened_again_has_every_session() {
    let (folder, path) = temporary();
    block_on(async {
        let store = open(&path).await;
        for number in 0..100 {
            store.create(&row(number)).await.unwrap();
        }
        let mut next = row(1);
        next.generation = 1;
        assert!(store.compare_and_swap(&next, next.version + 1).await.unwrap());
        assert!(store.end(handle(2), EndReason::Reuse, NOW, 7).await.unwrap());
        drop(store);
        assert!(!folder.path().join("sessions.db-wal").exists(), "closing leaves one file");

        let store = open(&path).await;
        assert_eq!(store.load(handle(1)).await.unwrap().unwrap().generation, 1);
        assert_eq!(store.load(handle(2)).await.unwrap().unwrap().ended.unwrap().reason, EndReason::Reuse);
        assert_eq!(store.list(&"alice".into(), NOW, Page::first(10_000)).await.unwrap().len(), 99);
    });
}

#[test]
fn dropping_the_store_waits_for_writes_whose_futures_were_dropped() {
    let (_folder, path) = temporary();
    let store = block_on(open(&path));
    for number in 0..200 {
        let row = row(number);
        let mut create = Box::pin(store.create(&row));
        let polled = create.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        drop((polled, create));
    }
    drop(store);
    let count = "SELECT count(*) FROM sessions";
    let rows: i64 = sqlite(&path).query_row(count, [], |columns| columns.get(0)).unwrap();
    assert_eq!(rows, 200);
}

#[test]
fn many_threads_open_a_new_file_at_once() {
    for _ in 0..10 {
        let (_folder, path) = temporary();
        thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    block_on(async { open(path).await.create(&row(number)).await.unwrap() });
                });
            }
        });
        let store = block_on(open(&path));
        assert_eq!(block_on(store.list(&"alice".into(), NOW, Page::first(10_000))).unwrap().len(), 8);
    }
}

#[test]
fn a_new_file_has_the_newest_schema_and_opening_again_changes_nothing() {
    let (_folder, path) = temporary();
    let schema = || {
        let connection = sqlite(&path);
        let mut statement = connection.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
        let sql = statement.query_map([], |columns| columns.get::<_, Option<String>>(0)).unwrap();
        let sql: Vec<_> = sql.map(Result::unwrap).collect();
        (sql, pragma::<i64>(&connection, "user_version"), pragma::<i64>(&connection, "schema_version"))
    };
    drop(block_on(open(&path)));
    let new = schema();
    assert_eq!(new.1, 2);
    drop(block_on(open(&path)));
    assert_eq!(schema(), new);
}

#[test]
fn a_file_of_a_newer_version_is_rejected() {
    let (_folder, path) = temporary();
    drop(block_on(open(&path)));
    sqlite(&path).pragma_update(None, "user_version", 1_000).unwrap();
    sqlite(&path).execute_batch("UPDATE compatibility SET oldest = 3").unwrap();
    let error = open_error(&path);
    assert_eq!(error.kind(), OpenErrorKind::Newer);
    assert_eq!(error.to_string(), "the session file was written by a newer version of tower-refresh-sqlite");
    assert_eq!(pragma::<i64>(&sqlite(&path), "user_version"), 1_000, "the file is unchanged");
}

#[test]
fn the_database_of_another_application_is_rejected_and_unchanged() {
    let (_folder, path) = temporary();
    sqlite(&path).execute_batch("CREATE TABLE sessions (id)").unwrap();
    assert_eq!(open_error(&path).kind(), OpenErrorKind::Foreign);
    assert_eq!(pragma::<i64>(&sqlite(&path), "application_id"), 0);
}

#[test]
fn a_file_that_is_not_a_database_is_rejected() {
    let (_folder, path) = temporary();
    fs::write(&path, "not a database, but longer than the header of one".repeat(9)).unwrap();
    let error = open_error(&path);
    assert_eq!(error.kind(), OpenErrorKind::Corrupt);
    assert!(error.source().is_some());
}

#[test]
fn a_file_that_cannot_be_created_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing/sessions.db")] {
        let error = open_error(&path);
        assert_eq!(error.kind(), OpenErrorKind::Unavailable, "{path:?}");
        assert!(error.source().is_some());
    }
}

#[test]
fn a_file_is_opened_by_its_url_and_created_unless_the_url_forbids_it() {
    let (_folder, path) = temporary();
    let url = format!("sqlite://{}", path.display());
    let missing = block_on(SqliteStore::open(format!("{url}?mode=rw"))).expect_err("there is no file");
    assert_eq!(missing.kind(), OpenErrorKind::Unavailable);
    assert!(!path.exists());

    block_on(async { open(&url).await.create(&row(0)).await.unwrap() });

    let store = block_on(open(format!("{url}?mode=rw")));
    assert_eq!(block_on(store.load(handle(0))).unwrap(), Some(row(0)));
    assert_eq!(block_on(block_on(open(&path)).load(handle(0))).unwrap(), Some(row(0)), "it is the same file");
}

#[test]
fn a_database_in_memory_is_rejected_and_creates_no_file() {
    for name in [":memory:", "sqlite::memory:"] {
        let error = open_error(Path::new(name));
        assert_eq!(error.kind(), OpenErrorKind::InMemory);
        assert!(error.to_string().contains("MemoryStore"), "{error}");
        assert!(!Path::new(name).exists());
    }
    let error = open_error(Path::new("sqlite:sessions.db?mode=ro"));
    assert_eq!(error.kind(), OpenErrorKind::InvalidPath);
    assert!(error.source().unwrap().to_string().contains("mode=ro"));
}

#[cfg(unix)]
#[test]
fn a_new_file_and_its_log_are_private() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, path) = temporary();
    let store = block_on(open(&path));
    block_on(store.create(&row(0))).unwrap();
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "the file, its log and the index of the log");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn an_invalid_row_is_corrupt_and_others_are_not() {
    let (_folder, path) = temporary();
    block_on(async {
        let store = open(&path).await;
        store.create(&row(0)).await.unwrap();
        store.create(&row(1)).await.unwrap();
        for damage in [
            "ended_reason = 'logout'",
            "ended_at = 0",
            "version = -1",
            "ip = '::g'",
            "idle = -1",
            "claims_epoch = 4294967296",
        ] {
            let damage = format!("UPDATE sessions SET {damage} WHERE id = 1");
            sqlite(&path).execute_batch(&damage).unwrap();
            let error = store.load(handle(0)).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
            assert!(error.source().is_some());
            assert_eq!(store.load(handle(1)).await.unwrap(), Some(row(1)));
            let repair = "UPDATE sessions SET ended_reason = NULL, ended_at = NULL, version = 0, ip = NULL, idle = 604800000,
                 claims_epoch = 0";
            sqlite(&path).execute_batch(repair).unwrap();
            assert_eq!(store.load(handle(0)).await.unwrap(), Some(row(0)));
        }
    });
}

#[test]
fn numbers_beyond_a_signed_column_are_errors_and_never_wrap() {
    let (_folder, path) = temporary();
    block_on(async {
        let store = open(&path).await;
        let mut largest = row(0);
        largest.version = i64::MAX as u64;
        store.create(&largest).await.unwrap();
        let mut beyond = row(1);
        beyond.version = largest.version + 1;
        assert_eq!(store.create(&beyond).await.unwrap_err().kind(), StoreErrorKind::Unavailable);
        store.compare_and_swap(&largest, largest.version + 1).await.unwrap_err();
        store.compare_and_swap(&beyond, beyond.version + 1).await.unwrap_err();
        let beyond = Timestamp::from_millis(u64::MAX);
        store.end(handle(0), EndReason::Logout, beyond, 7).await.unwrap_err();
        store.purge_dead(beyond).await.unwrap_err();
        store.list(&"alice".into(), beyond, Page::first(10_000)).await.unwrap_err();
        assert_eq!(store.load(handle(0)).await.unwrap(), Some(largest), "nothing has changed");
        assert_eq!(store.load(handle(1)).await.unwrap(), None);
    });
}

#[test]
fn a_store_without_full_durability_keeps_its_sessions() {
    let (_folder, path) = temporary();
    block_on(async {
        let store = SqliteOptions::new().with_writes_lost_on_power_failure().open(&path).await.unwrap();
        store.create(&row(0)).await.unwrap();
        drop(store);
        assert_eq!(open(&path).await.load(handle(0)).await.unwrap(), Some(row(0)));
    });
}
