//! The module `js/tower-refresh.js` in a bound session: it keeps the access token in JavaScript, and the browser keeps the key.

use serde_json::json;

use super::{
    super::module::{ME, load},
    support::Bound,
};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn it_works_in_a_session_that_is_bound_to_a_device() {
    let bound = Bound::confirmed("module.test").await;
    let browser = &bound.browser;
    load(browser, &json!({})).await;
    assert_eq!(browser.run(ME).await, 200);
    assert_eq!(bound.refreshes(), [200], "the cookie is valid");

    // A new page has no token, and its cookie has expired: the browser refreshes before the module's request leaves.
    browser.open(&bound.url("/")).await;
    load(browser, &json!({})).await;
    bound.forget_access().await;
    let all = "return (await Promise.all(Array.from({ length: 20 }, () => auth.fetch('/me')))).map(({ status }) => status)";
    assert_eq!(browser.run(all).await, json!(vec![200; 20]));
    assert_eq!(bound.refreshes(), [200, 200]);
    assert_eq!(bound.sessions().await, json!([[true, true]]));
    bound.assert_no_logout(&[]);

    assert_eq!(browser.run("await auth.logout(); return (await auth.fetch('/me')).status").await, 401);
    assert_eq!(bound.demo.events("end"), 1);
}
