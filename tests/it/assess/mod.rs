//! The application's assessment of refreshes: which of them it sees, and what its answers change.

mod failures;
mod native;
mod objections;
mod shared;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::{Assessment, FeedLossPolicy, RejectionKind, SessionHandle, Timestamp, event::TokenClass};

use crate::support::{
    Browser, World,
    probe::{ACCESS_LIFETIME, MILLISECOND, session_of},
};

/// What the application has seen of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    subject: String,
    session: SessionHandle,
    class: TokenClass,
    at: Timestamp,
    rotated_at: Timestamp,
    ip: Option<String>,
    user_agent: Option<String>,
    at_login: Option<String>,
}

type Log = Arc<Mutex<Vec<Seen>>>;

/// A world that answers the requests of `STRANGER` with this assessment, or with a panic, and allows all others.
fn world_with(answer: Option<Assessment>, policy: FeedLossPolicy) -> (World, Log) {
    let log = Log::default();
    let seen = log.clone();
    let world = World::with(|builder| {
        builder
            .feed_loss_policy(policy)
            .client_ip(|headers, _| headers.get("x-ip")?.to_str().ok()?.parse().ok())
            .assess(move |attempt| {
                seen.lock().unwrap().push(Seen {
                    subject: attempt.subject().to_string(),
                    session: attempt.session().handle(),
                    class: attempt.class(),
                    at: attempt.at(),
                    rotated_at: attempt.rotated_at(),
                    ip: attempt.ip().map(|ip| ip.to_string()),
                    user_agent: attempt.user_agent().map(str::to_owned),
                    at_login: attempt.session().user_agent().map(str::to_owned),
                });
                if attempt.user_agent() == Some(STRANGER) {
                    answer.expect("the assessment panics on demand")
                } else {
                    Assessment::Allow
                }
            })
    });
    (world, log)
}

fn world(answer: Option<Assessment>) -> World {
    world_with(answer, FeedLossPolicy::GoOn).0
}

const STRANGER: &str = "stranger";

fn from_stranger(mut request: Request<()>) -> Request<()> {
    request.headers_mut().insert("user-agent", STRANGER.parse().unwrap());
    request
}

fn kind(response: &Response<Bytes>) -> Option<&RejectionKind> {
    response.extensions().get::<tower_refresh::Rejection>().map(tower_refresh::Rejection::kind)
}

#[tokio::test]
async fn the_application_sees_the_login_and_this_request() {
    let (world, log) = world_with(Some(Assessment::Allow), FeedLossPolicy::GoOn);
    let headers = |agent| [("user-agent", agent), ("x-ip", "192.0.2.1")];
    let mut browser = Browser::new();
    browser.keep(world.send(crate::support::request("/login/alice", &headers("Fire\tfox"))).await.headers());
    let session = session_of(&browser);
    let login = world.auth.now();
    world.clock.advance(ACCESS_LIFETIME + MILLISECOND);
    let mut request = browser.request("/me");
    let long = format!("Fire\tfox{}", "x".repeat(1000));
    request.headers_mut().insert("user-agent", long.parse().unwrap());
    request.headers_mut().insert("x-ip", "198.51.100.7".parse().unwrap());
    let now = world.auth.now();
    world.send(request).await;
    let [seen] = &log.lock().unwrap()[..] else { panic!("{log:?}") };
    let expected = Seen {
        subject: "alice".to_owned(),
        session,
        class: TokenClass::Current,
        at: now,
        rotated_at: login,
        ip: Some("198.51.100.7".to_owned()),
        // As that of the login: without control characters, cut to 256 bytes before.
        user_agent: Some(format!("Firefox{}", "x".repeat(256 - "Fire\tfox".len()))),
        at_login: Some("Firefox".to_owned()),
    };
    assert_eq!(*seen, expected);
}
