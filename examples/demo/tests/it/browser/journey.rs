//! A login on the page: renewal, rotation, logout.

use serde_json::{Value, json};

use super::support::{Browser, Demo};

/// The newest request in the page's table: path, status, renewed tokens.
const LAST_REQUEST: &str = "const [, request, status, , , renewed] = document.querySelector('#log tr').cells;
     return [request, status, renewed].map((cell) => cell.textContent).join('; ');";

/// Short times, so that a test can wait for a rotation.
pub(crate) const QUICK: [&str; 8] =
    ["--access-ttl", "2s", "--refresh-ahead", "0", "--grace", "2s", "--damping", "17s"];

/// Completes when the session of this page's login may rotate.
pub(crate) async fn until_rotation_is_due(browser: &Browser) {
    browser.run("window.since ??= Date.now()").await;
    browser.until("time passes", "return Date.now() - window.since > 17_500").await;
    browser.until_gone("__Host-access").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_shows_the_user_and_hides_the_tokens() {
    let demo = Demo::start(&["--access-ttl", "59s"]);
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.click("#login-form button").await;
    browser.until("alice is in", "return !document.getElementById('user-card').hidden").await;
    assert_eq!(browser.text("#user-name").await, "Alice");
    assert_eq!(browser.text("#generation").await, "T0");
    assert!(browser.text("#time-left").await.ends_with("s left"));
    assert!(browser.text("#lanes").await.contains("T0"), "the generation has a lane");

    let token = browser.cookie("__Host-refresh").await.unwrap();
    let readable = browser
        .run(
            "return [document.cookie, await cookieStore.getAll(), { ...localStorage }, { ...sessionStorage },
                document.documentElement.outerHTML]",
        )
        .await;
    assert_eq!((&readable[0], &readable[1]), (&"".into(), &json!([])));
    assert!(!readable.to_string().contains(&token));
    // Nor can a script replace them.
    browser.run("document.cookie = '__Host-refresh=mine; Secure; Path=/'").await;
    assert_eq!(browser.cookie("__Host-refresh").await, Some(token));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_request_with_an_expired_token_succeeds_and_receives_a_new_one() {
    let demo = Demo::start(&["--access-ttl", "5s", "--refresh-ahead", "0"]);
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.click("[data-user=bob]").await;
    browser.until("bob is in", "return !document.getElementById('user-card').hidden").await;
    browser.until_gone("__Host-access").await;
    browser
        .until("the page says so", "return document.getElementById('time-left').textContent === 'expired'")
        .await;

    browser.run("performance.clearResourceTimings()").await;
    browser.click("#one").await;
    browser.until("it is answered", "return /200/.test(document.querySelector('#log tr').textContent)").await;
    assert_eq!(browser.run(LAST_REQUEST).await, "GET /me; 200; access token");
    let requests =
        "return performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)";
    assert_eq!(browser.run(requests).await, json!(["/me"]), "nothing else was sent");
    assert!(browser.cookie("__Host-access").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn twenty_requests_at_once_with_an_expired_token_rotate_once() {
    let demo = Demo::start(&QUICK);
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.log_in("alice").await;
    let before = browser.cookie("__Host-refresh").await;
    until_rotation_is_due(&browser).await;

    let answers = browser
        .run(
            // Requests for one cacheable URL would be sent one at a time.
            "const answers = await Promise.all(Array.from({ length: 20 }, () => fetch('/me', { cache: 'no-store' })));
             const header = (name) => answers.map(({ headers }) => headers.get(name));
             return [answers.map(({ status }) => status), header('x-demo-generation'), header('x-demo-renewed')];",
        )
        .await;
    let all_are = |index: usize, expected: Value| {
        answers[index].as_array().unwrap().iter().all(|answer| *answer == expected)
    };
    assert!(all_are(0, json!(200)) && all_are(1, json!("1")), "{answers}");
    assert!(answers[2].to_string().contains("both"), "{answers}");
    assert_ne!(browser.cookie("__Host-refresh").await, before);
    assert_eq!((demo.events("reuse"), demo.events("end")), (0, 0));

    // The browser has one of the tokens, and it is valid.
    browser.until_gone("__Host-access").await;
    assert_eq!(browser.run("return (await fetch('/me')).headers.get('x-demo-generation')").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_page_that_is_left_during_a_refresh_stays_logged_in() {
    let demo = Demo::start(&QUICK);
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.log_in("alice").await;
    until_rotation_is_due(&browser).await;

    // The first request is aborted, the second is the page's own.
    browser.run("fetch('/slow?ms=20000').catch(() => {}); location.assign('/');").await;
    browser
        .until(
            "the new page knows alice",
            "return document.getElementById('user-name')?.textContent === 'Alice'",
        )
        .await;
    browser
        .until("it shows the generation", "return document.getElementById('generation').textContent === 'T1'")
        .await;
    browser.until_gone("__Host-access").await;
    assert_eq!(browser.run("return (await fetch('/auth/refresh', { method: 'POST' })).status").await, 200);
    assert_eq!((demo.events("reuse"), demo.events("late"), demo.events("end")), (0, 0, 0));
}
