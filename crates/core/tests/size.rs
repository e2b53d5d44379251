//! The memory that a session takes in the memory store.
//!
//! A binary of its own: its global allocator counts every allocation of the process, so no other test may run in it.

use std::{alloc::System, fmt, net::Ipv4Addr, ops::RangeInclusive, time::Duration};

use futures_executor::block_on;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower_refresh_core::{MemoryStore, SessionHandle, SessionMeta, SessionRow, SessionStore, Timestamp};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const LOGIN: Timestamp = Timestamp::from_secs(1_800_000_000);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// As long as those of common browsers.
const USER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";

/// One test only, because the allocations of a concurrent one would be counted.
#[test]
fn a_session_of_a_browser_takes_less_than_300_bytes_and_leaves_none_behind() {
    println!("bytes for a session with its entry in the index of its subject, which has no other session:");
    let plain = Sizes::of(10_000..=100_000, |_| SessionMeta::default());
    println!("  without user agent and address: {plain}");
    let browsers = Sizes::of(10_000..=1_000_000, |_| browser(USER_AGENT.to_owned()));
    println!("  with a user agent of {} bytes and an address: {browsers}", USER_AGENT.len());
    // While there are few sessions, the parts that do not depend on their number count.
    assert!((150..300).contains(&plain.most.each), "{plain}");
    assert!((150..300).contains(&browsers.most.each), "{browsers}");

    let distinct = Sizes::of(10_000..=100_000, |number| browser(format!("{USER_AGENT}{number:06}")));
    println!("  with user agents of {} bytes, all different: {distinct}", USER_AGENT.len() + 6);
    let own = USER_AGENT.len() as u64 + 6;
    assert!((own..own + 64).contains(&(distinct.last.each - plain.last.each)), "{distinct}");
}

fn browser(user_agent: String) -> SessionMeta {
    let mut meta = SessionMeta::default();
    meta.user_agent = Some(user_agent);
    meta.ip = Some(Ipv4Addr::new(192, 0, 2, 1).into());
    meta
}

/// The bytes that each of a number of sessions takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    each: u64,
    sessions: u64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} among {}", self.each, self.sessions)
    }
}

/// What a session took while their number grew.
struct Sizes {
    least: At,
    most: At,
    last: At,
}

impl Sizes {
    /// Measures every time that the number of sessions has grown by 2 %, because the tables grow at different times. Asserts that
    /// less is left when half of the sessions have been purged, and nothing after the others.
    fn of(sessions: RangeInclusive<u64>, describe: impl Fn(u64) -> SessionMeta) -> Self {
        let (first, last) = sessions.into_inner();
        let mut measured = Vec::with_capacity(1024);
        let region = Region::new(ALLOCATOR);
        let store = MemoryStore::new();
        let used = || {
            let change = region.change();
            change.bytes_allocated as u64 - change.bytes_deallocated as u64
        };
        // The executor allocates once for the thread.
        purge(&store, LOGIN);
        let empty = used();
        let mut next = first;
        for number in 0..last {
            create(&store, number, describe(number));
            let sessions = number + 1;
            if sessions == next {
                measured.push(At { each: used() / sessions, sessions });
                next = (next + next / 50).min(last);
            }
        }
        let all = used();
        purge(&store, LOGIN.saturating_add(MONTH + Duration::from_millis(last / 2)));
        assert_eq!(store.len() as u64, last / 2);
        assert!(used() < all * 3 / 5, "{} of {all} bytes for half of the sessions", used());
        purge(&store, LOGIN.saturating_add(2 * MONTH));
        assert!(store.is_empty());
        assert_eq!(used(), empty, "bytes after the purge");
        let last = *measured.last().expect("at least one number");
        let least = *measured.iter().min().expect("at least one number");
        let most = *measured.iter().max().expect("at least one number");
        Self { least, most, last }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at least {}, at most {}", self.last, self.least, self.most)
    }
}

fn create(store: &MemoryStore, number: u64, meta: SessionMeta) {
    // Spread over all shards, like a hash.
    let handle = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let handle = SessionHandle::from_bytes(handle.to_be_bytes());
    let login = LOGIN.saturating_add(Duration::from_millis(number));
    let expiry = login.saturating_add(MONTH);
    let mut row = SessionRow::new(handle, format!("user-{number:06}").as_str().into(), login, expiry, expiry);
    row.meta = meta;
    block_on(store.create(&row)).expect("each handle is new");
}

fn purge(store: &MemoryStore, dead_before: Timestamp) {
    while block_on(store.purge_dead(dead_before)).expect("it can be purged") > 0 {}
}
