//! Logins and logouts at npm's `oidc-provider`, in Chromium.

use super::{programs::Programs, support::Browser};

/// Waits until a page of this origin and path is shown.
async fn arrive(browser: &Browser, origin: &str, path: &str) {
    let shown = format!(
        "return document.readyState === 'complete' && location.origin === '{origin}' && location.pathname.startsWith('{path}')"
    );
    browser.until(&format!("{origin}{path} comes"), &shown).await;
}

/// On the provider's pages: the name and the password, then the consent.
async fn answer_provider(browser: &Browser, issuer: &str, user: &str) {
    arrive(browser, issuer, "/interaction/").await;
    type_name(browser, user).await;
    browser
        .until("the question for consent comes", "return document.body.innerText.includes('Authorize')")
        .await;
    browser.click("button[type=submit]").await;
}

async fn type_name(browser: &Browser, user: &str) {
    browser.until("the provider's form comes", "return document.querySelector('[name=login]')").await;
    browser
        .run(&format!(
            "document.querySelector('[name=login]').value = '{user}';
             document.querySelector('[name=password]').value = 'any';"
        ))
        .await;
    browser.click("button[type=submit]").await;
}

/// Opens the account, which leads to the login page, and logs in.
async fn log_in(browser: &Browser, programs: &Programs, provider: usize, user: &str) {
    browser.open(&format!("{}/account", programs.url)).await;
    arrive(browser, &programs.url, "/login").await;
    browser.click(["#one", "#two"][provider]).await;
    answer_provider(browser, &programs.issuers[provider], user).await;
    arrive(browser, &programs.url, "/account").await;
    assert_eq!(browser.text("#subject").await, format!("{} {user}", programs.issuers[provider]));
}

/// Whether the account is shown, and not the login page.
async fn is_logged_in(browser: &Browser, programs: &Programs) -> bool {
    browser.open(&format!("{}/account", programs.url)).await;
    browser.run("return location.pathname === '/account'").await == true
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromedriver and Node.js"]
async fn a_login_goes_to_the_provider_and_back_whether_it_answers_with_a_redirect_or_a_form() {
    let programs = Programs::start();
    for provider in [0, 1] {
        let browser = Browser::start().await;
        log_in(&browser, &programs, provider, "alice").await;
        let page = browser.text("body").await;
        assert!(page.contains(["alice of one", "alice of two"][provider]), "{page}");
        let cookies = browser.client.get_all_cookies().await.unwrap();
        let names: Vec<_> =
            cookies.iter().map(|cookie| cookie.name()).filter(|name| name.starts_with("__Host-")).collect();
        assert!(!names.iter().any(|name| name.starts_with("__Host-login-")), "{names:?}");
        assert!(names.contains(&"__Host-refresh"), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromedriver and Node.js"]
async fn a_logout_here_is_one_at_the_provider_too() {
    let programs = Programs::start();
    let browser = Browser::start().await;
    log_in(&browser, &programs, 0, "alice").await;

    browser.click("form[action='/logout'] button").await;
    arrive(&browser, &programs.issuers[0], "/session/end").await;
    browser.click("button[value=yes]").await;
    arrive(&browser, &programs.url, "/logged-out").await;
    assert!(browser.text("body").await.contains("You are logged out, here and at the provider."));

    assert!(!is_logged_in(&browser, &programs).await);
    browser.click("#one").await;
    arrive(&browser, &programs.issuers[0], "/interaction/").await;
    let asks = "return document.querySelector('[name=login]') !== null";
    browser.until("the provider asks for the name again", asks).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromedriver and Node.js"]
async fn a_logout_at_the_provider_ends_the_session_here_and_not_that_of_another_browser() {
    let programs = Programs::start();
    let (browser, other) = (Browser::start().await, Browser::start().await);
    log_in(&browser, &programs, 0, "alice").await;
    log_in(&other, &programs, 0, "alice").await;

    browser.open(&format!("{}/session/end", programs.issuers[0])).await;
    browser.click("button[value=yes]").await;
    arrive(&browser, &programs.issuers[0], "/session/end/success").await;

    assert!(!is_logged_in(&browser, &programs).await);
    assert!(is_logged_in(&other, &programs).await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromedriver and Node.js"]
async fn the_provider_asks_for_the_password_again_before_something_dangerous() {
    let programs = Programs::start();
    let browser = Browser::start().await;
    log_in(&browser, &programs, 0, "alice").await;
    browser.open(&format!("{}/confirm?next=/close", programs.url)).await;
    arrive(&browser, &programs.issuers[0], "/interaction/").await;
    type_name(&browser, "alice").await;
    arrive(&browser, &programs.url, "/close").await;
    assert!(browser.text("body").await.contains("Here alice of one could close the account."));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium, chromedriver and Node.js"]
async fn logins_in_two_tabs_both_come_back_to_their_pages() {
    let programs = Programs::start();
    let browser = Browser::start().await;
    browser.open(&format!("{}/login/one?next=/account", programs.url)).await;
    arrive(&browser, &programs.issuers[0], "/interaction/").await;
    let tabs = browser.second_tab(&format!("{}/login/two?next=/close", programs.url)).await;
    answer_provider(&browser, &programs.issuers[1], "bob").await;
    arrive(&browser, &programs.url, "/close").await;

    let browser = tabs.first(&browser).await;
    answer_provider(browser, &programs.issuers[0], "alice").await;
    arrive(browser, &programs.url, "/account").await;
    assert_eq!(
        browser.text("#subject").await,
        format!("{} alice", programs.issuers[0]),
        "the last one counts"
    );
}
