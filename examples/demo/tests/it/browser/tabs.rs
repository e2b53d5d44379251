//! Two tabs with one cookie jar.

use super::{
    journey::{QUICK, until_rotation_is_due},
    support::{Browser, Demo},
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn both_refresh_at_once_and_both_stay_logged_in() {
    let demo = Demo::start(&QUICK);
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.log_in("alice").await;
    until_rotation_is_due(&browser).await;
    let tabs = browser.second_tab(&format!("{}metrics", demo.url())).await;

    let ask = "window.answers = Promise.all(Array.from({ length: 8 }, (_, i) => fetch(`/slow?ms=${600 + 40 * i}`, { cache: 'no-store' })));";
    tabs.first(&browser).await.run(ask).await;
    tabs.second(&browser).await.run(ask).await;
    let answers = "return (await window.answers).map(({ status, headers }) => `${status} T${headers.get('x-demo-generation')}`)";
    for tab in [tabs.first(&browser).await.run(answers).await, tabs.second(&browser).await.run(answers).await]
    {
        assert!(tab.as_array().unwrap().iter().all(|answer| answer == "200 T1"), "{tab}");
    }

    browser.until_gone("__Host-access").await;
    for tab in [tabs.first(&browser).await, tabs.second(&browser).await] {
        assert_eq!(tab.run("return (await fetch('/me')).status").await, 200);
    }
    assert_eq!((demo.events("reuse"), demo.events("late"), demo.events("end")), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn a_logout_in_one_is_seen_in_the_other() {
    let demo = Demo::start(&[]);
    let browser = Browser::start().await;
    browser.open(&demo.url()).await;
    browser.click("[data-user=alice]").await;
    browser.until("alice is in", "return !document.getElementById('user-card').hidden").await;
    let tabs = browser.second_tab(&demo.url()).await;
    browser.until("here too", "return !document.getElementById('user-card').hidden").await;

    tabs.first(&browser).await.click("#logout").await;
    browser.until("alice is out", "return document.getElementById('user-card').hidden").await;
    assert_eq!(browser.cookie("__Host-refresh").await, None);
    assert_eq!(browser.cookie("__Host-access").await, None);

    tabs.second(&browser).await.click("#one").await;
    browser.until("here too", "return document.getElementById('user-card').hidden").await;
    assert_eq!(browser.text("#notice").await, "Logged out: the session has ended.");
}
