//! The module `js/tower-refresh.js`.

use serde_json::{Value, json};

use super::support::{Browser, Demo, Site};

/// No access cookie: only the module can authenticate requests.
pub(super) const HEADER_ONLY: [&str; 4] = ["--access-cookie", "off", "--access-ttl", "10m"];

/// A page without a content security policy: the policy of the demo's page forbids requests to other origins.
pub(super) fn page(demo: &Demo) -> String {
    format!("{}healthz", demo.url())
}

/// Creates `auth`, and `heard` with the changes that its listener received.
pub(super) async fn load(browser: &Browser, options: &Value) {
    browser
        .run(&format!(
            "const {{ createAuth }} = await import('/tower-refresh.js');
             window.auth = createAuth({options});
             window.heard = [];
             auth.onChange(({{ loggedIn, reason, subject }}) => heard.push(loggedIn ? `${{reason}} ${{subject}}` : reason));
             window.sent = [];
             const send = window.fetch;
             window.fetch = (input, init) => {{
                 sent.push(new URL(input.url ?? input, location).pathname);
                 return send(input, init);
             }};"
        ))
        .await;
}

/// The requests of the page since the last call, to any origin.
pub(super) async fn sent(browser: &Browser) -> Value {
    browser.run("return sent.splice(0)").await
}

/// The changes since the last call: their reasons, and the user who is logged in.
pub(super) async fn heard(browser: &Browser) -> Value {
    browser.run("return heard.splice(0)").await
}

pub(super) const ME: &str = "return (await auth.fetch('/me')).status";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn it_finds_the_session_with_one_refresh_for_all_requests() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    load(&browser, &json!({})).await;
    assert_eq!(browser.run("return auth.loggedIn === undefined").await, true);
    let statuses = "return (await Promise.all(Array.from({ length: 20 }, () => auth.fetch('/me')))).map(({ status }) => status)";
    assert_eq!(browser.run(statuses).await, json!(vec![200; 20]));
    let requests = sent(&browser).await;
    let refreshes = requests.as_array().unwrap().iter().filter(|path| *path == "/auth/refresh");
    assert_eq!((refreshes.count(), requests.as_array().unwrap().len()), (1, 21), "{requests}");
    assert_eq!(heard(&browser).await, json!(["login alice"]));
    assert_eq!(
        browser
            .run("return Object.values(auth).concat(JSON.stringify(auth)).some((value) => /ey/.test(value))")
            .await,
        false
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn the_server_renews_an_expired_token_in_the_same_request() {
    let demo = Demo::start(&["--access-cookie", "off", "--refresh-ahead", "0", "--access-ttl", "5s"]);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    load(&browser, &json!({})).await;
    let login = "const headers = { 'content-type': 'application/json' };
         const body = JSON.stringify({ username: 'alice', password: 'alice-password' });
         const answer = await auth.fetch('/login', { method: 'POST', headers, body });
         const tokens = await answer.json();
         auth.adopt(tokens);
         window.first = tokens.access_token;
         return [answer.status, auth.loggedIn];";
    assert_eq!(browser.run(login).await, json!([200, true]));
    assert_eq!(heard(&browser).await, json!(["ended", "login alice"]), "at first there is no session");
    browser.run("window.expired = JSON.parse(atob(first.split('.')[1])).exp * 1000").await;
    browser.until("the token expires", "return Date.now() > expired").await;

    browser.run("sent.length = 0").await;
    let renewed = "const answer = await auth.fetch('/me'); return [answer.status, answer.headers.has('x-access-token')]";
    assert_eq!(browser.run(renewed).await, json!([200, true]));
    assert_eq!(browser.run(renewed).await, json!([200, false]), "it is picked up");
    assert_eq!(sent(&browser).await, json!(["/me", "/me"]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_request_with_a_rejected_token_is_repeated_once_with_a_new_one() {
    let demo = Demo::start(&HEADER_ONLY);
    let first = std::sync::OnceLock::<String>::new();
    let once = Site::start(move |token| first.get_or_init(|| token.to_owned()) == token).await;
    let never = Site::start(|_| true).await;
    let (once_url, never_url) = (format!("http://{}", once.address), format!("http://{}", never.address));
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    load(&browser, &json!({ "services": [once_url, never_url] })).await;
    let calls = format!(
        "const calls = Array.from({{ length: 3 }}, (_, i) => auth.fetch('{once_url}/service', {{ method: 'POST', body: `${{i}}` }}));
         return (await Promise.all(calls)).map(({{ status }}) => status)"
    );
    assert_eq!(browser.run(&calls).await, json!([200, 200, 200]));
    let tokens = once.tokens();
    assert_eq!(tokens.len(), 6, "each is sent twice");
    let distinct: std::collections::HashSet<_> = tokens.iter().collect();
    assert_eq!(distinct.len(), 2, "one refresh serves all three");

    assert_eq!(browser.run(&format!("return (await auth.fetch('{never_url}/service')).status")).await, 401);
    assert_eq!(never.tokens().len(), 2, "there is no third try");
    assert_eq!(browser.run("return auth.loggedIn").await, true, "the session is unaffected");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn no_other_origin_is_sent_the_token() {
    let demo = Demo::start(&HEADER_ONLY);
    let (service, stranger) = (Site::start(|_| false).await, Site::start(|_| false).await);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    load(&browser, &json!({ "services": [format!("http://{}", service.address)] })).await;
    let asked = |site: &Site, path: &str| {
        format!(
            "return auth.fetch('http://{}{path}').then(({{ status }}) => status, () => 'failed')",
            site.address
        )
    };

    assert_eq!(browser.run(&asked(&service, "/service")).await, 200);
    assert!(service.tokens()[0].is_some());
    assert_eq!(browser.run(&asked(&stranger, "/service")).await, 401);
    assert_eq!(stranger.tokens(), [None]);
    // Another origin, in spite of the similar name.
    let alike = format!("http://localhost:{}/service", service.address.rsplit_once(':').unwrap().1);
    browser.run(&format!("await auth.fetch('{alike}').catch(() => {{}})")).await;
    assert_eq!(service.tokens().last().unwrap(), &None);
    let redirect = format!("/redirect?header=http://{}/service", stranger.address);
    assert_eq!(browser.run(&asked(&service, &redirect)).await, "failed");
    assert_eq!(stranger.tokens(), [None], "it is not followed");

    let own = format!(
        "return (await auth.fetch('http://{}/service', {{ headers: {{ authorization: 'Bearer mine' }} }})).status",
        service.address
    );
    assert_eq!(browser.run(&own).await, 200);
    assert_eq!(
        service.tokens().last().unwrap().as_deref(),
        Some("mine"),
        "the caller's own header is unchanged"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn tabs_share_a_token_and_a_logout() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    load(&browser, &json!({})).await;
    assert_eq!(browser.run(ME).await, 200);
    let tabs = browser.second_tab(&page(&demo)).await;
    load(&browser, &json!({})).await;
    assert_eq!(browser.run(ME).await, 200);
    assert_eq!(sent(&browser).await, json!(["/me"]), "the other tab had a token");
    assert_eq!(heard(&browser).await, json!(["login alice"]));

    tabs.first(&browser).await.run("heard.length = 0; await auth.logout()").await;
    assert_eq!(heard(&browser).await, json!(["logout"]));
    tabs.second(&browser).await.until("the second tab is notified", "return heard.length > 0").await;
    assert_eq!(heard(&browser).await, json!(["logout"]));
    browser.run("sent.length = 0").await;
    assert_eq!(browser.run(ME).await, 401);
    assert_eq!(sent(&browser).await, json!(["/me"]), "it asks for no token");

    let login = "const headers = { 'content-type': 'application/json' };
         const body = JSON.stringify({ username: 'bob', password: 'bob-password' });
         auth.adopt(await (await auth.fetch('/login', { method: 'POST', headers, body })).json());";
    tabs.first(&browser).await.run(login).await;
    tabs.second(&browser).await.until("the second tab is notified", "return auth.loggedIn").await;
    assert_eq!(heard(&browser).await, json!(["login bob"]));
    assert_eq!(browser.run("return (await (await auth.fetch('/me')).json()).sub").await, "bob");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn tabs_that_need_a_token_at_once_share_one_refresh() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    load(&browser, &json!({})).await;
    let tabs = browser.second_tab(&page(&demo)).await;
    load(&browser, &json!({})).await;
    let refreshes = demo.events("refresh");

    // No tab refreshes until both wait for it.
    let ask = "window.answer = auth.fetch('/me').then(({ status }) => status);";
    browser
        .run("navigator.locks.request(`tower-refresh ${location.origin}/auth/refresh`, () => new Promise((go) => { window.go = go; }))")
        .await;
    browser.run(ask).await;
    tabs.first(&browser).await.run(ask).await;
    browser.until("both wait", "return (await navigator.locks.query()).pending.length === 2").await;
    tabs.second(&browser).await.run("go()").await;
    assert_eq!(browser.run("return answer").await, 200);
    assert_eq!(tabs.first(&browser).await.run("return answer").await, 200);
    assert_eq!(demo.events("refresh") - refreshes, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn an_ended_session_is_refreshed_only_once() {
    let demo = Demo::start(&HEADER_ONLY);
    let browser = Browser::start().await;
    browser.open(&page(&demo)).await;
    browser.log_in("alice").await;
    load(&browser, &json!({})).await;
    assert_eq!(browser.run(ME).await, 200);
    let (elsewhere, _) = demo.log_in_elsewhere("alice");
    assert_eq!(
        demo.status_of("POST", "auth/logout-everywhere", elsewhere["access_token"].as_str().unwrap()),
        204
    );

    browser.run("heard.length = sent.length = 0").await;
    assert_eq!(browser.run(ME).await, 401);
    assert_eq!(heard(&browser).await, json!(["ended"]));
    assert_eq!(sent(&browser).await, json!(["/me", "/auth/refresh"]));
    assert_eq!(browser.run(ME).await, 401);
    assert_eq!(sent(&browser).await, json!(["/me"]));
    // A public page is still served.
    assert_eq!(browser.run("return (await auth.fetch('/public')).status").await, 200);
}
