//! Logins and refreshes that navigations start, and requests that are neither navigations nor fetches of the page.

use serde_json::json;
use tower_refresh::event::EventKind;

use super::{
    app::App,
    support::{ACCESS_COOKIE, Bound, REFRESH, REGISTER},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_by_a_form_registers_a_key() {
    let app = App::start("form.test").await;
    app.browser.open(&app.url("/")).await;
    assert_eq!(app.user().await, "anonymous");
    app.follow("#login").await;
    app.until_registered().await;
    assert_eq!(app.ceremonies(), [vec![200], vec![]]);
    app.forget_access().await;
    app.follow("a").await;
    assert_eq!(app.user().await, "alice, bound: true");
    // A form with a body waits for the refresh too.
    app.forget_access().await;
    app.follow("#send").await;
    assert_eq!(app.user().await, "alice, bound: true");
    assert_eq!(app.ceremonies(), [vec![200], vec![200, 200]]);
    app.assert_no_logout();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_at_the_callback_of_another_site_registers_a_key() {
    let app = App::start("callback.test").await;
    app.browser.open(&app.link_to("/callback")).await;
    app.follow("a").await;
    app.until_registered().await;
    let registration = &app.proxy.exchanges(REGISTER)[0];
    assert!(!registration.request.contains_key("cookie"), "the browser sends none there");
    app.forget_access().await;
    app.follow("a").await;
    assert_eq!(app.user().await, "alice, bound: true");
    assert_eq!(app.ceremonies(), [vec![200], vec![200]]);
    app.assert_no_logout();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_link_on_another_site_arrives_logged_in() {
    let bound = Bound::confirmed("link.test").await;
    bound.forget_access().await;
    bound.browser.open(&bound.url_at("elsewhere.test", "/healthz")).await;
    let link = format!(
        "const link = document.createElement('a');
         link.href = '{}';
         document.body.append(link);
         setTimeout(() => link.click(), 0);",
        bound.url("/page")
    );
    bound.browser.run(&link).await;
    bound.browser.until("the page comes", "return location.pathname === '/page'").await;
    assert!(bound.browser.text("body").await.contains("You are logged in as alice"));
    let refresh = bound.proxy.exchanges(REFRESH).pop().unwrap();
    assert_eq!((refresh.status, bound.refreshes().len()), (200, 2));
    assert!(!refresh.request.contains_key("cookie"), "a refresh that another site started has no Lax cookie");
    assert!(bound.browser.cookie(ACCESS_COOKIE).await.is_some());
    bound.browser.open(&bound.url("/")).await;
    bound.refresh().await;
    bound.assert_no_logout(&[]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_websocket_opens_after_a_refresh() {
    let bound = Bound::start("socket.test").await;
    // The proxy opens no WebSockets.
    bound.browser.open(&bound.demo.url_at("socket.test")).await;
    bound.log_in("alice").await;
    let echo = "const socket = new WebSocket(`wss://${location.host}/ws`);
         return await new Promise((resolve, reject) => {
             socket.onopen = () => socket.send('hello');
             socket.onmessage = (event) => resolve(event.data);
             socket.onerror = () => reject(new Error('refused'));
         })";
    for proofs in 1..=2 {
        bound.forget_access().await;
        assert_eq!(bound.browser.run(echo).await, "alice: hello");
        assert_eq!(bound.demo.events("device_proven"), proofs);
    }
    assert_eq!(bound.sessions().await, json!([[true, true]]));
    bound.assert_no_logout(&[]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn requests_that_a_service_worker_passes_on_are_refreshed() {
    let app = App::with_worker("worker.test", "/worker.js").await;
    app.forget_access().await;
    app.follow("#send").await;
    assert_eq!(app.user().await, "alice, bound: true");
    app.forget_access().await;
    let twenty = "const one = async () => (await fetch('/', { cache: 'no-store' })).text();
         const pages = await Promise.all(Array.from({ length: 20 }, one));
         return pages.filter((page) => page.includes('alice, bound: true')).length";
    assert_eq!(app.browser.run(twenty).await, 20);
    assert_eq!(app.ceremonies(), [vec![200], vec![200; 2]]);
    app.assert_no_logout();

    // What a worker makes of a link on another site is no navigation to the browser. It refreshes, and keeps no cookie of the response.
    app.forget_access().await;
    app.browser.open(&app.link_to("/account")).await;
    app.follow("a").await;
    let request = app.proxy.exchanges("/account").pop().unwrap();
    let skipped = request.request["secure-session-skipped"].to_str().unwrap();
    assert!(skipped.starts_with("server_error"), "{skipped}");
    assert_eq!((request.status, request.response["retry-after"].to_str().unwrap()), (503, "10"));
    // The session goes on.
    app.browser.run("setTimeout(() => location.reload(), 0)").await;
    app.browser.until("the page comes", "return document.title === 'account'").await;
    assert_eq!(app.user().await, "alice");
    assert_eq!(
        app.ceremonies(),
        [vec![200], vec![200, 200, 200, 403, 200]],
        "it lacked the challenge as well"
    );
    let ended = app.events().into_iter().find(|event| matches!(event, EventKind::End(_)));
    assert_eq!(ended, None);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_link_on_another_site_arrives_logged_in_where_the_browser_sends_navigations_beside_the_worker() {
    for (host, worker) in [("preloading.test", "/preloading.js"), ("modest.test", "/modest.js")] {
        let app = App::with_worker(host, worker).await;
        app.forget_access().await;
        app.browser.open(&app.link_to("/")).await;
        app.follow("a").await;
        assert_eq!(app.user().await, "alice, bound: true", "{worker}");
        app.forget_access().await;
        app.follow("#send").await;
        assert_eq!(app.user().await, "alice, bound: true", "{worker}");
        assert_eq!(app.ceremonies(), [vec![200], vec![200, 200]], "{worker}");
        app.assert_no_logout();
    }
}
