//! Sends requests on some connections, from one thread, and measures each.

use std::{
    hash::{BuildHasher as _, RandomState},
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::client::{Connection, Session};

/// They stay open.
pub(super) const CONNECTIONS: usize = 64;
/// One in so many requests is a refresh.
pub(super) const REFRESH_EACH: usize = 20;

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Load {
    /// Each connection sends the next one when it has a response.
    Closed,
    /// One after each interval. A request that must wait for a free connection counts from when it was due.
    Open { interval: Duration },
}

/// What a round has measured.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) hits: Vec<Duration>,
    pub(super) refreshes: Vec<Duration>,
    pub(super) took: Duration,
    /// Whether `refreshes` refreshed sessions.
    pub(super) refreshed: bool,
}

/// Sends `count` requests. Each connection has a session for its hits; each of `refreshed` is refreshed once, if the server
/// refreshes sessions, and otherwise used once.
pub(super) fn send(
    load: Load,
    count: usize,
    connections: &[Connection],
    own: &[Session],
    refreshed: &mut [Session],
    sets_cookies: bool,
) -> Outcome {
    let hits: Vec<_> = own.iter().map(|session| session.request("GET", "/me")).collect();
    let refreshes: Vec<_> = refreshed.iter().map(|session| session.request("GET", "/me")).collect();
    let mut polled: Vec<_> = connections
        .iter()
        .map(|connection| PollFd::from_borrowed_fd(connection.stream.as_fd(), PollFlags::IN))
        .collect();
    let mut requests: Vec<Option<InProgress>> = connections.iter().map(|_| None).collect();
    let mut received = vec![Vec::new(); connections.len()];
    let mut free: Vec<usize> = (0..connections.len()).collect();
    let mut outcome = Outcome { refreshed: sets_cookies, ..Outcome::default() };
    let random = RandomState::new();
    let (mut sent, mut done) = (0, 0);
    let start = Instant::now();
    while done < count {
        let mut wait = None;
        while sent < count
            && let Some(&connection) = free.last()
        {
            let now = Instant::now();
            let due = match load {
                Load::Closed => now,
                Load::Open { interval } => start + interval * u32::try_from(sent).unwrap(),
            };
            if due > now {
                wait = Some(due - now);
                break;
            }
            free.pop();
            // One of each block, at a random place.
            let block = sent / REFRESH_EACH;
            let refresh =
                (sent % REFRESH_EACH == random.hash_one(block) as usize % REFRESH_EACH).then_some(block);
            connections[connection].send(refresh.map_or(&hits[connection], |number| &refreshes[number]));
            requests[connection] = Some(InProgress { due, refresh });
            sent += 1;
        }
        poll(&mut polled, wait.map(|wait| Timespec::try_from(wait).unwrap()).as_ref()).unwrap();
        for (number, polled) in polled.iter().enumerate() {
            if polled.revents().is_empty() {
                continue;
            }
            let Some(response) = connections[number].receive(&mut received[number]) else { continue };
            let InProgress { due, refresh } = requests[number].take().unwrap();
            let took = due.elapsed();
            done += 1;
            free.push(number);
            match refresh {
                Some(session) => {
                    assert_eq!(response.sets_cookies(), sets_cookies);
                    refreshed[session].store(&response.head);
                    outcome.refreshes.push(took);
                }
                None => {
                    assert!(!response.sets_cookies());
                    outcome.hits.push(took);
                }
            }
        }
    }
    outcome.took = start.elapsed();
    outcome
}

struct InProgress {
    due: Instant,
    /// The number of the session that is refreshed.
    refresh: Option<usize>,
}
