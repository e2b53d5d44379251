//! After `deny` has returned, every thread that synchronises with the caller finds the session denied. Of two entries for one
//! session the greater one counts, in whatever order they come.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use tower_refresh_core::{SessionHandle, Timestamp};

use crate::{
    denylist::{Denied, Denylist, Now},
    model::explore,
};

const NOW: Now = at(1000);

const fn at(seconds: u64) -> Now {
    Now { monotonic: Duration::from_secs(seconds), date: Timestamp::from_secs(seconds) }
}
/// A minute after this, an entry has expired.
const TIME: Duration = Duration::from_secs(1000);

/// All these sessions are in the same shard.
fn session(number: u8) -> SessionHandle {
    let mut bytes = [0; 16];
    bytes[15] = number;
    SessionHandle::from_bytes(bytes)
}

fn get(list: &Denylist, number: u8, now: Now) -> Option<Denied> {
    list.get(session(number), || now.date, || now.monotonic)
}

fn is_denied(list: &Denylist, number: u8, now: Now) -> bool {
    get(list, number, now) == Some(Denied::All)
}

fn below(epoch: u32) -> Denied {
    Denied::EpochsBelow(NonZeroU32::new(epoch).expect("no epoch is below zero"))
}

/// A thread denies the session and sets a flag; a thread that sees the flag must find the session denied.
fn check_acknowledged(deny: impl Fn(&Denylist) + Send + Sync + Clone + 'static, others: usize) {
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
        assert!(is_denied(&list, 0, NOW), "the session was denied, and is not found");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(is_denied(&list, 0, NOW));
}

#[test]
fn a_denied_session_is_found_after_the_acknowledgement() {
    explore(None, || check_acknowledged(|list| list.deny(session(0), Denied::All, TIME, NOW), 0));
}

#[test]
fn a_session_denied_by_two_threads_is_found_after_either_acknowledgement() {
    explore(3, || check_acknowledged(|list| list.deny(session(0), Denied::All, TIME, NOW), 1));
}

#[test]
fn a_session_that_the_feed_reports_is_found_after_the_acknowledgement() {
    explore(None, || {
        check_acknowledged(
            |list| {
                assert!(list.deny_reported(session(0), Denied::All, TIME, NOW));
                assert!(list.has_room(NOW));
            },
            0,
        );
    });
}

#[test]
#[ignore = "deep: takes more than half a minute"]
fn a_session_denied_by_two_threads_is_found_in_every_order() {
    explore(None, || check_acknowledged(|list| list.deny(session(0), Denied::All, TIME, NOW), 1));
}

#[test]
fn the_removal_of_an_expired_entry_loses_no_other_entry() {
    explore(2, || {
        let list = Arc::new(Denylist::new());
        list.deny(session(1), Denied::All, TIME, NOW);
        let later = at(1000 + 1000 + 60);
        let (denier, remover) = (list.clone(), list.clone());
        let acknowledged = Arc::new(AtomicBool::new(false));
        let flag = acknowledged.clone();
        let threads = [
            thread::spawn(move || {
                denier.deny(session(0), Denied::All, TIME, later);
                flag.store(true, Ordering::Release);
            }),
            thread::spawn(move || assert!(!is_denied(&remover, 1, later))),
        ];
        if acknowledged.load(Ordering::Acquire) {
            assert!(is_denied(&list, 0, later), "the session was denied, and is not found");
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(is_denied(&list, 0, later));
    });
}

/// Two threads deny the session differently. Each finds at least its own word after its call, and both are found as the greater.
fn check_greater_counts(one: Denied, other: Denied) {
    let list = Arc::new(Denylist::new());
    let threads = [(one, false), (other, true)].map(|(denied, is_reported)| {
        let list = list.clone();
        thread::spawn(move || {
            if is_reported {
                assert!(list.deny_reported(session(0), denied, TIME, NOW));
            } else {
                list.deny(session(0), denied, TIME, NOW);
            }
            assert!(get(&list, 0, NOW) >= Some(denied), "less is denied than was acknowledged");
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(get(&list, 0, NOW), Some(one.max(other)));
}

#[test]
fn the_end_of_a_session_counts_more_than_outdated_claims() {
    explore(3, || check_greater_counts(below(1), Denied::All));
    explore(3, || check_greater_counts(Denied::All, below(1)));
}

#[test]
fn the_higher_of_two_epochs_counts() {
    explore(3, || check_greater_counts(below(1), below(2)));
    explore(3, || check_greater_counts(below(2), below(1)));
}

#[test]
fn the_removal_of_an_expired_entry_loses_no_outdated_claims() {
    explore(2, || {
        let list = Arc::new(Denylist::new());
        list.deny(session(0), below(1), TIME, NOW);
        let later = at(1000 + 1000 + 60);
        let (denier, remover) = (list.clone(), list.clone());
        let threads = [
            thread::spawn(move || denier.deny(session(0), below(2), TIME, later)),
            thread::spawn(move || {
                let found = get(&remover, 0, later);
                assert!(found.is_none_or(|found| found == below(2)), "the first entry has expired");
            }),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(get(&list, 0, later), Some(below(2)));
    });
}
