//! The page.

use super::support::{Client, Server};

const SCRIPTS: [&str; 5] = ["/script.js", "/dom.js", "/lanes.js", "/log.js", "/theft.js"];
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

#[test]
fn it_is_served_with_a_strict_policy() {
    let server = Server::start(&[]);
    let page = server.client().get("/");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");

    let html = page.text();
    for inline in ["<style", "style=", "onclick", "<script>", "http://", "https://"] {
        assert!(!html.contains(inline), "{inline}");
    }
    assert!(html.contains("\"/style.css\"") && html.contains("\"/script.js\""));
    let mut files = vec![("/style.css", "text/css; charset=utf-8")];
    files.extend(SCRIPTS.iter().chain(&["/tower-refresh.js"]).map(|&path| (path, JAVASCRIPT)));
    for (path, media_type) in files {
        let file = server.client().get(path);
        assert_eq!((file.status, file.header("content-type")), (200, media_type), "{path}");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
    }
}

#[test]
fn every_element_that_the_scripts_use_exists() {
    let server = Server::start(&[]);
    let html = server.client().get("/").text();
    let script = SCRIPTS.map(|path| server.client().get(path).text()).concat();
    let asked: Vec<_> =
        script.split("$(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
    assert!(asked.len() > 10);
    for id in asked {
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
}

#[test]
fn opening_it_renews_the_access_token_or_removes_the_cookies_of_an_ended_session() {
    let server = Server::start(&["--access-ttl", "10m"]);
    let mut alice = server.logged_in("alice");
    let navigate = |client: &Client| {
        client
            .with("sec-fetch-site", "none")
            .with("sec-fetch-mode", "navigate")
            .with("sec-fetch-dest", "document")
    };
    assert_eq!(navigate(&alice.without_access()).get("/").header("x-demo-renewed"), "access");
    let mut dead = navigate(&alice.without_access());
    alice.post("/auth/logout");
    assert_eq!(dead.get("/").header("x-demo-renewed"), "removed");
    assert!(dead.cookies.is_empty());
}

#[test]
fn people_without_a_login_are_sent_to_the_page_and_programs_get_401() {
    let server = Server::start(&[]);
    let navigation = server.client().with("sec-fetch-site", "none").with("sec-fetch-mode", "navigate");
    let navigation = navigation.with("sec-fetch-dest", "document");
    for mut person in [navigation.clone(), server.client().with("accept", "text/html")] {
        let sent = person.get("/page");
        assert_eq!((sent.status, sent.header("location")), (303, "/?next=/page"));
        assert_eq!(sent.header("cache-control"), "private, no-store");
        assert_eq!(person.get("/page?a=1&b").header("location"), "/?next=/page%3Fa%3D1%26b");
    }
    server.client().get("/page").assert_bare_challenge();
    server
        .client()
        .with("sec-fetch-mode", "cors")
        .with("accept", "text/html")
        .get("/page")
        .assert_bare_challenge();
    navigation.bearer("x").get("/page").assert_invalid_token();
    let mut post = navigation;
    post.post("/page").assert_bare_challenge();

    let page = server.logged_in("alice").get("/page");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.text().contains("alice"), "{}", page.text());
}

#[test]
fn a_login_returns_to_pages_of_this_site_only() {
    let server = Server::start(&[]);
    for (query, next, reason) in [
        ("", "", "none"),
        ("?next=/page", "/page", "a page"),
        ("?next=/page%3Fa%3D1%26b", "/page?a=1&amp;b", "escaped for HTML"),
        ("?next=//evil.example", "", "another host"),
        ("?next=%2F%2Fevil.example", "", "the same, encoded"),
        ("?next=/%5Cevil.example", "", "a backslash"),
        ("?next=/%252Fevil.example", "", "encoded twice"),
        ("?next=https://evil.example/", "", "a URL"),
        ("?next=javascript:alert(1)", "", "a script"),
        ("?next=/%22%3E%3Cscript%3E", "", "markup"),
        ("?next=/%0D%0Aa:b", "", "line breaks"),
        ("?next=%FF", "", "not UTF-8"),
        ("?next=//evil.example&next=/page", "", "two of them"),
        ("?next", "", "nothing"),
    ] {
        let page = server.client().get(&format!("/{query}"));
        assert_eq!(page.status, 200, "{reason}");
        let html = page.text();
        assert!(html.contains(&format!("<meta name=\"next\" content=\"{next}\">")), "{reason}");
        assert!(!html.contains("evil.example"), "{reason}");
    }
}
