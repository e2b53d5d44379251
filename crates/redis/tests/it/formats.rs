//! Rows and notices of other versions: those of the first version, and those that a later one has added to.

use std::time::Duration;

use redis::{Commands, Connection};
use tower_refresh_core::{
    EndReason, Ended, Page, SessionBinding, SessionRow, SessionStore, Subject, Timestamp,
};
use tower_refresh_redis::RedisStore;

use crate::support::{NOW, Redis, follow, handle, row, with};

/// What the first version stored for [`golden_row`]: format 1, a session that was refreshed.
const GOLDEN: &str = "\
    01\
    0000000000000009\
    00\
    0000000000000000\
    5eed5eed5eed5eed\
    00000003\
    01\
    000003a352a0ea60\
    000003a356000000\
    000003a376ac5660\
    000003a3edffa000\
    000003a352944000\
    00000005616c696365\
    0000000746697265666f78\
    0000000570686f6e65\
    04c0000201\
    00ff64617461";
/// The same session before its first refresh, without meta and data.
const GOLDEN_PLAIN: &str = "\
    01\
    0000000000000000\
    00\
    0000000000000000\
    5eed5eed5eed5eee\
    00000000\
    00\
    000003a352944000\
    0000000000000000\
    000003a376a00000\
    000003a3edffa000\
    000003a352944000\
    00000005616c696365\
    ffffffff\
    ffffffff\
    00";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn plain_row(number: u64) -> SessionRow {
    let at = Timestamp::from_millis;
    let (login, idle) = (at(0x03a3_5294_4000), at(0x03a3_76a0_0000));
    let mut row = SessionRow::new(handle(number), Subject::new("alice"), login, idle, at(0x03a3_edff_a000));
    row.idle = None;
    row
}

/// How [`GOLDEN`] is read now.
fn golden_row(number: u64) -> SessionRow {
    with(plain_row(number), |row| {
        (row.version, row.generation, row.confirmed) = (9, 3, true);
        row.rotated_at = Timestamp::from_millis(0x03a3_52a0_ea60);
        row.late_budget = Timestamp::from_millis(0x03a3_5600_0000);
        row.idle_expiry = Timestamp::from_millis(0x03a3_76ac_5660);
        row.meta.user_agent = Some("Firefox".into());
        row.meta.label = Some("phone".into());
        row.meta.ip = Some([192, 0, 2, 1].into());
        row.data = b"\x00\xffdata".to_vec();
    })
}

async fn start() -> (Redis, RedisStore, Connection) {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let raw = server.client().get_connection().unwrap();
    (server, store, raw)
}

fn key(number: u64) -> String {
    format!("tower-refresh:s:{}", handle(number))
}

/// Stores the value as a session of alice, as the first version did.
fn put(raw: &mut Connection, number: u64, value: &[u8]) {
    let _: () = raw.set(key(number), value).unwrap();
    let _: () = raw.zadd("tower-refresh:u:alice", handle(number).as_bytes(), 4_002_592_000_000_u64).unwrap();
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn rows_of_the_first_version_are_read_refreshed_and_ended() {
    let (_server, store, mut raw) = start().await;
    for number in [1, 3, 4] {
        put(&mut raw, number, &bytes(GOLDEN));
    }
    put(&mut raw, 2, &bytes(GOLDEN_PLAIN));
    let _: () = redis::cmd("PEXPIREAT").arg(key(1)).arg(4_002_000_000_000_u64).query(&mut raw).unwrap();
    assert_eq!(store.load(handle(1)).await.unwrap(), Some(golden_row(1)));
    assert_eq!(store.load(handle(2)).await.unwrap(), Some(plain_row(2)));
    let listed = store.list(&Subject::new("alice"), NOW, Page::first(10)).await.unwrap();
    assert_eq!(listed, [golden_row(4), golden_row(3), plain_row(2), golden_row(1)]);
    assert!(
        !raw.exists::<_, bool>("tower-refresh:u:alice").unwrap(),
        "the index of the first version is gone"
    );
    let expiry: u64 = redis::cmd("PEXPIRETIME").arg("tower-refresh:i:alice").query(&mut raw).unwrap();
    assert_eq!(expiry, golden_row(1).absolute_expiry.as_millis() + 24 * 60 * 60 * 1000);

    assert!(!store.compare_and_swap(&with(golden_row(1), |row| row.version = 8), 5).await.unwrap());
    let next = with(golden_row(1), |row| {
        row.generation = 4;
        row.idle_expiry = row.idle_expiry.saturating_add(Duration::from_secs(1));
        row.claims_epoch = 6;
        row.binding = Some(SessionBinding::from_bytes(*b"key"));
    });
    let other = with(next.clone(), |row| {
        row.persistent = false;
        row.meta.label = None;
        row.subject = Subject::new("mallory");
    });
    assert!(store.compare_and_swap(&other, u64::MAX >> 1).await.unwrap());
    let next = with(next, |row| row.version = u64::MAX >> 1);
    assert_eq!(store.load(handle(1)).await.unwrap(), Some(next.clone()), "what never changes is kept");
    let format: Vec<u8> = raw.getrange(key(1), 0, 0).unwrap();
    assert_eq!(format, [2], "it has the new format");
    let expiry: u64 = redis::cmd("PEXPIRETIME").arg(key(1)).query(&mut raw).unwrap();
    assert_eq!(expiry, next.expires_at().as_millis() + 24 * 60 * 60 * 1000);
    assert!(store.compare_and_swap(&next, 3).await.unwrap(), "the next swap is like any other");

    assert!(store.compare_and_swap(&plain_row(2), 1).await.unwrap());
    assert_eq!(store.load(handle(2)).await.unwrap(), Some(with(plain_row(2), |row| row.version = 1)));

    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    assert!(store.end(handle(3), EndReason::Reuse, NOW, 77).await.unwrap());
    let ended = with(golden_row(3), |row| {
        (row.ended, row.version) = (Some(Ended::new(EndReason::Reuse, NOW)), 77);
    });
    assert_eq!(store.load(handle(3)).await.unwrap(), Some(ended.clone()));
    assert!(!store.compare_and_swap(&golden_row(3), 5).await.unwrap(), "ended is final");
    seen.until_reported(handle(3), NOW).await;
    let rest = store.end_subject(&Subject::new("alice"), None, EndReason::Logout, NOW, 1).await.unwrap();
    assert_eq!(rest.len(), 3);
    assert_eq!(store.purge_dead(NOW.saturating_add(Duration::from_secs(1))).await.unwrap(), 4);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn the_index_of_the_first_version_is_converted_by_the_first_call_that_reads_it() {
    const SESSIONS: u64 = 1200;
    let (_server, store, mut raw) = start().await;
    let fill = |raw: &mut Connection, numbers: std::ops::Range<u64>| {
        for number in numbers {
            put(raw, number, &bytes(GOLDEN));
        }
        // A session whose row Redis has removed.
        let _: () =
            raw.zadd("tower-refresh:u:alice", handle(5_000).as_bytes(), 4_002_592_000_000_u64).unwrap();
    };
    let alice = Subject::new("alice");
    fill(&mut raw, 0..SESSIONS);
    store
        .create(&with(row(2_000), |row| row.created_at = NOW.saturating_add(Duration::from_secs(1))))
        .await
        .unwrap();
    let listed = store.list(&alice, NOW, Page::first(10_000)).await.unwrap();
    let expected = [2_000].into_iter().chain((0..SESSIONS).rev()).map(handle);
    assert!(listed.iter().map(|row| row.handle).eq(expected));
    assert_eq!(raw.zcount::<_, _, _, u64>("tower-refresh:i:alice", 0, "+inf").unwrap(), SESSIONS + 1);

    // A conversion that was interrupted: some sessions are in both indexes, some in one.
    fill(&mut raw, SESSIONS - 100..SESSIONS + 100);
    let mut ended = 0;
    loop {
        match store.end_subject(&alice, None, EndReason::Revoked, NOW, 7).await.unwrap().len() as u64 {
            0 => break,
            some => ended += some,
        }
    }
    assert_eq!(ended, SESSIONS + 101);
    assert!(!raw.exists::<_, bool>("tower-refresh:u:alice").unwrap());
    assert_eq!(raw.zcount::<_, _, _, u64>("tower-refresh:i:alice", 0, "+inf").unwrap(), 0);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn fields_of_a_later_version_are_passed_over_and_kept_through_swaps_and_ends() {
    let (_server, store, mut raw) = start().await;
    let row = with(row(1), |row| {
        row.meta.label = Some("phone".into());
        row.persistent = false;
    });
    store.create(&row).await.unwrap();
    let unknown = [&[200, 0, 0, 0, 3][..], b"abc", &[99, 0, 0, 0, 0]].concat();
    let _: () = raw.append(key(1), &unknown[..]).unwrap();
    assert_eq!(store.load(handle(1)).await.unwrap(), Some(row.clone()), "they are passed over");

    let changes: [fn(&mut SessionRow); 4] = [
        |row| row.generation = 1,
        |row| row.data = b"longer data".to_vec(),
        |row| (row.data, row.binding) = (Vec::new(), Some(SessionBinding::from_bytes(*b"key"))),
        |row| row.claims_epoch = 2,
    ];
    assert_eq!(store.outdate_claims(handle(1), NOW, 9).await.unwrap(), Some(1));
    let row = with(row, |row| (row.claims_epoch, row.version) = (1, 9));
    assert_eq!(store.load(handle(1)).await.unwrap(), Some(row.clone()), "and kept");
    let mut known = row;
    for (version, change) in (10..).zip(changes) {
        change(&mut known);
        assert!(store.compare_and_swap(&known, version).await.unwrap());
        known.version = version;
        assert_eq!(store.load(handle(1)).await.unwrap(), Some(known.clone()));
    }
    assert!(store.end(handle(1), EndReason::Logout, NOW, 1).await.unwrap());
    let value: Vec<u8> = raw.get(key(1)).unwrap();
    assert!(value.ends_with(&unknown), "they are kept");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_reason_of_a_later_version_reads_as_revoked() {
    let (_server, store, mut raw) = start().await;
    store.create(&row(1)).await.unwrap();
    assert!(store.end(handle(1), EndReason::Logout, NOW, 1).await.unwrap());
    let _: usize = raw.setrange(key(1), 9, &[250][..]).unwrap();
    let ended = store.load(handle(1)).await.unwrap().unwrap().ended;
    assert_eq!(ended, Some(Ended::new(EndReason::Revoked, NOW)));
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn notices_of_unknown_kinds_are_passed_over() {
    let (server, store, mut raw) = start().await;
    for number in 0..3 {
        store.create(&row(number)).await.unwrap();
    }
    let mut publisher = server.client().get_connection().unwrap();
    let mut add = |fields: &[(&str, &[u8])]| {
        let _: String =
            redis::cmd("XADD").arg("tower-refresh:ends").arg("*").arg(fields).query(&mut raw).unwrap();
    };
    let (session, at) = (handle(0), NOW.as_millis().to_be_bytes());
    let session = session.as_bytes().as_slice();
    assert!(store.end(handle(1), EndReason::Logout, NOW, 1).await.unwrap());
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    add(&[("k", b"roles"), ("h", session), ("t", &at), ("n", &[0, 0, 0, 4])]);
    add(&[("k", b"stale"), ("h", session), ("t", &at), ("n", &[4])]);
    add(&[("h", session), ("n", &[0, 0, 0, 4])]);
    add(&[("x", b"")]);
    add(&[("h", b"short"), ("t", &at)]);
    // A session end in all but its kind, of a session that does not exist.
    let gone = handle(9);
    add(&[("h", gone.as_bytes().as_slice()), ("t", &at), ("k", b"roles")]);
    let message = [&[3][..], gone.as_bytes(), &at, b"more"].concat();
    let heard: i64 =
        redis::cmd("PUBLISH").arg("tower-refresh:ended").arg(message).query(&mut publisher).unwrap();
    assert_eq!(heard, 1);
    for message in ["stale: a session and its claims epoch", "k", ""] {
        let _: i64 = server.ask(&["PUBLISH", "tower-refresh:ended", message]).unwrap();
    }
    let (late, _following) = follow(&store, NOW);
    late.until_caught_up().await;
    assert!(late.has_seen(handle(1)) && !late.has_seen(handle(0)));
    assert!(store.end(handle(2), EndReason::Logout, NOW, 1).await.unwrap());
    // The entries of the log are read by both, and the messages are received by the first one.
    for (seen, unknown) in [(seen, 9), (late, 6)] {
        seen.until_reported(handle(2), NOW).await;
        seen.until_unknown_notices(unknown).await;
        assert!(!seen.has_seen(handle(0)) && !seen.has_seen(gone));
        assert_eq!(seen.epochs(handle(0)), []);
    }
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn claims_of_a_session_of_the_first_version_are_outdated() {
    let (_server, store, mut raw) = start().await;
    for (number, golden) in [(1, GOLDEN), (2, GOLDEN_PLAIN)] {
        put(&mut raw, number, &bytes(golden));
        let _: () =
            redis::cmd("PEXPIREAT").arg(key(number)).arg(4_002_000_000_000_u64).query(&mut raw).unwrap();
    }
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    for (number, golden) in [(1, golden_row(1)), (2, plain_row(2))] {
        for epoch in 1..4 {
            let version = 70 + u64::from(epoch);
            assert_eq!(store.outdate_claims(handle(number), NOW, version).await.unwrap(), Some(epoch));
            let outdated = with(golden.clone(), |row| (row.claims_epoch, row.version) = (epoch, version));
            assert_eq!(store.load(handle(number)).await.unwrap(), Some(outdated));
            seen.until_outdated(handle(number), epoch).await;
        }
        let expiry: u64 = redis::cmd("PEXPIRETIME").arg(key(number)).query(&mut raw).unwrap();
        assert_eq!(expiry, 4_002_000_000_000, "Redis removes the row as before");
    }
    put(&mut raw, 3, &bytes(GOLDEN));
    assert!(store.end(handle(3), EndReason::Logout, NOW, 1).await.unwrap());
    assert_eq!(store.outdate_claims(handle(3), NOW, 2).await.unwrap(), None);
    let format: Vec<u8> = raw.getrange(key(3), 0, 0).unwrap();
    assert_eq!(format, [1], "the row of an ended session stays as it is");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn outdated_claims_with_fields_of_a_later_version_are_reported() {
    let (_server, store, mut raw) = start().await;
    store.create(&with(row(2), |row| row.claims_epoch = 9)).await.unwrap();
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    let at = NOW.as_millis().to_be_bytes();
    let message = [&[2][..], handle(1).as_bytes(), &at, &[0, 0, 1, 0], b"and what it has added"].concat();
    let _: i64 = redis::cmd("PUBLISH").arg("tower-refresh:ended").arg(message).query(&mut raw).unwrap();
    seen.until_outdated(handle(1), 256).await;

    // Of an entry, the epoch of the row is reported.
    let session = handle(2);
    let mut add = redis::cmd("XADD");
    add.arg("tower-refresh:ends").arg("*").arg("added").arg("before").arg("k").arg("stale");
    add.arg("n").arg(&[0_u8, 0, 0, 8][..]).arg("h").arg(session.as_bytes().as_slice());
    add.arg("t").arg(&at).arg("w").arg("added after");
    let _: String = add.query(&mut raw).unwrap();
    seen.until_outdated(session, 9).await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn session_ends_with_fields_of_a_later_version_are_reported() {
    let (_server, store, mut raw) = start().await;
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    let at = NOW.as_millis().to_be_bytes();
    let message = [&[1][..], handle(1).as_bytes(), &at, b"and what it has added"].concat();
    let _: i64 = redis::cmd("PUBLISH").arg("tower-refresh:ended").arg(message).query(&mut raw).unwrap();
    seen.until_reported(handle(1), NOW).await;

    // A log entry is reported if the session has ended or is gone.
    let (session, fields) = (handle(2), [&b"added"[..], b"before", b"h"]);
    let mut add = redis::cmd("XADD");
    add.arg("tower-refresh:ends").arg("*").arg(&fields).arg(session.as_bytes().as_slice());
    add.arg("t").arg(&at).arg("w").arg("added after");
    let _: String = add.query(&mut raw).unwrap();
    seen.until_reported(session, NOW).await;
}
