//! A thief, to show how a copied refresh token is found out.
//!
//! The thief copies the refresh cookie of a request and uses the copy at a second server of the same service: one with
//! the same keys and the same store, whose clock can be put forward, because a session rotates at most once a minute and
//! nobody wants to watch for two. All else is real: the thief's requests rotate the session, twice; so the owner's own
//! cookie, presented at this server, is two generations behind, which no honest browser ever is, and the session ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header::COOKIE},
};
use serde::Serialize;
use tokio::sync::Mutex;
use tower::ServiceExt;
use tower_refresh::{Clock, SystemClock, Timestamp};

use crate::cookies::{CookieNames, generation};

/// A clock that runs ahead of the system's.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockAhead {
    system: SystemClock,
    /// In milliseconds.
    ahead: Arc<AtomicU64>,
}

impl ClockAhead {
    fn put_forward(&self, ahead: Duration) {
        self.ahead.store(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Clock for ClockAhead {
    fn now(&self) -> Timestamp {
        self.system.now().saturating_add(Duration::from_millis(self.ahead.load(Ordering::Relaxed)))
    }
}

pub(crate) struct Thief {
    here: Router,
    ahead: Router,
    clock: ClockAhead,
    names: CookieNames,
    damping: Duration,
    /// One theft at a time, since they share a clock. The last one can be looked at again.
    last: Mutex<Option<Theft>>,
}

struct Theft {
    owners: String,
    copy: String,
}

/// One request of the story.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    who: &'static str,
    request: &'static str,
    /// How far the clock was put forward, in seconds.
    ahead: u64,
    /// Of the refresh token that it presented.
    generation: Option<u32>,
    /// Of the refresh token that it was given.
    received: Option<u32>,
    status: u16,
    note: &'static str,
}

/// More uses than it takes if each one rotates: the first may only be handed what exists.
const MOST_USES: u32 = 4;

impl Thief {
    pub(crate) fn new(
        here: Router,
        ahead: Router,
        clock: ClockAhead,
        names: CookieNames,
        damping: Duration,
    ) -> Self {
        Self { here, ahead, clock, names, damping, last: Mutex::default() }
    }

    /// Plays the story with the refresh token of a request; `None` if it has none.
    pub(crate) async fn steal(&self, headers: &HeaderMap) -> Option<Vec<Step>> {
        let owners = self.names.refresh_token(headers)?;
        let _turn = self.last.lock().await;
        let (mut steps, copy) = self.follow(&owners).await;
        let response = ask(&self.here, Method::POST, "/auth/refresh", self.names, &owners).await;
        let note = match response.status() {
            StatusCode::UNAUTHORIZED => "two generations behind: somebody has a copy, and the session ends",
            _ => "the copy was not found out",
        };
        steps.push(self.step("you", "POST /auth/refresh", &owners, &response, note));
        steps.push(self.try_copy(&copy).await);
        Some(steps)
    }

    /// The first half of the story, after which the owner is to come back; `None` if the request has no refresh token.
    pub(crate) async fn use_copy(&self, headers: &HeaderMap) -> Option<Vec<Step>> {
        let owners = self.names.refresh_token(headers)?;
        let mut last = self.last.lock().await;
        let (steps, copy) = self.follow(&owners).await;
        *last = Some(Theft { owners, copy });
        Some(steps)
    }

    /// What the copy is worth afterwards; `None` unless the last theft was of the request's refresh token.
    pub(crate) async fn use_again(&self, headers: &HeaderMap) -> Option<Step> {
        let owners = self.names.refresh_token(headers)?;
        let last = self.last.lock().await;
        let theft = last.as_ref()?;
        verify_slices_are_equal(theft.owners.as_bytes(), owners.as_bytes()).ok()?;
        Some(self.try_copy(&theft.copy).await)
    }

    /// Uses a copy until it is two generations ahead of its owner. Returns what the thief then holds.
    async fn follow(&self, owners: &str) -> (Vec<Step>, String) {
        let mut steps = Vec::new();
        let mut copy = owners.to_owned();
        for uses in 1..=MOST_USES {
            let ahead = self.damping.saturating_mul(uses);
            self.clock.put_forward(ahead);
            let response = ask(&self.ahead, Method::GET, "/me", self.names, &copy).await;
            let note = match (uses, response.status()) {
                (1, StatusCode::OK) => "the copy is as good as the original, and the session rotates",
                (_, StatusCode::OK) => "the thief follows the session",
                _ => "the copy is refused",
            };
            let step = self.step("thief", "GET /me", &copy, &response, note);
            steps.push(Step { ahead: ahead.as_secs(), ..step });
            let Some(rotated) = self.names.new_refresh_token(response.headers()) else { break };
            copy = rotated;
            if is_two_behind(owners, &copy) {
                break;
            }
        }
        (steps, copy)
    }

    async fn try_copy(&self, copy: &str) -> Step {
        let response = ask(&self.here, Method::GET, "/me", self.names, copy).await;
        let note = match response.status() {
            StatusCode::UNAUTHORIZED => "the thief's newest token is dead too",
            _ => "the thief is still in",
        };
        self.step("thief", "GET /me", copy, &response, note)
    }

    fn step(
        &self,
        who: &'static str,
        request: &'static str,
        token: &str,
        response: &Response<Body>,
        note: &'static str,
    ) -> Step {
        let received = self.names.new_refresh_token(response.headers());
        Step {
            who,
            request,
            ahead: 0,
            generation: generation(token),
            received: received.and_then(|token| generation(&token)),
            status: response.status().as_u16(),
            note,
        }
    }
}

fn is_two_behind(token: &str, other: &str) -> bool {
    match (generation(token), generation(other)) {
        (Some(token), Some(other)) => token.saturating_add(2) <= other,
        _ => false,
    }
}

/// The answer of `server` to a request that carries `refresh_token` and nothing else.
async fn ask(
    server: &Router,
    method: Method,
    path: &'static str,
    names: CookieNames,
    refresh_token: &str,
) -> Response<Body> {
    let cookie = format!("{}={refresh_token}", names.refresh);
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_static(path);
    if let Ok(cookie) = cookie.try_into() {
        request.headers_mut().insert(COOKIE, cookie);
    }
    match server.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
