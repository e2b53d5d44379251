//! A crash between two writes neither loses nor revives a session.

use std::time::Duration;

use redis::{Commands, Connection};
use tower_refresh_core::{EndReason, Page, SessionRow, SessionStore, StoreErrorKind, Subject, Timestamp};
use tower_refresh_redis::RedisStore;

use crate::support::{NOW, Redis, follow, handle, row, with};

async fn start() -> (Redis, RedisStore, Connection) {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let raw = server.client().get_connection().unwrap();
    (server, store, raw)
}

/// What a login leaves behind if it fails after its first write.
fn add_to_index_only(raw: &mut Connection, row: &SessionRow) {
    let key = format!("tower-refresh:u:{}", row.subject);
    let _: () = raw.zadd(key, row.handle.as_bytes(), row.absolute_expiry.as_millis()).unwrap();
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_session_without_a_row_is_ignored() {
    let (_server, store, mut raw) = start().await;
    let (half, whole) = (row(1), row(2));
    add_to_index_only(&mut raw, &half);
    store.create(&whole).await.unwrap();

    assert_eq!(
        store.list(&half.subject, NOW, Page::first(10_000)).await.unwrap(),
        std::slice::from_ref(&whole)
    );
    assert_eq!(store.load(half.handle).await.unwrap(), None);
    assert!(!store.compare_and_swap(&half, half.version + 1).await.unwrap());
    assert!(!store.end(half.handle, EndReason::Logout, NOW, 7).await.unwrap());
    let ended = store.end_subject(&half.subject, None, EndReason::Revoked, NOW, 7).await.unwrap();
    assert_eq!(ended, [whole.handle]);
    assert_eq!(store.load(half.handle).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_login_that_pauses_between_its_writes_is_listed() {
    let (_server, store, mut raw) = start().await;
    let slow = row(1);
    store.create(&with(slow.clone(), |row| row.handle = handle(9))).await.unwrap();
    let value: Vec<u8> = raw.get(format!("tower-refresh:s:{}", handle(9))).unwrap();
    assert!(store.end(handle(9), EndReason::Logout, NOW, 7).await.unwrap());
    add_to_index_only(&mut raw, &slow);

    // These calls must not remove it as a leftover meanwhile.
    store.list(&slow.subject, NOW, Page::first(10_000)).await.unwrap();
    store.end_subject(&slow.subject, None, EndReason::Revoked, NOW, 7).await.unwrap();
    store.purge_dead(NOW).await.unwrap();
    let _: () = raw.set(format!("tower-refresh:s:{}", slow.handle), value).unwrap();

    assert_eq!(
        store.list(&slow.subject, NOW, Page::first(10_000)).await.unwrap(),
        std::slice::from_ref(&slow)
    );
    let ended = store.end_subject(&slow.subject, None, EndReason::Revoked, NOW, 7).await.unwrap();
    assert_eq!(ended, [slow.handle]);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn an_end_that_was_only_logged_is_not_reported() {
    let (_server, store, mut raw) = start().await;
    let (noted, ended) = (row(1), row(2));
    store.create(&noted).await.unwrap();
    store.create(&ended).await.unwrap();
    let at = NOW.as_millis().to_be_bytes();
    let fields = [("h", noted.handle.as_bytes().as_slice()), ("t", at.as_slice())];
    let _: String =
        redis::cmd("XADD").arg("tower-refresh:ends").arg("*").arg(&fields).query(&mut raw).unwrap();
    assert!(store.end(ended.handle, EndReason::Logout, NOW, 7).await.unwrap());

    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    assert!(seen.has_seen(ended.handle));
    assert!(!seen.has_seen(noted.handle));
    assert!(store.load(noted.handle).await.unwrap().unwrap().is_live(NOW));
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn an_end_whose_message_was_lost_is_reported_within_seconds() {
    let (_server, store, mut raw) = start().await;
    let row = row(1);
    store.create(&row).await.unwrap();
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;

    let at = NOW.as_millis().to_be_bytes();
    let fields = [("h", row.handle.as_bytes().as_slice()), ("t", at.as_slice())];
    let _: String =
        redis::cmd("XADD").arg("tower-refresh:ends").arg("*").arg(&fields).query(&mut raw).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!seen.has_seen(row.handle), "the row is not ended yet");
    let ended = [[1].as_slice(), &at].concat();
    let _: usize = raw.setrange(format!("tower-refresh:s:{}", row.handle), 9, ended).unwrap();
    seen.until_reported(row.handle, NOW).await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_value_that_is_not_a_row_is_an_error_and_stays_unchanged() {
    let (_server, store, mut raw) = start().await;
    let row = row(1);
    let key = format!("tower-refresh:s:{}", row.handle);
    for value in ["", "x", "\u{1}short", "\u{2}short", &"\u{7}".repeat(200)] {
        let _: () = raw.set(&key, value).unwrap();
        if !value.is_empty() {
            for error in [
                store.load(row.handle).await.unwrap_err(),
                store.compare_and_swap(&row, row.version + 1).await.unwrap_err(),
                store.end(row.handle, EndReason::Logout, NOW, 7).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{value:?}");
            }
        }
        assert_eq!(store.create(&row).await.unwrap_err().kind(), StoreErrorKind::AlreadyExists);
        assert_eq!(raw.get::<_, String>(&key).unwrap(), value);
    }
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn redis_removes_sessions_that_are_long_dead() {
    let (_server, store, mut raw) = start().await;
    let day = 24 * 60 * 60 * 1000;
    let expiry = |raw: &mut Connection, row: &SessionRow| -> u64 {
        redis::cmd("PEXPIRETIME").arg(format!("tower-refresh:s:{}", row.handle)).query(raw).unwrap()
    };
    let mut row = row(1);
    store.create(&row).await.unwrap();
    assert_eq!(expiry(&mut raw, &row), row.expires_at().as_millis() + day);
    row.idle_expiry = row.idle_expiry.saturating_sub(Duration::from_secs(60));
    assert!(store.compare_and_swap(&row, row.version + 1).await.unwrap());
    assert_eq!(expiry(&mut raw, &row), row.expires_at().as_millis() + day);
    assert!(store.end(row.handle, EndReason::Logout, NOW, 7).await.unwrap());
    assert_eq!(expiry(&mut raw, &row), NOW.as_millis() + day);

    let index: u64 = redis::cmd("EXISTS").arg("tower-refresh:u:alice").query(&mut raw).unwrap();
    assert_eq!(index, 0, "the index of a subject without sessions is gone");
    assert_eq!(store.purge_dead(Timestamp::from_secs(1_700_000_000)).await.unwrap(), 0);
    assert_eq!(store.list(&Subject::new("alice"), NOW, Page::first(10_000)).await.unwrap(), []);
}
