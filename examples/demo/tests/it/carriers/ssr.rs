//! A server that renders pages with data from the service, with the guide's module.

use super::support::{Program, SSR, Service, Visitor, configuration};

struct World {
    api: Service,
    pages: Program,
}

impl World {
    fn with(way: &str) -> Self {
        let api = Service::start();
        let module = configuration(SSR, "js", "// api.mjs");
        let module = module.replace("http://127.0.0.1:3000", &format!("http://{}", api.address()));
        let page = configuration(SSR, "html", "/auth/refresh");
        let page = format!("export const page = {};", serde_json::Value::from(page));
        let server = include_str!("ssr_server.mjs");
        let files = [("server.mjs", server), ("api.mjs", &*module), ("renews.mjs", &*page)];
        Self { pages: Program::node(&files, &[way]), api }
    }

    /// The visitor's browser forgets the access cookie when it expires.
    fn expire(&self, visitor: &mut Visitor) {
        self.api.expire();
        visitor.cookies.remove("__Host-access");
    }

    fn visitor(&self) -> Visitor {
        let visitor = Visitor::logged_in(&self.pages.address);
        assert_eq!(self.api.take_events(), ["login"]);
        visitor
    }
}

const EXPIRIES: usize = 12;
const RENDERED: &str = "alice alice alice alice";

#[test]
#[ignore = "needs node"]
fn a_server_that_passes_all_cookies_on_logs_no_visitor_out() {
    let world = World::with("pass");
    let mut visitor = world.visitor();
    let mut refresh_tokens = vec![visitor.refresh_token()];
    for _ in 0..EXPIRIES {
        world.expire(&mut visitor);
        let response = visitor.visit("/page");
        assert_eq!(response.text(), RENDERED);
        assert_eq!(response.headers.get_all("set-cookie").iter().count(), 2);
        assert_eq!(visitor.visit("/page").text(), RENDERED);
        assert_eq!(world.api.take_events(), ["refresh"], "one renewal for all calls of a page");
        refresh_tokens.push(visitor.refresh_token());
    }
    refresh_tokens.dedup();
    assert_eq!(refresh_tokens.len(), EXPIRIES + 1);

    assert_eq!(visitor.arrive("/page").text(), RENDERED, "a link on another site");
    world.expire(&mut visitor);
    assert_eq!(visitor.arrive("/page").text(), RENDERED, "the same after the expiry");
    assert_eq!(world.api.take_events(), ["refresh"]);
}

#[test]
#[ignore = "needs node"]
fn a_navigation_that_another_site_discards_renews_nothing() {
    let world = World::with("pass");
    let mut visitor = world.visitor();
    world.expire(&mut visitor);
    for _ in 0..5 {
        let mut discarded = Visitor::anonymous(&world.pages.address);
        discarded.cookies.clone_from(&visitor.cookies);
        discarded.request_headers = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .to_vec();
        assert_eq!(discarded.get("/page").set_cookie("__Host-refresh"), None);
        assert!(world.api.take_events().is_empty());
        world.api.expire();
    }
    assert_eq!(visitor.visit("/page").text(), RENDERED);
}

#[test]
#[ignore = "needs node"]
fn a_form_of_another_site_is_rejected_through_the_pages_server() {
    let world = World::with("pass");
    let mut visitor = world.visitor();
    for site in ["same-site", "cross-site"] {
        let response = visitor.navigate(site, "POST", "/page", "x");
        assert_eq!(response.text(), "403 403 403 403");
        assert_eq!(visitor.cookies.len(), 2);
    }
    world.expire(&mut visitor);
    for site in ["same-site", "cross-site"] {
        let response = visitor.navigate(site, "POST", "/page", "x");
        assert_eq!(response.text(), "401 401 401 401", "the renewal is rejected, so no token is sent");
    }
    assert!(world.api.take_events().iter().all(|&event| event == "rejected"));
}

#[test]
#[ignore = "needs node"]
fn a_browser_that_renews_itself_stays_logged_in() {
    let world = World::with("browser");
    let mut visitor = world.visitor();
    for _ in 0..EXPIRIES {
        world.expire(&mut visitor);
        // What the page's script does.
        let page = visitor.arrive("/page").text();
        assert!(page.contains(r#"fetch("/auth/refresh", { method: "POST" })"#), "{page}");
        assert_eq!(visitor.fetch("POST", "/auth/refresh").status, 200);
        assert_eq!(visitor.visit("/page").text(), RENDERED);
        assert_eq!(world.api.take_events(), ["refresh"]);
    }
}

#[test]
#[ignore = "needs node"]
fn a_server_that_drops_cookies_logs_its_visitors_out_at_the_fourth_page() {
    let world = World::with("drop");
    let mut visitor = world.visitor();
    let mut diagnosis = Vec::new();
    for rendered in [RENDERED, RENDERED, RENDERED, "401 401 401 401"] {
        world.expire(&mut visitor);
        assert_eq!(visitor.visit("/page").text(), rendered);
        let mut events = world.api.take_events();
        events.sort_unstable();
        events.dedup();
        diagnosis.push(events);
    }
    assert_eq!(
        diagnosis,
        [vec!["refresh"], vec!["late", "refresh"], vec!["late", "refresh", "responses_lost"], vec!["spent"]]
    );
}

/// Node's fetch sends `Sec-Fetch-Mode: cors`, whatever it is given.
#[test]
#[ignore = "needs node"]
fn a_server_that_forwards_all_headers_rejects_links_from_other_sites() {
    let world = World::with("everything");
    let mut visitor = world.visitor();
    assert_eq!(visitor.visit("/page").text(), RENDERED);
    assert_eq!(visitor.arrive("/page").text(), "403 403 403 403");
}
