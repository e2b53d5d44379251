//! Once a session was denied, and whoever denied it has gone on, nobody finds it undenied.

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use tower_refresh_core::{SessionHandle, Timestamp};

use crate::{denylist::Denylist, model::explore};

const NOW: Timestamp = Timestamp::from_secs(1000);
const UNTIL: Timestamp = Timestamp::from_secs(2000);

/// In the same shard as every other one of these.
fn session(number: u8) -> SessionHandle {
    let mut bytes = [0; 16];
    bytes[15] = number;
    SessionHandle::from_bytes(bytes)
}

/// The thread that denies says so, and whoever hears of it asks.
fn acknowledged(deny: impl Fn(&Denylist) + Send + Sync + Clone + 'static, others: usize) {
    let list = Arc::new(Denylist::new());
    let acknowledged = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..=others)
        .map(|_| {
            let (list, acknowledged, deny) = (list.clone(), acknowledged.clone(), deny.clone());
            thread::spawn(move || {
                deny(&list);
                acknowledged.store(true, Ordering::Release);
            })
        })
        .collect();
    if acknowledged.load(Ordering::Acquire) {
        assert!(list.contains(session(0), NOW), "it was denied, and is let in");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(list.contains(session(0), NOW));
}

#[test]
fn a_denied_session_is_found_by_whoever_hears_of_it() {
    explore(None, || acknowledged(|list| list.deny(session(0), UNTIL, NOW), 0));
}

#[test]
fn a_session_that_two_deny_is_found_by_whoever_hears_of_either() {
    explore(3, || acknowledged(|list| list.deny(session(0), UNTIL, NOW), 1));
}

#[test]
#[ignore = "deep: half a minute and more"]
fn a_session_that_two_deny_is_found_in_every_order() {
    explore(None, || acknowledged(|list| list.deny(session(0), UNTIL, NOW), 1));
}

#[test]
fn removing_what_has_expired_loses_no_other_entry() {
    explore(2, || {
        let list = Arc::new(Denylist::new());
        list.deny(session(1), Timestamp::from_secs(1001), NOW);
        let later = Timestamp::from_secs(1500);
        let (denier, remover) = (list.clone(), list.clone());
        let acknowledged = Arc::new(AtomicBool::new(false));
        let told = acknowledged.clone();
        let threads = [
            thread::spawn(move || {
                denier.deny(session(0), UNTIL, later);
                told.store(true, Ordering::Release);
            }),
            thread::spawn(move || assert!(!remover.contains(session(1), later))),
        ];
        if acknowledged.load(Ordering::Acquire) {
            assert!(list.contains(session(0), later), "it was denied, and is let in");
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(list.contains(session(0), later));
    });
}
