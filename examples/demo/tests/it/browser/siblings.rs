//! A sibling host of an attacker that sets cookies for the whole domain.

use std::fmt::Write;

use serde_json::json;

use super::support::{Browser, Demo, Front, Site};

/// Cookies that a response of the sibling sets. `TOKEN` stands for a valid refresh token, from the attacker's own login.
const TOSSED: [(&str, &str); 14] = [
    ("refresh=TOKEN; Domain=example.test; Path=/; Secure", "the name of plain HTTP"),
    ("access=TOKEN; Domain=example.test; Path=/; Secure", "the same for the access token"),
    ("__Host-refresh=TOKEN; Domain=example.test; Path=/; Secure", "the name itself"),
    ("__Secure-refresh=TOKEN; Domain=example.test; Path=/; Secure", "the name for a whole domain"),
    ("__HOST-refresh=TOKEN; Domain=example.test; Path=/; Secure", "another case"),
    ("__Host-Refresh=TOKEN; Domain=example.test; Path=/; Secure", "another case, after the prefix"),
    ("%5F%5FHost-refresh=TOKEN; Domain=example.test; Path=/; Secure", "for readers that decode names"),
    ("=__Host-refresh=TOKEN; Domain=example.test; Path=/; Secure", "without a name, so that it reads as one"),
    ("__Host-refresh =TOKEN; Domain=example.test; Path=/; Secure", "a space after it"),
    ("\u{a0}__Host-refresh=TOKEN; Domain=example.test; Path=/; Secure", "a space that only Unicode knows"),
    ("\"__Host-refresh\"=TOKEN; Domain=example.test; Path=/; Secure", "in quotes"),
    ("$__Host-refresh=TOKEN; Domain=example.test; Path=/; Secure", "as in RFC 2965"),
    ("a=b, __Host-refresh=TOKEN; Domain=example.test; Path=/; Secure", "for readers that split at commas"),
    ("z=\u{ff}\u{1f980}; Domain=example.test; Path=/me; Secure", "bytes other than ASCII"),
];

const APP: &str = "https://app.example.test/";
const EVIL: &str = "https://evil.example.test/";

struct Domain {
    demo: Demo,
    browser: Browser,
    _evil: Site,
    _front: Front,
}

impl Domain {
    async fn start() -> Self {
        let demo = Demo::start(&["--access-ttl", "2s", "--refresh-ahead", "0"]);
        let evil = Site::start(|_| false).await;
        let front =
            Front::start(&[("app.example.test", &demo.address), ("evil.example.test", &evil.address)]).await;
        let browser = Browser::behind(&front).await;
        Self { demo, browser, _evil: evil, _front: front }
    }

    /// Sets all these cookies and many more, then opens the application.
    async fn toss(&self, token: &str) {
        self.browser.open(EVIL).await;
        let mut script = String::new();
        for (header, _) in TOSSED {
            let header = json!(header.replace("TOKEN", token));
            // With a response, and with a script of the sibling.
            write!(
                script,
                "await fetch('/cookie?header=' + encodeURIComponent({header})); document.cookie = {header};"
            )
            .unwrap();
        }
        script.push_str(
            "for (let i = 0; i < 60; i++) document.cookie = `many${i}=${'x'.repeat(40)}; Domain=example.test; Path=/; Secure`;
             return document.cookie.split('; ').length;",
        );
        let arrived = self.browser.run(&script).await;
        assert!(arrived.as_u64().unwrap() > 65, "the sibling can set cookies: {arrived}");
        self.browser.open(APP).await;
        let sent = self.browser.run("return document.cookie").await;
        assert!(
            sent.as_str().unwrap().contains("refresh=") && sent.as_str().unwrap().contains("many59="),
            "{sent}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn its_cookies_do_not_log_in() {
    let domain = Domain::start().await;
    let (_, attackers) = domain.demo.log_in_elsewhere("bob");
    domain.toss(&attackers).await;
    let who = domain.browser.run("return (await fetch('/public')).json()").await;
    assert_eq!(who, json!({ "authenticated": false, "sub": null }));
    assert_eq!(domain.browser.run("return (await fetch('/me')).status").await, 401);
    assert_eq!(domain.demo.events("refresh"), 0, "the token was not read");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromedriver"]
async fn its_cookies_neither_replace_a_login_nor_end_it() {
    let domain = Domain::start().await;
    let (_, attackers) = domain.demo.log_in_elsewhere("bob");
    let Domain { demo, browser, .. } = &domain;
    browser.open(APP).await;
    browser.log_in("alice").await;
    let me = "const answer = await fetch('/me'); return [answer.status, (await answer.json()).sid]";
    let before = browser.run(me).await;
    domain.toss(&attackers).await;
    browser.until_gone("__Host-access").await;
    assert_eq!(browser.run(me).await, before, "after a refresh too");
    assert_eq!(demo.events("end"), 0);

    let logout = "return (await fetch('/auth/logout', { method: 'POST' })).status";
    assert_eq!(browser.run(logout).await, 204);
    assert_eq!(browser.run("return (await fetch('/me')).status").await, 401, "not even after the logout");
}
