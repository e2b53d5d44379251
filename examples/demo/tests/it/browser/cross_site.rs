//! Pages of other hosts that send requests with the cookies of their visitors.

use serde_json::json;

use super::support::{Browser, Demo, Front, Site};

/// The smallest page of the application.
const APP: &str = "https://app.example.test/healthz";

/// Requests that a page of another site can send, with a form or a script of its own.
const ATTACKS: [(&str, &str); 13] = [
    ("a form to log out", "form('POST', 'auth/logout')"),
    ("a form to log out everywhere", "form('POST', 'auth/logout-everywhere')"),
    ("a form to refresh", "form('POST', 'auth/refresh')"),
    (
        "a form that logs in, with a body that reads as JSON",
        r#"form('POST', 'login', 'text/plain', '{"username":"bob","password":"bob-password","a":"', '"}')"#,
    ),
    ("a form with GET", "form('GET', 'auth/logout')"),
    (
        "a request without CORS",
        "fetch(app + 'auth/logout', { method: 'POST', mode: 'no-cors', credentials: 'include' })",
    ),
    (
        "a request with CORS",
        "fetch(app + 'auth/logout-everywhere', { method: 'POST', credentials: 'include' })",
    ),
    (
        "a request with a preflight",
        "fetch(app + 'auth/sessions', { method: 'DELETE', credentials: 'include' })",
    ),
    (
        "a login without CORS",
        r#"fetch(app + 'login', { method: 'POST', mode: 'no-cors', credentials: 'include',
            body: new Blob(['{"username":"bob","password":"bob-password"}'], { type: 'text/plain' }) })"#,
    ),
    ("a beacon", "navigator.sendBeacon(app + 'auth/logout-everywhere')"),
    ("an image", "load('img', 'auth/logout')"),
    ("a frame", "load('iframe', 'me')"),
    (
        "a form that logs in as native clients do",
        r#"form('POST', 'token-login', 'text/plain', '{"username":"bob","password":"bob-password","a":"', '"}')"#,
    ),
];

const HELPERS: &str = "
    const app = 'https://app.example.test/';
    const form = (method, path, enctype = 'text/plain', name = 'a', value = 'b') => {
        const made = Object.assign(document.createElement('form'), { method, enctype, action: app + path });
        made.append(Object.assign(document.createElement('input'), { name, value }));
        document.body.append(made);
        made.submit();
        return new Promise(() => {});
    };
    const load = (element, path) => new Promise((resolve) => {
        const made = Object.assign(document.createElement(element), { src: app + path, onload: resolve, onerror: resolve });
        document.body.append(made);
    });";

/// Runs an attack; afterwards a page of the application is open.
async fn attack(browser: &Browser, from: &str, (name, script): (&str, &str)) {
    browser.open(from).await;
    if script.starts_with("form") {
        // A rejection navigates the page to the application. A success does not: the response is 204.
        browser.run(&format!("{HELPERS} setTimeout(() => {script}, 0);")).await;
        let arrived = "return location.host === 'app.example.test' && document.readyState === 'complete'";
        browser.until(&format!("{name} from {from} is rejected"), arrived).await;
    } else {
        browser.run(&format!("{HELPERS} await Promise.resolve({script}).catch(() => {{}});")).await;
        browser.open(APP).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn no_other_host_can_log_in_or_out_or_change_anything() {
    let demo = Demo::start(&["--access-ttl", "2s", "--refresh-ahead", "0"]);
    let evil = Site::start(|_| false).await;
    let hosts = ["evil.example.test", "attacker.test"];
    let mut routes: Vec<_> = hosts.iter().map(|host| (*host, evil.address.as_str())).collect();
    routes.push(("app.example.test", &demo.address));
    let front = Front::start(&routes).await;
    let browser = Browser::behind(&front).await;

    for host in hosts {
        for attempt in ATTACKS.into_iter().filter(|(_, script)| script.contains("login")) {
            attack(&browser, &format!("https://{host}/"), attempt).await;
            assert_eq!(browser.cookie("__Host-refresh").await, None, "{} from {host} logged in", attempt.0);
        }
    }
    assert_eq!(demo.events("login"), 0);

    browser.log_in("alice").await;
    let me = "const answer = await fetch('/me'); return [answer.status, (await answer.json()).sid]";
    let before = browser.run(me).await;
    for host in hosts {
        for attempt in ATTACKS {
            attack(&browser, &format!("https://{host}/"), attempt).await;
            assert_eq!(browser.run(me).await, before, "{} from {host}", attempt.0);
        }
    }
    assert_eq!((demo.events("login"), demo.events("end")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_trusted_origin_can_act_as_the_user() {
    let demo = Demo::start(&["--trusted-origin", "https://web.example.test"]);
    let web = Site::start(|_| false).await;
    let front =
        Front::start(&[("app.example.test", &demo.address), ("web.example.test", &web.address)]).await;
    let browser = Browser::behind(&front).await;
    browser.open(APP).await;
    browser.log_in("alice").await;
    browser.open("https://web.example.test/").await;
    let me =
        "return (await (await fetch('https://app.example.test/me', { credentials: 'include' })).json()).sub";
    assert_eq!(browser.run(me).await, json!("alice"));

    // The module does the same, with the token that it requests.
    let module = "const { createAuth } = await import('https://app.example.test/tower-refresh.js');
         const auth = createAuth({ server: 'https://app.example.test' });
         const answer = await auth.fetch('https://app.example.test/me');
         return [answer.status, (await answer.json()).sub, auth.loggedIn]";
    assert_eq!(browser.run(module).await, json!([200, "alice", true]));

    // One of the attacks above: only the origin differs.
    let (_, logout) = ATTACKS[5];
    browser.run(&format!("{HELPERS} await {logout}")).await;
    assert_eq!(demo.events("end"), 1);
}
