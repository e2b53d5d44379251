//! A crash between two writes neither loses nor revives a session.

use std::time::Duration;

use redis::{Commands, Connection};
use tower_refresh_core::{EndReason, Page, SessionRow, SessionStore, StoreErrorKind, Subject, Timestamp};
use tower_refresh_redis::RedisStore;

use crate::support::{NOW, Redis, follow, handle, row, until_async};

async fn start() -> (Redis, RedisStore, Connection) {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let raw = server.client().get_connection().unwrap();
    (server, store, raw)
}

/// What a login leaves behind if it fails after its first write.
fn add_to_index_only(raw: &mut Connection, row: &SessionRow) {
    let key = format!("tower-refresh:i:{}", row.subject);
    let _: () = raw.zadd(key, row.handle.as_bytes(), row.created_at.as_millis()).unwrap();
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
    let key = format!("tower-refresh:s:{}", slow.handle);
    store.create(&slow).await.unwrap();
    let value: Vec<u8> = raw.get(&key).unwrap();
    let _: () = raw.del(&key).unwrap();

    // These calls must not remove it as a leftover meanwhile.
    store.list(&slow.subject, NOW, Page::first(10_000)).await.unwrap();
    store.end_subject(&slow.subject, None, EndReason::Revoked, NOW, 7).await.unwrap();
    store.purge_dead(NOW).await.unwrap();
    for number in 100..200 {
        store.create(&row(number)).await.unwrap();
        assert!(store.end(handle(number), EndReason::Logout, NOW, 7).await.unwrap());
    }
    let _: () = raw.set(&key, value).unwrap();

    assert_eq!(
        store.list(&slow.subject, NOW, Page::first(10_000)).await.unwrap(),
        std::slice::from_ref(&slow)
    );
    let ended = store.end_subject(&slow.subject, None, EndReason::Revoked, NOW, 7).await.unwrap();
    assert_eq!(ended, [slow.handle]);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn handles_without_a_row_leave_the_index() {
    let (_server, store, mut raw) = start().await;
    let alice = Subject::new("alice");
    let left = |raw: &mut Connection| -> u64 { raw.zcount("tower-refresh:i:alice", 0, "+inf").unwrap() };
    store.create(&row(1)).await.unwrap();
    let fill = |raw: &mut Connection| {
        for number in 100..130 {
            add_to_index_only(raw, &row(number));
        }
        // This one was added more than a minute ago, and its mark has not been removed.
        let (seconds, _): (i64, i64) = redis::cmd("TIME").query(raw).unwrap();
        let _: () = raw.zadd("tower-refresh:i:alice", &handle(129).as_bytes()[12..], 61 - seconds).unwrap();
    };

    fill(&mut raw);
    // A call does not wait for the removal for long, and the next one makes up for it.
    until_async("a list removes them", async || {
        assert_eq!(store.list(&alice, NOW, Page::first(100)).await.unwrap(), [row(1)]);
        left(&mut raw) == 1
    })
    .await;

    fill(&mut raw);
    until_async("the end of a subject removes them", async || {
        let ended = store.end_subject(&alice, Some(handle(1)), EndReason::Revoked, NOW, 7).await;
        assert_eq!(ended.unwrap(), []);
        left(&mut raw) == 1
    })
    .await;

    // Sessions of a robot that logs in again and again, whose rows Redis removes, and that is never listed.
    for number in 2000..3000 {
        add_to_index_only(&mut raw, &row(number));
    }
    for number in 200..800 {
        store.create(&row(number)).await.unwrap();
    }
    let dead = left(&mut raw) - 601;
    assert!(dead < 500, "{dead} of 1000 are left: logins remove them");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_row_that_cannot_be_read_does_not_keep_the_others_from_being_ended() {
    let (_server, store, mut raw) = start().await;
    for number in 0..5 {
        store.create(&row(number)).await.unwrap();
    }
    let _: () = raw.set(format!("tower-refresh:s:{}", handle(2)), "x").unwrap();
    let alice = Subject::new("alice");
    let mut ended = store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.unwrap();
    ended.sort_unstable();
    assert_eq!(ended, [0, 1, 3, 4].map(handle));
    let error = store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "the call that would return none reports it");
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

/// What a call that outdates claims leaves behind if it fails after its first write.
fn log_outdated_only(raw: &mut Connection, row: &SessionRow, epoch: u32) {
    let (at, epoch) = (NOW.as_millis().to_be_bytes(), epoch.to_be_bytes());
    let fields =
        [("k", &b"stale"[..]), ("h", row.handle.as_bytes()), ("t", at.as_slice()), ("n", epoch.as_slice())];
    let _: String = redis::cmd("XADD").arg("tower-refresh:ends").arg("*").arg(&fields).query(raw).unwrap();
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn outdated_claims_that_were_only_logged_are_not_reported() {
    let (_server, store, mut raw) = start().await;
    let (noted, outdated) = (row(1), row(2));
    store.create(&noted).await.unwrap();
    store.create(&outdated).await.unwrap();
    log_outdated_only(&mut raw, &noted, 1);
    log_outdated_only(&mut raw, &row(3), 1);
    assert_eq!(store.outdate_claims(outdated.handle, NOW, 7).await.unwrap(), Some(1));

    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    assert_eq!(seen.epochs(outdated.handle), [1]);
    assert_eq!(seen.epochs(noted.handle), []);
    assert_eq!(seen.epochs(handle(3)), [], "the session does not exist");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn outdated_claims_whose_message_was_lost_are_reported_within_seconds() {
    let (_server, store, mut raw) = start().await;
    let row = row(1);
    store.create(&row).await.unwrap();
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;

    log_outdated_only(&mut raw, &row, 1);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(seen.epochs(row.handle), [], "the row is not written yet");
    let mut outdated = row.clone();
    outdated.claims_epoch = 1;
    assert!(store.compare_and_swap(&outdated, 7).await.unwrap(), "a write without a message");
    seen.until_outdated(row.handle, 1).await;

    // Calls at the same time expect the same epoch. Those that get a later one append another entry.
    let calls = (0..16).map(|version| store.outdate_claims(row.handle, NOW, version));
    let epochs = futures_util::future::join_all(calls).await;
    let mut epochs: Vec<_> = epochs.into_iter().map(|epoch| epoch.unwrap().unwrap()).collect();
    epochs.sort_unstable();
    assert_eq!(epochs, (2..18).collect::<Vec<_>>());
    let mut range = redis::cmd("XRANGE");
    range.arg("tower-refresh:ends").arg("-").arg("+");
    let entries: Vec<(String, Vec<Vec<u8>>)> = range.query(&mut raw).unwrap();
    let last = 17_u32.to_be_bytes();
    assert!(entries.iter().any(|(_, words)| words.iter().any(|word| *word == last)), "{entries:?}");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_repeated_call_outdates_claims_once() {
    let (_server, store, mut raw) = start().await;
    store.create(&row(1)).await.unwrap();
    let script = redis::Script::new(include_str!("../../src/keyspace/scripts/outdate.lua"));
    let mut call = |version: &[u8; 8], writer: &[u8; 8]| -> u32 {
        let mut call = script.key(format!("tower-refresh:s:{}", handle(1)));
        call.arg(&version[..]).arg(&writer[..]).arg("tower-refresh:ended").arg("");
        call.invoke(&mut raw).unwrap()
    };
    let cases = [
        (b"version0", b"writer 0", 1, "a call"),
        (b"version0", b"writer 0", 1, "its repetition"),
        (b"version0", b"writer 1", 2, "another call with the same version"),
        (b"version1", b"writer 1", 3, "another version"),
        (b"version1", b"writer 1", 3, "its repetition"),
    ];
    for (version, writer, epoch, reason) in cases {
        assert_eq!(call(version, writer), epoch, "{reason}");
    }
    assert_eq!(store.load(handle(1)).await.unwrap().unwrap().claims_epoch, 3);
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
                store.outdate_claims(row.handle, NOW, 7).await.unwrap_err(),
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

    let index: u64 = raw.zcount("tower-refresh:i:alice", 0, "+inf").unwrap();
    assert_eq!(index, 0, "the index of a subject without sessions is empty");
    let index: u64 = redis::cmd("PEXPIRETIME").arg("tower-refresh:i:alice").query(&mut raw).unwrap();
    assert_eq!(index, row.absolute_expiry.as_millis() + day, "Redis removes it");
    assert_eq!(store.purge_dead(Timestamp::from_secs(1_700_000_000)).await.unwrap(), 0);
    assert_eq!(store.list(&Subject::new("alice"), NOW, Page::first(10_000)).await.unwrap(), []);
}
