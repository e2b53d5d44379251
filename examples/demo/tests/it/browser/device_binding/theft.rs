//! A thief copies the cookies of the browser.

use serde_json::json;

use super::support::{ACCESS_COOKIE, Bound, REFRESH, REFRESH_COOKIE, REGISTER};

/// Every route that needs a user, or that exchanges a refresh token.
const ROUTES: [(&str, &str, &str); 17] = [
    ("GET", "me", ""),
    ("GET", "page", ""),
    ("GET", "recent?max=100000", ""),
    ("GET", "admin", ""),
    ("GET", "slow?ms=0", ""),
    ("GET", "stream", ""),
    ("GET", "ws", ""),
    ("POST", "echo", "{}"),
    ("POST", "reauthenticate", r#"{"password":"alice-password"}"#),
    ("PUT", "tenant/mine", ""),
    ("PATCH", "users/alice", "{}"),
    ("GET", "auth/sessions", ""),
    ("DELETE", "auth/sessions/unknown", ""),
    ("POST", "auth/refresh", ""),
    ("POST", "auth/logout-everywhere", ""),
    ("POST", "demo/steal", ""),
    ("POST", "demo/steal/use-copy", ""),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn copied_cookies_are_refused_on_every_route_from_the_first_proof_on() {
    let bound = Bound::registered("theft.test").await;
    let copy = bound.browser.cookie(REFRESH_COOKIE).await.unwrap();
    let cookies = format!("{REFRESH_COOKIE}={copy}");
    let before = bound.demo.send_from_elsewhere("GET", "me", &cookies, "");
    assert_eq!(before.status(), 200, "before the first proof the token refreshes as ever");
    assert!(before.headers().contains_key("set-cookie"));

    bound.refresh().await;
    for (method, path, body) in ROUTES {
        let response = bound.demo.send_from_elsewhere(method, path, &cookies, body);
        // A WebSocket and a page say it in their own way.
        let refused: &[u16] = if path == "auth/sessions/unknown" { &[400, 401, 404] } else { &[401] };
        assert!(refused.contains(&response.status().as_u16()), "{method} {path}: {}", response.status());
        for header in ["set-cookie", "x-access-token"] {
            assert!(!response.headers().contains_key(header), "{method} {path}: {header}");
        }
    }
    for path in ["public", "optional"] {
        let mut response = bound.demo.send_from_elsewhere("GET", path, &cookies, "");
        assert_eq!(response.status(), 200, "{path}");
        assert!(!response.headers().contains_key("set-cookie"), "{path}");
        let user = response.body_mut().read_to_string().unwrap();
        assert_eq!(user, r#"{"authenticated":false,"sub":null}"#, "{path}");
    }
    let exchange = bound.demo.exchange(&copy);
    assert_eq!(exchange, 400, "for native clients: invalid_grant");
    assert!(bound.demo.events("device_unproven") > 0);

    // The user notices nothing of it.
    bound.refresh().await;
    assert_eq!(bound.sessions().await, json!([[true, true]]));
    assert_eq!(bound.proxy.rejected(), []);
    assert_eq!((bound.demo.events("end"), bound.demo.events("reuse")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn what_the_browser_sent_to_the_device_routes_is_worth_nothing_again() {
    let bound = Bound::confirmed("replay.test").await;
    let copy = bound.browser.cookie(REFRESH_COOKIE).await.unwrap();
    let cookies = format!("{REFRESH_COOKIE}={copy}");
    for path in [REGISTER, REFRESH] {
        let request = &bound.proxy.exchanges(path)[0].request;
        for cookies in ["", &cookies] {
            let response = bound.demo.repeat(path, request, cookies);
            assert_eq!(response.status(), 403, "{path} with {cookies:?}");
            assert!(!response.headers().contains_key("set-cookie"), "{path} with {cookies:?}");
        }
    }
    // The proofs that come after it are valid.
    bound.refresh().await;
    assert_eq!(bound.proxy.rejected(), []);
    assert_eq!((bound.demo.events("end"), bound.demo.events("device_unproven")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn the_page_shows_that_a_stolen_cookie_is_refused_at_once() {
    let bound = Bound::start("page.test").await;
    let browser = &bound.browser;
    browser.click("[data-user=alice]").await;
    let device =
        |text: &str| format!("return document.getElementById('device').textContent.startsWith('{text}')");
    browser.until("the session is bound", &device("Bound to this device. It counts")).await;
    browser.click("#expire").await;
    browser
        .until(
            "it is removed",
            "return /demo.expire.*204/.test(document.querySelector('#log tr').textContent)",
        )
        .await;
    assert_eq!(browser.cookie(ACCESS_COOKIE).await, None);
    browser.click("#one").await;
    browser.until("the first proof counts", &device("Bound to this device: the browser proves")).await;
    assert!(browser.text("#sessions").await.contains("bound to its device"));

    browser.click("#steal").await;
    browser
        .until(
            "the user goes on",
            "return /You send a request: 200/.test(document.getElementById('story').textContent)",
        )
        .await;
    let story = browser.text("#story").await;
    assert!(story.contains("The thief sends T0") && story.contains(": 401"), "{story}");
    assert_eq!(browser.text("#thief-holds").await, "nothing");
    assert_eq!(bound.me().await, json!([200, "alice", true]));
    assert_eq!(bound.proxy.rejected(), []);
    assert_eq!(bound.demo.events("end"), 0);
    assert!(bound.demo.events("device_unproven") > 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn the_page_shows_that_the_first_proof_ends_an_earlier_theft() {
    let bound = Bound::start("early.test").await;
    let browser = &bound.browser;
    browser.click("[data-user=alice]").await;
    let is_bound = "return document.getElementById('device').textContent.startsWith('Bound to')";
    browser.until("the session is bound", is_bound).await;
    browser.click("#steal").await;
    browser.until("the owner's turn comes", "return !document.getElementById('come-back').disabled").await;
    browser.click("#come-back").await;
    let refused = "return /The thief sends T2: 401/.test(document.getElementById('story').textContent)";
    browser.until("the thief is refused", refused).await;
    assert!(browser.text("#story").await.contains("Your browser proves its key: 200"));
    bound.refresh().await;
    assert_eq!(bound.proxy.rejected(), []);
    assert_eq!(bound.demo.events("end"), 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn where_proofs_are_observed_a_reused_token_ends_the_session_as_ever() {
    let bound = Bound::start_with("observed.test", &[]).await;
    bound.log_in("alice").await;
    bound.refresh().await;
    let steps =
        bound.browser.run("return (await fetch('/demo/steal/use-copy', { method: 'POST' })).json()").await;
    assert_eq!((&steps[0]["status"], &steps[1]["status"]), (&json!(200), &json!(200)), "{steps}");
    bound.forget_access().await;
    assert_eq!(bound.me().await, json!([401, null, null]));
    assert_eq!(bound.refreshes(), [200, 401]);
    assert_eq!((bound.demo.events("reuse"), bound.demo.events("end")), (1, 1));
}
