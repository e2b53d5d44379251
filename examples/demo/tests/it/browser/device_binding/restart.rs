//! The browser ends and starts again.

use serde_json::json;

use super::support::{ACCESS_COOKIE, Bound, REFRESH, REFRESH_COOKIE};

/// Until Chromium has written the session and its key to its profile.
const WRITTEN: std::time::Duration = std::time::Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_remembered_session_and_its_key_are_kept() {
    let mut bound = Bound::confirmed("remembered.test").await;
    tokio::time::sleep(WRITTEN).await;
    bound.browser.restart().await;
    bound.browser.open(&bound.url("/")).await;
    assert_eq!(bound.me().await, json!([200, "alice", true]));
    // It has not kept the challenge, and is given one.
    bound.forget_access().await;
    assert_eq!(bound.me().await, json!([200, "alice", true]));
    assert_eq!((bound.registrations(), bound.refreshes()), (vec![200], vec![200, 403, 200]));
    assert_eq!(bound.sessions().await, json!([[true, true]]));
    bound.assert_no_logout(&[(REFRESH, 403)]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_that_is_not_remembered_is_never_bound_and_ends_with_the_browser() {
    let mut bound = Bound::start("forgotten.test").await;
    let login = "const form = { username: 'alice', password: 'alice-password', remember: false };
         const headers = { 'content-type': 'application/json' };
         return (await fetch('/login', { method: 'POST', headers, body: JSON.stringify(form) })).status";
    assert_eq!(bound.browser.run(login).await, 200);
    for _ in 0..3 {
        bound.forget_access().await;
        assert_eq!(bound.me().await, json!([200, "alice", false]));
    }
    assert!(!bound.proxy.exchanges("/login")[0].response.contains_key("secure-session-registration"));
    assert_eq!((bound.registrations(), bound.refreshes()), (vec![], vec![]));
    bound.assert_no_logout(&[]);

    tokio::time::sleep(WRITTEN).await;
    bound.browser.restart().await;
    bound.browser.open(&bound.url("/")).await;
    assert_eq!(bound.browser.cookie(ACCESS_COOKIE).await, None);
    assert_eq!(bound.browser.cookie(REFRESH_COOKIE).await, None);
    assert_eq!(bound.me().await, json!([401, null, null]));
    assert_eq!(bound.demo.events("end"), 0);
}
