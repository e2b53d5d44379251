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
