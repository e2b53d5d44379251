//! Another site that starts navigations and discards their responses.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::support::{Browser, Demo, Front, Site};

const APP: &str = "https://app.example.test/healthz";
const EVIL: &str = "https://evil.test/";
/// The shortest that the grace period of one second allows.
const DAMPING: Duration = Duration::from_secs(16);

/// Starts a navigation and stops it while the response is on its way, later than the grace period after the one before.
const DISCARD: &str = "
    const wait = (ms) => new Promise((done) => setTimeout(done, ms));
    for (let n = 0; n < 4; n++) {
        location.href = `https://app.example.test/me?n=${n}`;
        await wait(300);
        window.stop();
        await wait(1200);
    }
    return location.href;";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_site_that_discards_responses_logs_no_visitor_out() {
    for late_budget in ["2", "0"] {
        let arguments = ["--access-ttl", "2s", "--grace", "1s", "--damping", "16s", "--late", late_budget];
        let demo = Demo::start(&arguments);
        let evil = Site::start(|_| false).await;
        let hosts = [("app.example.test", demo.address.as_str()), ("evil.test", evil.address.as_str())];
        let front = Front::with_latency(&hosts, Duration::from_millis(600)).await;
        let browser = Browser::behind(&front).await;
        browser.open(APP).await;
        browser.log_in("alice").await;
        sleep(DAMPING + Duration::from_secs(1)).await;

        browser.open(EVIL).await;
        assert_eq!(browser.run(DISCARD).await, json!(EVIL), "the navigations were stopped");

        assert_eq!(demo.requests("refreshed"), 4, "they reached the server with the cookies");
        assert_eq!((demo.events("refresh"), demo.events("late")), (0, 0));
        browser.open(APP).await;
        let me = "const response = await fetch('/me'); return [response.status, (await response.json()).sub]";
        assert_eq!(browser.run(me).await, json!([200, "alice"]));
        assert_eq!((demo.events("late"), demo.events("reuse"), demo.events("end")), (0, 0, 0));
    }
}

const PAGE: &str = "https://app.example.test/page";
const COOKIE: &str = "__Host-refresh";
/// Follows a link of the other site.
const LINK: &str = "
    const link = document.createElement('a');
    link.href = 'https://app.example.test/page?a';
    document.body.append(link);
    setTimeout(() => link.click(), 0);";

/// Makes the refresh token of the browser late: its successor was sent to a response that got lost, long ago.
async fn with_a_late_token(demo: &Demo, browser: &Browser) {
    browser.open(APP).await;
    browser.log_in("alice").await;
    sleep(DAMPING + Duration::from_secs(1)).await;
    let token = browser.cookie(COOKIE).await.unwrap();
    assert_eq!(demo.refresh_with(COOKIE, &token), 200);
    sleep(DAMPING + Duration::from_secs(2)).await;
    assert_eq!(browser.cookie(COOKIE).await.unwrap(), token);
}

/// Follows a link of another site with a late token. The browser must arrive at this page.
async fn follow_a_link(late_budget: &str, arrives_at: &str) -> (Demo, Browser) {
    let arguments = ["--access-ttl", "2s", "--grace", "1s", "--damping", "16s", "--late", late_budget];
    let demo = Demo::start(&arguments);
    let elsewhere = Site::start(|_| false).await;
    let hosts = [("app.example.test", demo.address.as_str()), ("evil.test", elsewhere.address.as_str())];
    let front = Front::with_latency(&hosts, Duration::ZERO).await;
    let browser = Browser::behind(&front).await;
    with_a_late_token(&demo, &browser).await;

    browser.open(EVIL).await;
    browser.run(LINK).await;

    let arrived = format!(
        "return location.pathname + location.search === '{arrives_at}' && document.title === 'tower-refresh demo'"
    );
    browser.until("the page comes", &arrived).await;
    (demo, browser)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_link_of_another_site_shows_the_page_to_a_user_whose_response_was_lost() {
    let ((demo, browser), (spent, _)) =
        tokio::join!(follow_a_link("2", "/page?a"), follow_a_link("0", "/?next=/page%3Fa"));
    assert!(browser.text("body").await.contains("alice"));
    assert_eq!((demo.events("late"), demo.events("spent"), demo.events("end")), (1, 0, 0));
    // From the other site, from the page itself, and then the login page with its own requests.
    assert_eq!((spent.events("late"), spent.events("end")), (0, 0));
    assert!(spent.events("spent") >= 3);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_login_returns_to_the_page_that_needed_it() {
    let demo = Demo::start(&[]);
    let front = Front::with_latency(&[("app.example.test", demo.address.as_str())], Duration::ZERO).await;
    let browser = Browser::behind(&front).await;
    browser.open(&format!("{PAGE}?a=1&b=%26")).await;
    browser.until("the login form comes", "return location.pathname === '/'").await;
    browser.click("[data-user=alice]").await;
    browser
        .until("the page comes", "return location.href === 'https://app.example.test/page?a=1&b=%26'")
        .await;
    assert!(browser.text("body").await.contains("alice"));
}
