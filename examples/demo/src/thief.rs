//! A thief, to show how a copied refresh token is detected.
//!
//! The thief copies the refresh cookie of a request and presents the copy to a second server of the same service. That server
//! has the same keys and the same store, and a clock that can be advanced, because a session rotates at most once per damping
//! interval (a minute by default). All else is real: the thief's requests rotate the session twice. The owner's cookie is then
//! two generations behind, which never happens to an honest browser, and when this server sees it, the session ends.
//!
//! With `--device-bound enforce`, a session whose browser has given a proof refuses the copy at once.

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
    http::{
        HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri,
        header::{COOKIE, USER_AGENT},
    },
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
    fn advance_to(&self, ahead: Duration) {
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
    /// Whether a bound session needs the proofs of its browser.
    is_enforced: bool,
    /// The most recent theft. The lock also ensures one theft at a time, because all thefts share a clock.
    last: Mutex<Option<Theft>>,
}

struct Theft {
    owners: String,
    copy: String,
    user_agent: Option<HeaderValue>,
}

/// One request of the demonstration.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    who: &'static str,
    request: &'static str,
    /// How far the clock was advanced, in seconds.
    ahead: u64,
    /// The generation of the refresh token in the request.
    generation: Option<u32>,
    /// The generation of the refresh token in the response.
    received: Option<u32>,
    status: u16,
    note: &'static str,
}

/// More uses than needed if each one rotates the session: the first may receive the existing successor without a rotation.
const MOST_USES: u32 = 4;
const UNPROVEN: &str = "the session is bound to a key of your browser, and a copy comes without its proof";

impl Thief {
    pub(crate) fn new(
        here: Router,
        ahead: Router,
        clock: ClockAhead,
        names: CookieNames,
        damping: Duration,
        is_enforced: bool,
    ) -> Self {
        Self { here, ahead, clock, names, damping, is_enforced, last: Mutex::default() }
    }

    /// Runs the whole demonstration with the refresh token of a request; `None` if it has none.
    pub(crate) async fn steal(&self, headers: &HeaderMap) -> Option<Vec<Step>> {
        let owners = self.names.refresh_token(headers)?;
        let user_agent = headers.get(USER_AGENT);
        let _guard = self.last.lock().await;
        let (mut steps, copy) = self.follow(&owners, user_agent).await;
        if self.is_enforced && !steps.iter().any(Step::is_accepted) {
            return Some(steps);
        }
        let response = send(&self.here, Method::POST, "/auth/refresh", self.names, &owners, user_agent).await;
        let note = match response.status() {
            StatusCode::UNAUTHORIZED => "two generations behind: someone has a copy, and the session ends",
            _ => "the copy was not detected",
        };
        steps.push(self.step("you", "POST /auth/refresh", &owners, &response, note));
        steps.push(self.try_copy(&copy, user_agent).await);
        Some(steps)
    }

    /// Runs the thief's part, before the owner's next request; `None` if the request has no refresh token.
    pub(crate) async fn use_copy(&self, headers: &HeaderMap) -> Option<Vec<Step>> {
        let owners = self.names.refresh_token(headers)?;
        let mut last = self.last.lock().await;
        let user_agent = headers.get(USER_AGENT);
        let (steps, copy) = self.follow(&owners, user_agent).await;
        *last = Some(Theft { owners, copy, user_agent: user_agent.cloned() });
        Some(steps)
    }

    /// Uses the copy once more; `None` unless the last theft was of this request's refresh token.
    pub(crate) async fn use_again(&self, headers: &HeaderMap) -> Option<Step> {
        let owners = self.names.refresh_token(headers)?;
        let last = self.last.lock().await;
        let theft = last.as_ref()?;
        verify_slices_are_equal(theft.owners.as_bytes(), owners.as_bytes()).ok()?;
        Some(self.try_copy(&theft.copy, theft.user_agent.as_ref()).await)
    }

    /// Uses a copy until it is two generations ahead of the owner's token. Returns the thief's token after that. A thief also copies
    /// what the owner's browser calls itself.
    async fn follow(&self, owners: &str, user_agent: Option<&HeaderValue>) -> (Vec<Step>, String) {
        let mut steps = Vec::new();
        let mut copy = owners.to_owned();
        for uses in 1..=MOST_USES {
            // A session rotates strictly after the damping interval, and a use may take less than a millisecond.
            let ahead = (self.damping + Duration::from_millis(1)).saturating_mul(uses);
            self.clock.advance_to(ahead);
            let response = send(&self.ahead, Method::GET, "/me", self.names, &copy, user_agent).await;
            let note = match (uses, response.status()) {
                (1, StatusCode::OK) => "the copy is accepted like the original, and the session rotates",
                (_, StatusCode::OK) => "the thief follows the session",
                (1, StatusCode::UNAUTHORIZED) if self.is_enforced => UNPROVEN,
                _ => "the copy is rejected",
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

    async fn try_copy(&self, copy: &str, user_agent: Option<&HeaderValue>) -> Step {
        let response = send(&self.here, Method::GET, "/me", self.names, copy, user_agent).await;
        let note = match response.status() {
            StatusCode::UNAUTHORIZED if self.is_enforced => UNPROVEN,
            StatusCode::UNAUTHORIZED => "the thief's newest token is invalid too",
            _ => "the thief is still logged in",
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

impl Step {
    fn is_accepted(&self) -> bool {
        self.status == StatusCode::OK
    }
}

fn is_two_behind(token: &str, other: &str) -> bool {
    match (generation(token), generation(other)) {
        (Some(token), Some(other)) => token.saturating_add(2) <= other,
        _ => false,
    }
}

/// The response of `server` to a request with this refresh token and no other credentials.
async fn send(
    server: &Router,
    method: Method,
    path: &'static str,
    names: CookieNames,
    refresh_token: &str,
    user_agent: Option<&HeaderValue>,
) -> Response<Body> {
    let cookie = format!("{}={refresh_token}", names.refresh);
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_static(path);
    if let Ok(cookie) = cookie.try_into() {
        request.headers_mut().insert(COOKIE, cookie);
    }
    request.headers_mut().extend(user_agent.map(|user_agent| (USER_AGENT, user_agent.clone())));
    match server.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
