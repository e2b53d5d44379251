//! Answers that are lost, and a store that does not respond.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{
    super::super::stores::support::Node,
    support::{ACCESS_COOKIE, Bound, REFRESH, REGISTER},
};

/// Chromium repeats a request whose connection was used before and is closed without a response: at most once for each that it has.
const REPETITIONS: u32 = 12;

/// Whether it is a request that may be repeated later, or a refresh whose proof was accepted before: the next challenge was lost with the
/// response.
fn is_temporary((path, status): &(String, u16)) -> bool {
    match path.as_str() {
        REFRESH => *status == 403,
        _ => *status == 503,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_registration_whose_answers_are_lost_costs_no_login() {
    let bound = Bound::start("unregistered.test").await;
    for nth in 1..=REPETITIONS {
        bound.proxy.lose(REGISTER, nth);
    }
    bound.browser.log_in("alice").await;
    let events = bound.browser.until_session_event("creation").await;
    assert!(events.iter().all(|event| event.kind != "creation" || !event.succeeded), "{events:?}");
    bound.proxy.lose_no_more();
    let lost = bound.proxy.exchanges(REGISTER);
    assert!(!lost.is_empty() && lost.iter().all(|exchange| exchange.is_lost && exchange.status == 200));
    assert_eq!(bound.demo.events("device_bound"), 1, "the server has a key, and the browser does not know");

    for _ in 0..3 {
        bound.forget_access().await;
        assert_eq!(bound.me().await[0], 200, "the refresh token refreshes as ever");
        assert!(bound.browser.cookie(ACCESS_COOKIE).await.is_some());
    }
    assert_eq!(bound.sessions().await, json!([[true, false]]));
    assert!(bound.refreshes().is_empty());
    bound.assert_no_logout(&[]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn one_lost_answer_to_a_registration_is_repeated() {
    let bound = Bound::start("repeated.test").await;
    bound.proxy.lose(REGISTER, 1);
    bound.browser.log_in("alice").await;
    let events = bound.browser.until_session_event("creation").await;
    assert!(events.iter().any(|event| event.kind == "creation" && event.succeeded), "{events:?}");
    // With the same key.
    assert_eq!(bound.registrations(), [200, 200]);
    assert_eq!(bound.demo.events("device_bound"), 1);
    bound.refresh().await;
    bound.assert_no_logout(&[]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn refreshes_whose_answers_are_lost_keep_the_session() {
    let bound = Bound::confirmed("lost.test").await;
    for nth in 1..=REPETITIONS {
        bound.proxy.lose(REFRESH, nth);
    }
    bound.browser.session_events().await;
    bound.forget_access().await;
    // The browser says that it could not refresh, so the user is not sent to log in.
    assert_eq!(bound.me().await[0], 503);
    let request = bound.proxy.exchanges("/me").pop().unwrap();
    let skipped = request.request["secure-session-skipped"].to_str().unwrap();
    assert!(skipped.starts_with("unreachable"), "{skipped}");
    assert_eq!(request.response["retry-after"], "10");
    let events = bound.browser.until_session_event("refresh").await;
    assert!(events.iter().all(|event| !event.succeeded), "{events:?}");
    bound.proxy.lose_no_more();
    assert_eq!(bound.me().await, json!([200, "alice", true]));

    let refreshes = bound.proxy.exchanges(REFRESH);
    let last = refreshes.last().unwrap();
    assert!(!last.is_lost && last.status == 200, "{refreshes:?}");
    let rejected = bound.proxy.rejected();
    assert!(rejected.iter().all(is_temporary), "{rejected:?}");
    assert_eq!((bound.demo.events("end"), bound.demo.events("reuse")), (0, 0));
    assert_eq!(bound.sessions().await, json!([[true, true]]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromedriver and redis-server"]
async fn a_store_that_does_not_respond_for_twenty_seconds_costs_no_login() {
    let redis = Node::redis();
    let arguments = ["--device-bound", "enforce", "--store", &redis.url()];
    let bound = Bound::start_with("store.test", &arguments).await;
    bound.log_in("alice").await;
    bound.refresh().await;

    bound.forget_access().await;
    redis.freeze();
    let frozen = tokio::time::Instant::now();
    while frozen.elapsed() < Duration::from_secs(20) {
        assert_eq!(bound.me().await[0], 503);
        sleep(Duration::from_secs(1)).await;
    }
    redis.thaw();
    bound.browser.until("the store is back", "return (await fetch('/me')).status === 200").await;
    assert_eq!(bound.me().await, json!([200, "alice", true]));
    let refreshes = bound.refreshes();
    assert!(refreshes.len() >= 5, "the browser asks at each request: {refreshes:?}");
    let rejected = bound.proxy.rejected();
    assert!(rejected.iter().all(is_temporary), "{rejected:?}");
    assert_eq!((bound.demo.events("end"), bound.demo.events("reuse")), (0, 0));
    bound.refresh().await;
}
