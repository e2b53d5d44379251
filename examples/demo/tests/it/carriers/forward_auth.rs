//! Proxies that ask the login service, and pass requests on to an application that knows nothing of tokens.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::support::{
    Application, FORWARD_AUTH, LOGIN_SERVICE, Program, Service, Visitor, configuration, replaced,
};
use crate::browser::support::Browser;

/// A proxy with the guide's configuration, and what is behind it.
struct World {
    login: Service,
    application: Application,
    proxy: Program,
}

impl World {
    fn nginx() -> Self {
        Self::nginx_with(&[])
    }

    /// With changes that the guide warns of.
    fn nginx_with(changes: &[(&str, &str)]) -> Self {
        Self::behind(
            &replaced(&configuration(FORWARD_AUTH, "nginx", "auth_request"), changes),
            Program::nginx,
        )
    }

    fn caddy() -> Self {
        Self::behind(&configuration(FORWARD_AUTH, "caddy", "forward_auth"), Program::caddy)
    }

    fn behind(configuration: &str, start: impl Fn(&str) -> Program) -> Self {
        let (login, application) = (Service::start(), Application::start());
        let addresses = [("127.0.0.1:3000", login.address()), ("127.0.0.1:4000", application.address())];
        let proxy = start(&replaced(configuration, &addresses));
        Self { login, application, proxy }
    }

    fn visitor(&self) -> Visitor {
        let visitor = Visitor::logged_in(&self.proxy.address);
        assert_eq!(self.login.take_events(), ["login"]);
        visitor
    }
}

/// The same for all proxies: across expiries, no rotation is lost, and the visitor sees no difference.
#[track_caller]
fn assert_stays_logged_in(world: &World) {
    const EXPIRIES: usize = 6;
    let mut visitor = world.visitor();
    visitor.cookies.insert("theme".to_owned(), "dark".to_owned());
    let mut refresh_tokens = vec![visitor.refresh_token()];
    let page = "/reports/2026?from=1&to=%2F2";
    for _ in 0..EXPIRIES {
        world.login.expire();
        let response = visitor.visit(page);
        assert_eq!(response.text(), format!("GET {page} user=alice body="));
        assert_eq!(world.login.take_events(), ["refresh"]);
        refresh_tokens.push(visitor.refresh_token());

        // With a valid access token there is no redirect, and nothing changes.
        assert_eq!(visitor.fetch("GET", "/api").text(), "GET /api user=alice body=");
        assert_eq!(visitor.arrive("/linked").text(), "GET /linked user=alice body=");
        assert!(world.login.take_events().is_empty());
    }
    refresh_tokens.dedup();
    assert_eq!(refresh_tokens.len(), EXPIRIES + 1, "each refresh rotates, and the visitor has its token");

    // A form that is sent after the expiry arrives once, with its body.
    world.application.take_requests();
    world.login.expire();
    assert_eq!(visitor.submit("/orders", "item=7").text(), "POST /orders user=alice body=item=7");
    assert_eq!(world.application.take_requests().len(), 1);

    // So does a script's request, and a visitor who follows a link on another site.
    world.login.expire();
    assert_eq!(visitor.fetch("DELETE", "/orders/7").text(), "DELETE /orders/7 user=alice body=");
    world.login.expire();
    assert_eq!(visitor.arrive("/linked?x=1").text(), "GET /linked?x=1 user=alice body=");
    world.login.expire();
    assert_eq!(visitor.visit("/after").text(), "GET /after user=alice body=");
    let events = world.login.take_events();
    assert!(events.len() <= 4 && events.iter().all(|&event| event == "refresh"), "{events:?}");

    // Tabs that load at the same time.
    world.login.expire();
    thread::scope(|scope| {
        for tab in 0..8 {
            let mut tab_of = Visitor::anonymous(&world.proxy.address);
            tab_of.cookies.clone_from(&visitor.cookies);
            scope.spawn(move || {
                let path = format!("/tab/{tab}");
                assert_eq!(tab_of.visit(&path).text(), format!("GET {path} user=alice body="));
            });
        }
    });
    let events = world.login.take_events();
    assert!(events.iter().all(|&event| event == "refresh"), "{events:?}");
}

/// Attacks and mistakes are answered in the same way by all proxies.
#[track_caller]
fn assert_rejects_others(world: &World) {
    let mut visitor = world.visitor();
    for is_expired in [false, true] {
        if is_expired {
            world.login.expire();
        }
        for (site, reason) in [
            ("same-site", "a sibling host's form has the cookies in spite of `SameSite=Lax`"),
            ("cross-site", "a browser without `SameSite`"),
        ] {
            let response = visitor.navigate(site, "POST", "/orders", "item=7");
            assert_eq!(response.status, 403, "{reason}");
        }
    }
    assert_eq!(world.application.take_requests().len(), 0);
    world.login.take_events();

    // The path comes from the client, so it must not lead to another host.
    for (path, reason) in [
        ("//evil.example/x", "browsers take it for a host"),
        ("/\\evil.example/x", "browsers take the backslash for a slash"),
    ] {
        world.login.expire();
        let location = raw_location(&world.proxy.address, path, &visitor);
        let leads_elsewhere = location
            .as_deref()
            .is_some_and(|location| !location.starts_with('/') || location[1..].starts_with(['/', '\\']));
        assert!(!leads_elsewhere, "{reason}: {location:?}");
    }
    world.login.take_events();

    let mut anonymous = Visitor::anonymous(&world.proxy.address);
    assert_eq!(anonymous.visit("/reports").text(), "please log in");
    assert_eq!(anonymous.arrive("/reports").text(), "please log in");
    assert_eq!(anonymous.fetch("GET", "/api").status, 401);
    anonymous.cookies.insert("__Host-access".to_owned(), "a.b.c".to_owned());
    assert_eq!(anonymous.fetch("GET", "/api").status, 401);
    assert_eq!(world.application.take_requests(), [""; 0]);

    // A visitor who logs out elsewhere.
    let mut visitor = world.visitor();
    let mut elsewhere = Visitor::anonymous(&world.proxy.address);
    elsewhere.cookies.clone_from(&visitor.cookies);
    assert_eq!(elsewhere.fetch("POST", "/auth/logout").status, 204);
    assert_eq!(visitor.visit("/reports").text(), "please log in");
    assert!(visitor.cookies.is_empty(), "dead cookies are removed: {:?}", visitor.cookies);
}

/// The redirect for a request target that a client library would change.
fn raw_location(address: &str, target: &str, visitor: &Visitor) -> Option<String> {
    let cookies: Vec<_> = visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n\
         Sec-Fetch-Dest: document\r\nCookie: {}\r\n\r\n",
        cookies.join("; ")
    )
    .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let lines = response.lines().filter_map(|line| line.split_once(": "));
    let mut locations = lines.filter(|(name, _)| name.eq_ignore_ascii_case("location"));
    locations.next().map(|(_, location)| location.to_owned())
}

#[test]
fn the_guide_shows_the_login_service_that_runs() {
    let shown = configuration(FORWARD_AUTH, "", "fn forward_auth(");
    let (_, run) = LOGIN_SERVICE.split_once("\n\n").unwrap();
    assert!(
        shown == run.replace("pub(super) ", ""),
        "the guide shows another login service than this:\n{run}"
    );
}

#[test]
fn an_unknown_path_of_the_login_service_is_not_found() {
    let login = Service::start();
    let status = |path| match ureq::get(format!("http://{}{path}", login.address())).call() {
        Err(ureq::Error::StatusCode(status)) => status,
        other => panic!("{other:?}"),
    };
    assert_eq!(status("/unknown"), 404);
    assert_eq!(status("/forward-auth"), 400, "it is no proxy that asks");
}

#[test]
#[ignore = "needs nginx"]
fn nginx_keeps_visitors_logged_in() {
    assert_stays_logged_in(&World::nginx());
}

#[test]
#[ignore = "needs nginx"]
fn nginx_rejects_what_the_layer_rejects() {
    assert_rejects_others(&World::nginx());
}

#[test]
#[ignore = "needs caddy"]
fn caddy_keeps_visitors_logged_in() {
    assert_stays_logged_in(&World::caddy());
}

#[test]
#[ignore = "needs caddy"]
fn caddy_rejects_what_the_layer_rejects() {
    assert_rejects_others(&World::caddy());
}

/// Whatever the order of the cookies, and with cookies whose names or values contain those of the tokens.
#[test]
#[ignore = "needs nginx"]
fn nginx_shows_the_application_all_cookies_but_the_tokens() {
    let world = World::nginx();
    let visitor = world.visitor();
    let [access, refresh] =
        ["__Host-access", "__Host-refresh"].map(|name| format!("{name}={}", visitor.cookies[name]));
    for (cookies, shown) in [
        (format!("{access}; {refresh}"), ""),
        (format!("{refresh}; {access}"), ""),
        (format!("a=1; {access}; b=2; {refresh}; c=3"), "a=1; b=2; c=3"),
        (format!("{refresh}; a=1; {access}"), "a=1;"),
        (format!("a=1;{access};{refresh};b=2"), "a=1;b=2"),
        (format!("{access}; x__Host-access=y; {refresh}"), "x__Host-access=y;"),
        (format!("a=__Host-refresh; {access}; {refresh}"), "a=__Host-refresh;"),
        (access.clone(), ""),
    ] {
        let mut client = Visitor::anonymous(&world.proxy.address);
        client.request_headers = vec![("cookie", cookies.clone())];
        assert_eq!(client.send("GET", "/x", "").text(), "GET /x user=alice body=", "{cookies}");
        let requests = world.application.take_requests();
        let (_, received) = requests[0].split_once(" cookies=").unwrap();
        assert_eq!(received, shown, "{cookies}");
    }
}

/// Two rotations may be lost; the visitor is logged out at the fourth expiry, and the events say why.
#[test]
#[ignore = "needs nginx"]
fn a_check_with_the_refresh_token_loses_rotations() {
    let world = World::nginx_with(&[
        ("proxy_set_header Cookie $access_cookie;", ""),
        ("error_page 401 = @renew;", ""),
    ]);
    let mut visitor = world.visitor();
    let mut diagnosis = Vec::new();
    for status in [200, 200, 200, 401] {
        world.login.expire();
        assert_eq!(visitor.visit("/reports").status, status);
        diagnosis.push(world.login.take_events());
    }
    assert_eq!(
        diagnosis,
        [vec!["refresh"], vec!["late", "refresh"], vec!["late", "responses_lost", "refresh"], vec!["spent"]]
    );
}

/// Without it the layer would take a sibling host's form for a link.
#[test]
#[ignore = "needs nginx"]
fn a_check_without_the_method_lets_no_request_through() {
    for header in ["X-Forwarded-Method $request_method", "X-Forwarded-Uri $request_uri"] {
        let world = World::nginx_with(&[(&format!("proxy_set_header {header};"), "")]);
        let mut visitor = world.visitor();
        assert_eq!(visitor.visit("/reports").status, 500, "{header}");
        assert_eq!(world.application.take_requests(), [""; 0]);
    }
}

/// The page that repeats a navigation makes it one of its own site, in a real browser too.
#[tokio::test]
#[ignore = "needs nginx, caddy and chromium"]
async fn chromium_follows_a_link_on_another_site_after_the_expiry() {
    for world in [World::nginx(), World::caddy()] {
        let own = format!("http://{}", world.proxy.address);
        let other = Application::start();
        let port = other.address().rsplit_once(':').unwrap().1;
        let browser = Browser::start().await;
        browser.open(&format!("{own}/login")).await;
        let login = "return (await fetch('/login', { method: 'POST' })).status;";
        assert_eq!(browser.run(login).await, 200);
        assert_eq!(world.login.take_events(), ["login"]);
        for is_expired in [true, false] {
            if is_expired {
                world.login.expire();
            }
            // Another site than 127.0.0.1.
            browser.open(&format!("http://localhost:{port}/")).await;
            let follow = format!("location.href = '{own}/linked';");
            browser.client.execute(&follow, Vec::new()).await.unwrap();
            let started = Instant::now();
            // In between, the driver may find no page.
            while !browser.client.source().await.is_ok_and(|page| page.contains("/linked user=alice")) {
                assert!(started.elapsed() < Duration::from_secs(30), "{:?}", browser.client.source().await);
                sleep(Duration::from_millis(50)).await;
            }
            // Caddy passes the navigation on, and a later request refreshes; Chromium also asks for an icon.
            let events = world.login.take_events();
            assert!(events.iter().all(|&event| event == "refresh"), "{events:?}");
        }
    }
}
