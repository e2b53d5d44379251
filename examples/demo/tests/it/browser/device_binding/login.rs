//! A login binds the session, and the browser refreshes it.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::support::{ACCESS_COOKIE, Bound, REFRESH, REFRESH_COOKIE};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_by_fetch_registers_a_key_and_the_first_refresh_confirms_it() {
    let bound = Bound::registered("login.test").await;
    let login = &bound.proxy.exchanges("/login")[0];
    assert_eq!(login.response.get_all("secure-session-registration").iter().count(), 1);
    assert_eq!((bound.registrations(), bound.refreshes()), (vec![200], vec![]));
    assert_eq!(bound.me().await, json!([200, "alice", true]));
    assert_eq!(bound.sessions().await, json!([[true, false]]), "it counts from the first proof on");
    assert_eq!((bound.demo.events("device_bound"), bound.demo.events("device_proven")), (1, 0));

    // The challenge for the first proof was in the registration's response.
    bound.refresh().await;
    assert_eq!(bound.sessions().await, json!([[true, true]]));
    assert_eq!((bound.demo.events("device_bound"), bound.demo.events("device_proven")), (1, 1));
    assert!(bound.browser.cookie(ACCESS_COOKIE).await.is_some());
    assert_eq!(bound.registrations(), [200]);
    bound.assert_no_logout(&[]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn twenty_parallel_requests_with_an_expired_token_lead_to_one_refresh() {
    let bound = Bound::registered("parallel.test").await;
    let all = "const one = async () => (await fetch('/me', { cache: 'no-store' })).status;
         return await Promise.all(Array.from({ length: 20 }, one))";
    for refreshes in 1..=3 {
        bound.forget_access().await;
        assert_eq!(bound.browser.run(all).await, json!(vec![200; 20]));
        // Each response had the challenge for the next proof.
        assert_eq!(bound.refreshes(), vec![200; refreshes]);
    }
    assert_eq!(bound.demo.requests("refreshed"), 0, "no other request refreshed the session");
    bound.assert_no_logout(&[]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn requests_with_a_valid_access_cookie_lead_to_no_refresh() {
    let bound = Bound::confirmed("valid.test").await;
    for _ in 0..10 {
        assert_eq!(bound.me().await, json!([200, "alice", true]));
    }
    // As the module of pages asks for a token.
    let refresh = "const { exp } = await (await fetch('/me')).json();
         const { access_token } = await (await fetch('/auth/refresh', { method: 'POST' })).json();
         const payload = access_token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
         return JSON.parse(atob(payload)).exp - exp";
    assert!(bound.browser.run(refresh).await.as_i64().unwrap() <= 0, "it ends no later than the cookie's");
    assert_eq!(bound.me().await, json!([200, "alice", true]));
    assert_eq!(bound.refreshes(), [200]);
    bound.assert_no_logout(&[]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_logout_ends_the_session_and_the_browser_forgets_it() {
    let bound = Bound::confirmed("logout.test").await;
    bound.assert_no_logout(&[]);
    let logout = "return (await fetch('/auth/logout', { method: 'POST' })).status";
    assert_eq!(bound.browser.run(logout).await, 204);
    bound.browser.session_events().await;
    assert_eq!(bound.me().await, json!([401, null, null]));
    let events = bound.browser.until_session_event("termination").await;
    assert!(events.iter().any(|event| event.kind == "termination"), "{events:?}");
    assert_eq!(bound.me().await, json!([401, null, null]));
    assert_eq!(bound.refreshes(), [200, 401], "the browser asks once more");

    // The next login is bound like the first.
    bound.log_in("alice").await;
    bound.refresh().await;
    assert_eq!(bound.demo.events("end"), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_second_login_replaces_the_session_and_its_key() {
    let bound = Bound::confirmed("second.test").await;
    bound.log_in("alice").await;
    assert_eq!((bound.registrations(), bound.me().await), (vec![200, 200], json!([200, "alice", true])));

    // The older session is over. The browser refreshes one after the other until it has the cookie, so it learns that while the
    // request waits, or not at all.
    for _ in 0..2 {
        bound.forget_access().await;
        assert_eq!(bound.me().await, json!([200, "alice", true]));
        assert_eq!(bound.sessions().await, json!([[true, true]]));
    }
    assert_eq!(bound.refreshes().iter().filter(|status| **status == 200).count(), 3);
    let rejected = bound.proxy.rejected();
    assert!(rejected.is_empty() || rejected == [(REFRESH.to_owned(), 401)], "{rejected:?}");
    assert_eq!((bound.demo.events("device_unproven"), bound.demo.events("reuse")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_reauthentication_binds_the_session_that_replaces_the_former_one() {
    let bound = Bound::confirmed("again.test").await;
    bound.browser.session_events().await;
    let reauthenticate = "const headers = { 'content-type': 'application/json' };
         const body = JSON.stringify({ password: 'alice-password' });
         return (await fetch('/reauthenticate', { method: 'POST', headers, body })).status";
    assert_eq!(bound.browser.run(reauthenticate).await, 200);
    bound.until_registered().await;
    assert_eq!(bound.registrations(), [200, 200]);
    bound.forget_access().await;
    assert_eq!(bound.me().await, json!([200, "alice", true]));
    assert_eq!(bound.sessions().await, json!([[true, true]]));
    let rejected = bound.proxy.rejected();
    assert!(rejected.is_empty() || rejected == [(REFRESH.to_owned(), 401)], "{rejected:?}");
    assert_eq!((bound.demo.events("device_unproven"), bound.demo.events("reuse")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_whose_offer_was_lost_is_bound_with_a_later_page() {
    let bound = Bound::start("later.test").await;
    let (_, token) = bound.demo.log_in_elsewhere("alice");
    bound.browser.set_cookie(&bound.url("/"), REFRESH_COOKIE, &token).await;
    assert_eq!(bound.me().await, json!([200, "alice", false]));
    // The first registration might still be on its way.
    bound.browser.open(&bound.url("/")).await;
    assert!(bound.registrations().is_empty());

    sleep(Duration::from_secs(6)).await;
    bound.browser.session_events().await;
    bound.browser.open(&bound.url("/")).await;
    bound.until_registered().await;
    assert_eq!(bound.registrations(), [200]);
    bound.refresh().await;
    bound.assert_no_logout(&[]);
}
