//! The module `js/tower-refresh.js` while the user of the browser changes.

use serde_json::json;

use super::{
    module::{HEADER_ONLY, ME, heard, load, page, sent},
    support::{Browser, Demo, Site},
};

/// Logs this user in with the module.
fn adopt(user: &str) -> String {
    format!(
        "const headers = {{ 'content-type': 'application/json' }};
         const body = JSON.stringify({{ username: '{user}', password: '{user}-password' }});
         auth.adopt(await (await fetch('/login', {{ method: 'POST', headers, body }})).json());"
    )
}

const WHO: &str = "return (await (await auth.fetch('/me')).json()).sub";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn another_users_login_is_reported_in_every_tab() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    load(&browser, &json!({})).await;
    let tabs = browser.second_tab(&page(&demo)).await;
    load(&browser, &json!({})).await;

    for user in ["alice", "bob", "alice"] {
        tabs.first(&browser).await.run(&adopt(user)).await;
        let login = json!([format!("login {user}")]);
        assert_eq!(heard(&browser).await, login);
        assert_eq!(browser.run(WHO).await, user);
        tabs.second(&browser)
            .await
            .until("the second tab is notified", &format!("return auth.subject === '{user}'"))
            .await;
        assert_eq!(heard(&browser).await, login);
        assert_eq!(browser.run(WHO).await, user);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_without_the_module_is_reported_at_the_next_refresh_and_no_request_is_repeated() {
    let demo = Demo::start(&HEADER_ONLY);
    let first = std::sync::OnceLock::<String>::new();
    let service = Site::start(move |token| first.get_or_init(|| token.to_owned()) == token).await;
    let url = format!("http://{}", service.address);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    load(&browser, &json!({ "services": [url] })).await;
    browser.run(&adopt("alice")).await;
    let tabs = browser.second_tab(&page(&demo)).await;
    browser.log_in("bob").await;

    let transfer =
        format!("return (await auth.fetch('{url}/service', {{ method: 'POST', body: 'transfer' }})).status");
    assert_eq!(tabs.first(&browser).await.run(&transfer).await, 401);
    assert_eq!(service.tokens().len(), 1, "alice's request is not sent for bob");
    assert_eq!(heard(&browser).await, json!(["login alice", "login bob"]));
    assert_eq!(browser.run(&transfer).await, 200, "the user's next decision is");
    assert_eq!(browser.run(WHO).await, "bob");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn the_server_repeats_no_request_for_another_user_either() {
    let demo = Demo::start(&["--access-cookie", "off", "--refresh-ahead", "0", "--access-ttl", "2s"]);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    load(&browser, &json!({})).await;
    browser.run(&adopt("alice")).await;
    // A login ends the session whose cookie it replaces. Without the cookie, only the expiry of her token counts.
    browser.client.delete_cookie("__Host-refresh").await.unwrap();
    browser.log_in("bob").await;
    assert_eq!(demo.events("end"), 0);
    let expired = "return Date.now() > (window.expiry ??= Date.now() + 3000)";
    browser.until("alice's token expires", expired).await;
    assert_eq!(browser.run(ME).await, 401);
    assert_eq!(sent(&browser).await, json!(["/login", "/login", "/me", "/auth/refresh"]));
    assert_eq!(heard(&browser).await, json!(["login alice", "login bob"]));
    assert_eq!(browser.run(WHO).await, "bob");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_page_from_the_back_forward_cache_finds_out_who_is_logged_in() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    load(&browser, &json!({})).await;
    browser.run(&adopt("alice")).await;
    browser.run("addEventListener('pageshow', ({ persisted }) => { window.persisted = persisted; })").await;
    // Another page of the application, without the module.
    browser.run("setTimeout(() => { location.href = '/optional'; }, 0)").await;
    browser.until("the other page comes", "return location.pathname === '/optional' && !window.auth").await;
    browser.log_in("bob").await;
    browser.run("setTimeout(() => history.back(), 0)").await;
    browser.until("the first page returns", "return window.auth && location.pathname === '/healthz'").await;
    assert_eq!(browser.run("return persisted").await, true, "from the cache");
    browser.until("the change is reported", "return auth.subject === 'bob'").await;
    assert_eq!(heard(&browser).await, json!(["login alice", "login bob"]));
    assert_eq!(browser.run(WHO).await, "bob");
    assert_eq!(sent(&browser).await, json!(["/login", "/auth/refresh", "/me"]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn only_a_token_response_is_adopted() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    load(&browser, &json!({})).await;
    browser.run(&adopt("alice")).await;
    let refused = "const headers = { 'content-type': 'application/json' };
         const failed = await fetch('/login', { method: 'POST', headers, body: '{\"username\":\"alice\",\"password\":\"wrong\"}' });
         const wrong = [await failed.json(), await fetch('/healthz'), fetch('/healthz'), undefined];
         return wrong.map((argument) => { try { return auth.adopt(argument); } catch (error) { return error.name; } });";
    assert_eq!(browser.run(refused).await, json!(["TypeError", "TypeError", "TypeError", "TypeError"]));
    assert_eq!(heard(&browser).await, json!(["login alice"]));
    assert_eq!(browser.run(WHO).await, "alice", "her token is still there");
}
