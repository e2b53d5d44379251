//! The list of sessions, the theft, and the page after a logout.

use super::support::{Browser, Demo};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn the_list_shows_other_devices_and_ends_their_sessions() {
    let demo = Demo::start(&["--access-ttl", "10m"]);
    let (elsewhere, _) = demo.log_in_elsewhere("alice");
    let elsewhere = elsewhere["access_token"].as_str().unwrap();
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.click("[data-user=alice]").await;
    browser.until("two are shown", "return document.querySelectorAll('#sessions li').length === 2").await;
    assert_eq!(demo.status_of("GET", "me", elsewhere), 200);

    browser
        .run(
            "const others = [...document.querySelectorAll('#sessions li')].filter((item) => !item.querySelector('.tag'));
             others[0].querySelector('button').id = 'end-the-other';",
        )
        .await;
    browser.click("#end-the-other").await;
    browser.until("one is left", "return document.querySelectorAll('#sessions li').length === 1").await;
    assert_eq!(demo.status_of("GET", "me", elsewhere), 401);
    assert_eq!(browser.run("return (await fetch('/me')).status").await, 200, "this session is unaffected");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_stolen_cookie_ends_the_session_on_the_page() {
    let demo = Demo::start(&["--access-ttl", "10m"]);
    let (elsewhere, _) = demo.log_in_elsewhere("alice");
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.click("[data-user=alice]").await;
    browser.until("the theft is offered", "return !document.getElementById('steal').disabled").await;
    browser.click("#steal").await;
    browser.until("the owner's turn comes", "return !document.getElementById('come-back').disabled").await;
    for (holder, token) in [("#you-hold", "T0"), ("#server-expects", "T2"), ("#thief-holds", "T2")] {
        assert_eq!(browser.text(holder).await, token, "{holder}");
    }
    assert_eq!(demo.events("reuse"), 0, "the theft is not detected yet");

    browser.click("#come-back").await;
    browser.until("the page says so", "return document.getElementById('notice').textContent !== ''").await;
    assert!(browser.text("#notice").await.starts_with("Your session has ended"));
    let story = browser.text("#story").await;
    for line in ["The thief sends T1", "You send T0: 401", "The thief sends T2: 401"] {
        assert!(story.contains(line), "{line} in {story}");
    }
    assert!(browser.text("#login-card").await.contains("Log in"));
    assert_eq!(demo.events("reuse"), 1);
    assert_eq!(
        demo.status_of("GET", "me", elsewhere["access_token"].as_str().unwrap()),
        200,
        "other devices stay logged in"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn the_page_says_that_another_browser_used_its_session() {
    let demo = Demo::start(&["--assess", "user-agent", "--access-ttl", "10m"]);
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.click("[data-user=alice]").await;
    browser.until("alice is in", "return !document.getElementById('user-card').hidden").await;
    let refresh = browser.cookie("__Host-refresh").await.unwrap();
    let copied = ureq::get(format!("{}public", demo.url()))
        .header("cookie", format!("__Host-refresh={refresh}"))
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0")
        .call();
    assert_eq!(copied.unwrap().status(), 200, "anonymous");
    assert_eq!(demo.events("suspicious"), 1);

    browser.click("#one").await;
    browser.until("the page says so", "return document.getElementById('notice').textContent !== ''").await;
    let notice = browser.text("#notice").await;
    assert!(
        notice.contains("another browser used this session") && notice.contains("suspicious"),
        "{notice}"
    );
    assert!(browser.text("#login-card").await.contains("Log in"));
}

/// The page is not `no-store`, so Chromium keeps it in its back/forward cache although the cookies change.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn back_shows_no_user_after_a_logout_on_another_page() {
    let demo = Demo::start(&["--access-ttl", "10m"]);
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.click("[data-user=alice]").await;
    browser.until("alice is in", "return !document.getElementById('user-card').hidden").await;
    browser.open(&format!("{}healthz", demo.url())).await;
    assert_eq!(browser.run("return (await fetch('/auth/logout', { method: 'POST' })).status").await, 204);
    browser.client.back().await.unwrap();
    browser
        .until("the login form is shown", "return document.getElementById('login-card')?.hidden === false")
        .await;
    assert!(!browser.text("body").await.contains("Alice"));
}
