//! What the module `js/tower-refresh.js` shares between tabs, workers and applications of one origin.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{
    module::{HEADER_ONLY, ME, heard, load, page, sent},
    support::{Browser, Demo},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_suspended_tab_delays_one_refresh_and_no_further_one() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    // What remains of a tab that is suspended during a refresh: it keeps its locks and answers nothing.
    browser
        .run(
            "for (const lock of ['', ' tab']) {
                 navigator.locks.request(`tower-refresh ${location.origin}/auth/refresh${lock}`, { mode: lock ? 'shared' : 'exclusive' },
                     () => new Promise(() => {})).catch(() => {});
             }",
        )
        .await;
    let _tabs = browser.second_tab(&page(&demo)).await;
    load(&browser, &json!({})).await;
    let started = Instant::now();
    assert_eq!(browser.run(ME).await, 200);
    let first = started.elapsed();
    assert!(first > Duration::from_secs(5), "the lock was taken: {first:?}");
    assert_eq!(browser.run("return auth.refresh()").await, true);
    let second = started.elapsed() - first;
    assert!(second < Duration::from_secs(4), "it was stolen: {second:?}");
    assert_eq!(sent(&browser).await, json!(["/auth/refresh", "/me", "/auth/refresh"]));
}

/// Two applications on one origin, in two tabs; returns what the second hears of the first one's refresh and logout.
async fn hears(demo: &Demo, ours: &Value, theirs: &Value) -> Value {
    let browser = Browser::start().await;
    browser.open(&page(demo)).await;
    browser.log_in("alice").await;
    load(&browser, ours).await;
    let tabs = browser.second_tab(&page(demo)).await;
    load(&browser, theirs).await;
    browser
        .run("const last = new BroadcastChannel('last'); window.last = new Promise((resolve) => { last.onmessage = resolve; })")
        .await;
    assert_eq!(tabs.first(&browser).await.run("return auth.refresh()").await, true);
    browser.run("await auth.logout(); new BroadcastChannel('last').postMessage(0);").await;
    assert_eq!(heard(&browser).await, json!(["login alice", "logout"]));
    // Chromium delivers the messages of one tab in order, whatever their channel.
    tabs.second(&browser).await.run("await last").await;
    heard(&browser).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn applications_of_one_origin_share_only_under_one_name() {
    let demo = Demo::start(&HEADER_ONLY);
    let rows = [
        (json!({}), json!({}), true, "one session"),
        (json!({}), json!({ "refreshPath": "/admin/auth/refresh" }), false, "two sessions"),
        (json!({ "name": "shop" }), json!({ "name": "admin" }), false, "two names"),
        (json!({ "name": "shop" }), json!({ "name": "shop", "refreshPath": "/x" }), true, "one name"),
    ];
    for (ours, theirs, is_shared, reason) in rows {
        let expected = if is_shared { json!(["login alice", "logout"]) } else { json!([]) };
        assert_eq!(hears(&demo, &ours, &theirs).await, expected, "{reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn after_close_a_logout_still_ends_the_session_in_all_tabs() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    load(&browser, &json!({})).await;
    assert_eq!(browser.run(ME).await, 200);
    let tabs = browser.second_tab(&page(&demo)).await;
    load(&browser, &json!({})).await;
    assert_eq!(browser.run(ME).await, 200);

    tabs.first(&browser).await.run("auth.close(); await auth.logout()").await;
    assert_eq!(browser.run("return auth.loggedIn").await, false);
    assert_eq!(browser.cookie("__Host-refresh").await, None);
    assert_eq!(demo.events("end"), 1);
    tabs.second(&browser).await.until("the second tab is notified", "return auth.loggedIn === false").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_worker_uses_it_as_a_page_does() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    load(&browser, &json!({})).await;
    assert_eq!(browser.run(ME).await, 200);
    let worker = "
        const script = `
            const origin = '${location.origin}';
            const { createAuth } = await import(origin + '/tower-refresh.js');
            const auth = createAuth();
            const sent = [];
            const send = self.fetch;
            self.fetch = (input, init) => { sent.push(new URL(input.url ?? input).pathname); return send(input, init); };
            const answer = await auth.fetch(origin + '/me');
            const first = [answer.status, auth.subject, sent];
            await auth.logout();
            postMessage(first);`;
        const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })), { type: 'module' });
        return new Promise((resolve, reject) => {
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = ({ message }) => reject(new Error(message));
        });";
    let answer = browser.run(worker).await;
    assert_eq!(answer, json!([200, "alice", ["/me", "/auth/logout"]]), "with the page's token");
    browser.until("the page is notified", "return auth.loggedIn === false").await;
    assert_eq!(heard(&browser).await, json!(["login alice", "logout"]));
}
