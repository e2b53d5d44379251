//! Very many sessions of one subject, and very many logouts of one session.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, Page, SessionStore, Subject};
use tower_refresh_redis::{RedisOptions, RedisStore, Server};

use crate::support::{NOW, Redis, handle, row, with};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn twenty_thousand_logouts_with_dead_tokens_leave_no_entry_in_the_log() {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    store.create(&row(1)).await.unwrap();
    assert!(store.end(handle(1), EndReason::Logout, NOW, 1).await.unwrap());
    let dump = || -> (i64, Vec<u8>) {
        let key = format!("tower-refresh:s:{}", handle(1));
        (server.ask(&["XLEN", "tower-refresh:ends"]).unwrap(), server.ask(&["GET", &key]).unwrap())
    };
    let before = dump();
    assert_eq!(before.0, 1);
    let mut tasks = JoinSet::new();
    for task in 0..20_u64 {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..1_000 {
                // An ended session, and one that does not exist.
                assert!(!store.end(handle(1 + task % 2), EndReason::Logout, NOW, 2).await.unwrap());
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(dump(), before, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Redis"]
async fn a_subject_with_200_000_sessions_is_listed_in_pages_and_ended_in_batches() {
    const SESSIONS: u64 = 200_000;
    let server = Redis::start_with(&[]);
    // Not the time limit is tested, which a busy machine may exceed once in 200 000 logins.
    let options = RedisOptions::new().with_timeout(Duration::from_secs(10));
    let store = options.connect(Server::url(&server.url()).unwrap()).await.unwrap();
    let robot = Subject::new("robot");
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let (store, robot) = (store.clone(), robot.clone());
        tasks.spawn(async move {
            for number in (task..SESSIONS).step_by(64) {
                let login = NOW.saturating_add(Duration::from_millis(number));
                let row = with(row(number), |row| (row.subject, row.created_at) = (robot.clone(), login));
                store.create(&row).await.unwrap();
            }
        });
    }
    tasks.join_all().await;

    let (start, mut longest, mut listed) = (Instant::now(), Duration::ZERO, 0);
    let mut page = Page::first(50_000);
    loop {
        let begun = Instant::now();
        let rows = store.list(&robot, NOW, page).await.unwrap();
        longest = longest.max(begun.elapsed());
        listed += rows.len() as u64;
        match rows.last() {
            Some(last) if rows.len() == page.limit => page = Page::after(last, page.limit),
            _ => break,
        }
    }
    println!("list of {listed} in pages of 50 000: {:?}, the longest call {longest:?}", start.elapsed());
    assert_eq!(listed, SESSIONS);

    let mut pages = Vec::new();
    let mut page = Page::first(100);
    for _ in 0..50 {
        let begun = Instant::now();
        let rows = store.list(&robot, NOW, page).await.unwrap();
        pages.push(begun.elapsed());
        assert_eq!(rows.len(), 100);
        page = Page::after(rows.last().unwrap(), 100);
    }
    pages.sort_unstable();
    println!("a page of 100: median {:?}, longest {:?}", pages[25], pages[49]);
    // Reading the whole index would take seconds.
    assert!(
        pages[25] < Duration::from_millis(100),
        "a page does not take longer the more sessions there are"
    );

    let newest = handle(SESSIONS - 1);
    let (start, mut longest, mut ended) = (Instant::now(), Duration::ZERO, 0);
    loop {
        let begun = Instant::now();
        let some = store.end_subject(&robot, Some(newest), EndReason::Revoked, NOW, 5).await.unwrap();
        longest = longest.max(begun.elapsed());
        assert!(some.len() <= 2_000, "{} in one call", some.len());
        ended += some.len() as u64;
        if some.is_empty() {
            break;
        }
    }
    println!("end_subject of {ended}: {:?}, the longest call {longest:?}", start.elapsed());
    assert_eq!(ended, SESSIONS - 1);
    let left = store.list(&robot, NOW, Page::first(10)).await.unwrap();
    assert_eq!(left.iter().map(|row| row.handle).collect::<Vec<_>>(), [newest]);
}
