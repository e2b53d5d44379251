//! The memory that a session takes in the memory store.
//!
//! A binary of its own: its global allocator counts every allocation of the process, so no other test may run in it.

use std::{alloc::System, net::Ipv4Addr, time::Duration};

use futures_executor::block_on;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower_refresh_core::{MemoryStore, SessionHandle, SessionRow, SessionStore, Timestamp};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const SESSIONS: u64 = 100_000;
const LOGIN: Timestamp = Timestamp::from_secs(1_800_000_000);
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// As long as those of common browsers.
const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36";

/// One test only, because the allocations of a concurrent one would be counted.
#[test]
fn a_session_takes_less_than_400_bytes_with_its_index_entry_and_without_its_user_agent() {
    let plain = bytes_per_session(|_| {});
    let of_a_browser = bytes_per_session(|row| {
        row.meta.user_agent = Some(USER_AGENT.into());
        row.meta.ip = Some(Ipv4Addr::new(192, 0, 2, 1).into());
    });
    let purged = bytes_after_purge();
    println!(
        "a session takes {plain} bytes, with user agent and address {of_a_browser}, and leaves {purged} behind"
    );
    assert!((100..400).contains(&plain), "{plain} bytes");
    // The tables keep their capacity. Subjects left in them would add some 30 bytes.
    assert!(purged < 105, "{purged} bytes");
    assert!(of_a_browser < plain + 2 * USER_AGENT.len() as u64, "{of_a_browser} bytes");
}

/// Subjects without sessions must not stay in the index.
fn bytes_after_purge() -> u64 {
    let store = MemoryStore::new();
    let region = Region::new(ALLOCATOR);
    fill(&store, |_| {});
    let later = LOGIN.saturating_add(2 * MONTH);
    while block_on(store.purge_dead(later)).expect("it can be purged") > 0 {}
    assert!(store.is_empty());
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated) as u64 / SESSIONS
}

fn bytes_per_session(describe: impl Fn(&mut SessionRow)) -> u64 {
    let store = MemoryStore::new();
    let region = Region::new(ALLOCATOR);
    fill(&store, describe);
    let change = region.change();
    (change.bytes_allocated - change.bytes_deallocated) as u64 / SESSIONS
}

fn fill(store: &MemoryStore, describe: impl Fn(&mut SessionRow)) {
    for number in 0..SESSIONS {
        // Spread over all shards, like a hash.
        let handle = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let expiry = LOGIN.saturating_add(MONTH);
        let subject = format!("user-{number}").as_str().into();
        let mut row =
            SessionRow::new(SessionHandle::from_bytes(handle.to_be_bytes()), subject, LOGIN, expiry, expiry);
        describe(&mut row);
        block_on(store.create(&row)).expect("each handle is new");
    }
}
