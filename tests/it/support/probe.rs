//! Helpers of the tests: cookies in full, changed rows, and futures that are polled step by step.

use std::{pin::Pin, task::Poll, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use tower_refresh::{
    SessionHandle, Timestamp,
    event::{EventKind, RejectionReason},
    store::SessionStore,
};
use tower_refresh_core::SessionRow;

use super::{Browser, World, browser::REFRESH, mint, request};

pub const ACCESS_LIFETIME: Duration = Duration::from_secs(600);
pub const GRACE: Duration = Duration::from_secs(30);
pub const DAMPING: Duration = Duration::from_secs(60);
/// The time in which one late use is refilled.
pub const HALF_A_DAY: Duration = Duration::from_secs(12 * 60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub const MILLISECOND: Duration = Duration::from_millis(1);

/// The event of an invalid refresh token.
pub const INVALID_REFRESH_TOKEN: EventKind = EventKind::Rejected(RejectionReason::InvalidRefreshToken);

/// The session of a browser that has an access cookie.
pub fn session_of(browser: &Browser) -> SessionHandle {
    mint::session(browser.access().unwrap())
}

/// When an access token expires.
pub fn expiry(access: &str) -> Timestamp {
    Timestamp::from_secs(mint::claims(access)["exp"].as_u64().unwrap())
}

/// Logs `subject` in, and lets the access token expire.
pub async fn expired_browser(world: &World, subject: &str) -> (Browser, SessionHandle) {
    let browser = Browser::logged_in(world, subject).await;
    world.clock.advance(ACCESS_LIFETIME);
    let session = session_of(&browser);
    world.take_events();
    world.store.take_calls();
    (browser, session)
}

/// Lets the access token expire, and sends a request that refreshes it.
pub async fn refresh(world: &World, browser: &mut Browser) -> Response<Bytes> {
    world.clock.advance(ACCESS_LIFETIME);
    let response = browser.get(world, "/me").await;
    assert_eq!(response.status(), 200, "{response:?}");
    response
}

/// A request that presents this refresh token and nothing else.
pub fn with_refresh(path: &str, refresh: &str) -> Request<()> {
    request(path, &[("cookie", &format!("{REFRESH}={refresh}"))])
}

pub fn with_bearer(path: &str, access: &str) -> Request<()> {
    request(path, &[("authorization", &format!("Bearer {access}"))])
}

/// As a browser sends it when the user navigates to a page.
pub fn as_navigation(mut request: Request<()>) -> Request<()> {
    for (name, value) in
        [("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

/// The `Max-Age` of the cookie `name` that a response sets.
pub fn max_age(response: &Response<Bytes>, name: &str) -> Option<u64> {
    let cookies = response.headers().get_all("set-cookie").iter();
    let mut cookies = cookies.map(|header| cookie::Cookie::parse(header.to_str().unwrap()).unwrap());
    let max_age = cookies.find(|cookie| cookie.name() == name)?.max_age().unwrap();
    u64::try_from(max_age.whole_seconds()).ok()
}

/// Whether a response neither sets nor removes a cookie, nor carries an access token.
pub fn carries_nothing(response: &Response<Bytes>) -> bool {
    !response.headers().contains_key("set-cookie") && !response.headers().contains_key("x-access-token")
}

/// Changes a stored row directly in the store.
pub async fn alter_row(world: &World, session: SessionHandle, change: impl FnOnce(&mut SessionRow)) {
    let mut row = world.store.row(session).await.unwrap();
    change(&mut row);
    assert!(world.store.inner.compare_and_swap(&row, row.version + 1).await.unwrap());
}

/// Polls once, and does not ask to be woken.
pub fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.now_or_never().map_or(Poll::Pending, Poll::Ready)
}

/// Polls until the future makes no more progress by itself.
pub fn poll_until_stuck<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    (0..20).map(|_| poll_once(future)).find(Poll::is_ready).unwrap_or(Poll::Pending)
}

/// Lets the tasks that were spawned run as far as they can.
pub async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
