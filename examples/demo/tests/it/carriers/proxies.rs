//! nginx in front of the service: large response heads, error pages and caches.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::support::{PROXIES, Program, Service, Visitor, configuration, replaced};

struct World {
    service: Service,
    nginx: Program,
}

impl World {
    /// With the guide's configuration that contains `part`, and with changes that the guide warns of.
    fn with(part: &str, changes: &[(&str, &str)]) -> Self {
        let service = Service::start();
        let configuration = replaced(&configuration(PROXIES, "nginx", part), changes);
        let nginx = Program::nginx(&configuration.replace("127.0.0.1:3000", service.address()));
        Self { service, nginx }
    }

    fn visitor(&self) -> Visitor {
        let visitor = Visitor::logged_in(&self.nginx.address);
        assert_eq!(self.service.take_events(), ["login"]);
        visitor
    }
}

const WHOLE: &str = "proxy_intercept_errors";
const CACHE: &str = "proxy_cache_revalidate";
/// The cache of the tests, inside the folder of nginx.
const CACHE_FOLDER: (&str, &str) = ("/var/cache/nginx/assets", "cache");

#[test]
#[ignore = "needs nginx"]
fn a_large_response_head_passes_and_keeps_its_cookies() {
    let world = World::with(WHOLE, &[]);
    let mut visitor = world.visitor();
    let (refresh, large): (&[_], &[_]) = (&["refresh"], &["refresh", "large_response_head"]);
    // The event comes once.
    for (bytes, events) in [(1_000, refresh), (4_000, large), (8_000, refresh), (11_000, refresh)] {
        world.service.expire();
        let former = visitor.refresh_token();
        let response = visitor.visit(&format!("/large/{bytes}"));
        assert_eq!((response.status, response.text().as_str()), (200, "large"), "{bytes}");
        assert_ne!(visitor.refresh_token(), former);
        assert_eq!(world.service.take_events(), events, "{bytes}");
    }
}

#[test]
#[ignore = "needs nginx"]
fn a_response_head_beyond_nginxs_default_is_lost() {
    let world = World::with(WHOLE, &[("proxy_buffer_size 16k;", ""), ("proxy_buffers 8 16k;", "")]);
    let mut visitor = world.visitor();
    let mut diagnosis = Vec::new();
    for (path, status) in [("/large/3000", 200), ("/large/8000", 503), ("/large/8000", 503), ("/me", 200)] {
        world.service.expire();
        assert_eq!(visitor.visit(path).status, status, "{path}");
        diagnosis.push(world.service.take_events());
    }
    assert!(world.nginx.log().contains("upstream sent too big header"), "{}", world.nginx.log());
    assert_eq!(
        diagnosis,
        [
            vec!["refresh"],
            vec!["refresh", "large_response_head"],
            vec!["late", "refresh"],
            vec!["late", "responses_lost", "refresh"]
        ]
    );
}

#[test]
#[ignore = "needs nginx"]
fn error_responses_keep_their_cookies() {
    let world = World::with(WHOLE, &[]);
    let mut visitor = world.visitor();
    for status in [400, 401, 403, 404, 410, 429, 500, 502, 503, 504] {
        world.service.expire();
        let former = visitor.refresh_token();
        let response = visitor.visit(&format!("/status/{status}"));
        assert_eq!((response.status, response.text()), (status, format!("{status} of alice")));
        assert_ne!(visitor.refresh_token(), former, "{status}");
        assert_eq!(world.service.take_events(), ["refresh"]);
    }
    drop(world.service);
    let response = visitor.visit("/me");
    assert_eq!((response.status, response.header("retry-after")), (503, "5"));
    assert!(response.text().contains("Back soon"));
    assert_eq!(visitor.cookies.len(), 2, "an error of the proxy removes no cookie");
}

/// The visitor is logged out at the fourth page that the proxy replaces.
#[test]
#[ignore = "needs nginx"]
fn error_pages_of_the_proxy_lose_cookies() {
    let world = World::with(
        WHOLE,
        &[
            ("proxy_intercept_errors off;", "proxy_intercept_errors on;"),
            ("error_page 502", "error_page 404 502"),
        ],
    );
    let mut visitor = world.visitor();
    let mut diagnosis = Vec::new();
    for status in [503, 503, 503, 401] {
        world.service.expire();
        assert_eq!(visitor.visit("/status/404").status, status);
        diagnosis.push(world.service.take_events());
    }
    assert_eq!(
        diagnosis,
        [vec!["refresh"], vec!["late", "refresh"], vec!["late", "responses_lost", "refresh"], vec!["spent"]]
    );
}

/// Requests the asset until nginx revalidates it.
fn revalidate(visitor: &mut Visitor) {
    let started = Instant::now();
    loop {
        let response = visitor.fetch("GET", "/asset");
        assert_eq!((response.status, response.text().as_str()), (200, "asset"));
        assert_eq!(response.set_cookie("__Host-refresh"), None);
        match response.header("x-cache") {
            "REVALIDATED" => return,
            "MISS" | "HIT" => {}
            other => panic!("{other}"),
        }
        assert!(started.elapsed() < Duration::from_secs(20), "nginx never revalidates");
        sleep(Duration::from_millis(100));
    }
}

const SHOW_CACHE: (&str, &str) =
    ("proxy_cache_revalidate on;", "proxy_cache_revalidate on; add_header X-Cache $upstream_cache_status;");

#[test]
#[ignore = "needs nginx"]
fn a_revalidating_cache_without_cookies_renews_nothing() {
    let world = World::with(CACHE, &[CACHE_FOLDER, SHOW_CACHE]);
    let mut visitor = world.visitor();
    for _ in 0..2 {
        world.service.expire();
        revalidate(&mut visitor);
        assert!(world.service.take_events().is_empty());
        assert_eq!(visitor.visit("/me").text(), "alice");
        assert_eq!(world.service.take_events(), ["refresh"]);
    }
}

#[test]
#[ignore = "needs nginx"]
fn a_revalidating_cache_with_cookies_loses_those_of_the_304() {
    let world = World::with(CACHE, &[CACHE_FOLDER, SHOW_CACHE, ("proxy_set_header Cookie \"\";", "")]);
    let mut visitor = world.visitor();
    assert_eq!(visitor.fetch("GET", "/asset").header("x-cache"), "MISS");
    world.service.expire();
    revalidate(&mut visitor);
    assert_eq!(world.service.take_events(), ["refresh"], "its cookies were on the 304");
    world.service.expire();
    assert_eq!(visitor.visit("/me").text(), "alice");
    assert_eq!(world.service.take_events(), ["late", "refresh"]);
}

/// The caches' settings in the location of all pages.
const CACHE_EVERYTHING: (&str, &str) = (
    "location / {",
    "location / { proxy_cache assets; proxy_cache_valid any 1h; add_header X-Cache $upstream_cache_status always;",
);

#[test]
#[ignore = "needs nginx"]
fn no_response_with_tokens_is_stored() {
    let world = World::with(CACHE, &[CACHE_FOLDER, CACHE_EVERYTHING]);
    let mut visitor = world.visitor();
    for path in ["/me", "/status/404", "/status/500", "/login"] {
        world.service.expire();
        assert_eq!(visitor.visit(path).header("x-cache"), "MISS", "{path}");
        assert_eq!(world.service.take_events(), ["refresh"], "{path}");
    }
    let stored = world.nginx.files("cache");
    assert!(stored.iter().all(|file| !file.contains("__Host-")), "{stored:?}");
}

/// The guide warns of it: the next visitor is logged in as the former one.
#[test]
#[ignore = "needs nginx"]
fn a_cache_that_stores_everything_serves_one_users_tokens_to_the_next() {
    let ignoring = format!("{} proxy_ignore_headers Cache-Control Set-Cookie Vary;", CACHE_EVERYTHING.1);
    let world = World::with(CACHE, &[CACHE_FOLDER, (CACHE_EVERYTHING.0, &ignoring)]);
    let mut visitor = world.visitor();
    world.service.expire();
    assert_eq!(visitor.visit("/me").text(), "alice");
    let mut next = Visitor::anonymous(&world.nginx.address);
    let response = next.visit("/me");
    assert_eq!((response.header("x-cache"), response.text().as_str()), ("HIT", "alice"));
    assert_eq!(next.refresh_token(), visitor.refresh_token());
}
