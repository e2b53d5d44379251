//! Which requests are sent to the login page.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn, util::BoxCloneService};
use tower_refresh::{Rejection, RejectionKind};

use super::paths::HOSTILE;
use crate::support::{Browser, Op, World, probe::expired_browser, request, store::Fault};

/// As Chromium navigates: to a typed address.
const NAVIGATION: [(&str, &str); 4] = [
    ("sec-fetch-site", "none"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
];

fn world() -> World {
    World::with(|builder| builder.login_page("/login"))
}

fn location(response: &Response<Bytes>) -> Option<&str> {
    response.headers().get("location").map(|location| location.to_str().unwrap())
}

/// What the layer of a route with this login page answers.
async fn guarded(world: &World, path: &str, request: Request<()>) -> Response<Bytes> {
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let guard = world.auth.require_auth().login_page(path).unwrap();
    world.auth.layer().layer(guard.layer(handler)).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn a_person_is_sent_to_the_login_page_and_the_requested_page_is_remembered() {
    let (all, single) = (world(), World::new());
    let cases = [
        ("/me", "/login?next=/me"),
        ("/me?a=1&b=%26", "/login?next=/me%3Fa%3D1%26b%3D%2526"),
        ("/me/a%20b;c='d'", "/login?next=/me/a%2520b%3Bc%3D%27d%27"),
        ("/me?", "/login?next=/me%3F"),
        // The request target of a proxy, in absolute form.
        ("https://evil.example/me?a", "/login?next=/me%3Fa"),
    ];
    for (requested, expected) in cases {
        for response in [
            all.send(request(requested, &NAVIGATION)).await,
            guarded(&single, "/login", request(requested, &NAVIGATION)).await,
        ] {
            assert_eq!(response.status(), StatusCode::SEE_OTHER, "{requested}");
            assert_eq!(location(&response), Some(expected));
            assert_eq!(response.headers()["cache-control"], "private, no-store");
            let vary = "Accept, Authorization, Cookie, Sec-Fetch-Mode, Sec-Fetch-Site";
            assert_eq!(response.headers()["vary"], vary);
            assert!(!response.headers().contains_key("www-authenticate"));
            let rejection = response.extensions().get::<Rejection>().unwrap();
            assert_eq!(rejection.kind(), &RejectionKind::Unauthenticated);
        }
    }
}

#[tokio::test]
async fn a_login_page_may_have_a_query() {
    let world = World::new();
    for (path, expected) in [
        ("/", "/?next=/me"),
        ("/login?lang=de", "/login?lang=de&next=/me"),
        ("/login?", "/login?next=/me"),
        ("/login?a&", "/login?a&next=/me"),
    ] {
        let response = guarded(&world, path, request("/me", &NAVIGATION)).await;
        assert_eq!(location(&response), Some(expected));
    }
}

#[tokio::test]
async fn a_page_that_a_login_could_not_return_to_is_left_out() {
    let world = World::new();
    let long = format!("/{}", "a".repeat(2048));
    for requested in ["//evil.example", "/%2F/evil.example", "/a/..//evil.example", &long] {
        let mut request = request("/", &NAVIGATION);
        *request.uri_mut() = http::Uri::builder().path_and_query(requested).build().unwrap();
        let response = guarded(&world, "/login?a", request).await;
        assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, Some("/login?a")));
    }
}

/// Names and values of headers.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// Whether a person waits, by the headers, and why.
const CLIENTS: &[(bool, Headers<'_>, &str)] = &[
    (true, &[("sec-fetch-mode", "navigate")], "a navigation"),
    (true, &[("sec-fetch-mode", "navigate"), ("accept", "application/json")], "the mode decides"),
    (true, &[("accept", "text/html")], "a browser without Sec-Fetch headers"),
    (true, &[("accept", "application/json, TEXT/HTML;charset=utf-8")], "HTML among others"),
    (true, &[("accept", "application/json"), ("accept", "text/html;q=0.1")], "in a second header"),
    (true, &[("accept", "text/html;q=0x")], "a weight that is no number"),
    (
        true,
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")],
        "a link of another site",
    ),
    (
        true,
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "iframe")],
        "a frame of our own",
    ),
    (
        true,
        &[("accept", "text/html"), ("cookie", "__Host-access=x; __Host-refresh=y")],
        "cookies that are not valid",
    ),
    (false, &[], "a program"),
    (false, &[("accept", "*/*")], "a program that takes everything"),
    (false, &[("accept", "text/*")], "a program that takes every text"),
    (false, &[("accept", "text/html;q=0")], "a client that refuses HTML"),
    (false, &[("accept", "text/html ; Q=0.000")], "the same, written otherwise"),
    (false, &[("accept", "application/xtext/html")], "another type"),
    (false, &[("accept", "\"text/html\"")], "no type"),
    (
        false,
        &[("sec-fetch-mode", "cors"), ("accept", "text/html")],
        "a script: it would follow the redirect and read the form",
    ),
    (false, &[("sec-fetch-mode", "no-cors"), ("accept", "text/html")], "an image"),
    (false, &[("sec-fetch-mode", "websocket")], "a WebSocket"),
    (false, &[("sec-fetch-mode", "Navigate")], "no browser writes it so"),
    (false, &[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "cors")], "two modes"),
    (
        false,
        &[("sec-fetch-mode", "navigate"), ("authorization", "Basic YTpi")],
        "a client with credentials of another scheme",
    ),
    (false, &[("sec-fetch-mode", "navigate"), ("authorization", "Bearer")], "an empty bearer token"),
    (false, &[("sec-fetch-mode", "navigate"), ("authorization", "Bearer a.b.c")], "an invalid bearer token"),
    (
        false,
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "iframe")],
        "a frame of another site",
    ),
    (false, &[("accept", "text/html"), ("origin", "https://evil.example")], "another site"),
];

#[tokio::test]
async fn only_people_who_wait_are_sent_to_the_login_page() {
    let (all, single) = (world(), World::new());
    for (is_sent, headers, reason) in CLIENTS {
        for response in [
            all.send(request("/me", headers)).await,
            guarded(&single, "/login", request("/me", headers)).await,
        ] {
            let status = if *is_sent { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
            assert_eq!(response.status(), status, "{reason}");
            assert_eq!(location(&response).is_some(), *is_sent, "{reason}");
            assert_eq!(response.headers().contains_key("www-authenticate"), !is_sent, "{reason}");
        }
    }
}

#[tokio::test]
async fn only_get_and_head_are_sent_to_the_login_page() {
    let world = world();
    for (method, is_sent) in [
        (Method::GET, true),
        (Method::HEAD, true),
        (Method::POST, false),
        (Method::PUT, false),
        (Method::DELETE, false),
        (Method::OPTIONS, false),
        (Method::from_bytes(b"QUERY").unwrap(), false),
    ] {
        let mut request = request("/me", &NAVIGATION);
        *request.method_mut() = method.clone();
        let response = world.send(request).await;
        assert_eq!(location(&response).is_some(), is_sent, "{method}");
    }
}

#[tokio::test]
async fn the_login_page_itself_is_never_redirected_to_itself() {
    let world = World::new();
    for (requested, is_sent) in [
        ("/login", false),
        ("/login?next=/me", false),
        ("/login?a=1", false),
        ("/login/code", true),
        ("/", true),
    ] {
        let response = guarded(&world, "/login?lang=de", request(requested, &NAVIGATION)).await;
        let status = if is_sent { StatusCode::SEE_OTHER } else { StatusCode::UNAUTHORIZED };
        assert_eq!(response.status(), status, "{requested}");
    }
}

#[tokio::test]
async fn a_login_would_not_help_with_any_other_rejection() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    let cookie = browser.cookie_header();

    // The user lacks a scope.
    let guard = world.auth.require_scope("admin").login_page("/login").unwrap();
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let mut navigation = request("/me", &NAVIGATION);
    navigation.headers_mut().insert("cookie", cookie.parse().unwrap());
    let response = world.auth.layer().layer(guard.layer(handler)).oneshot(navigation).await.unwrap();
    assert_eq!((response.status(), location(&response)), (StatusCode::FORBIDDEN, None));

    // A frame of another site, whose cookies do not count.
    let mut framed = request("/me", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]);
    framed.headers_mut().insert("cookie", cookie.parse().unwrap());
    let response = world.send(framed).await;
    assert_eq!((response.status(), location(&response)), (StatusCode::FORBIDDEN, None));

    // The store is down: the user is still logged in.
    let (mut expired, _) = expired_browser(&world, "alice").await;
    expired.drop_access();
    world.store.break_op(Op::Load, Fault::Fails);
    let mut navigation = request("/me", &NAVIGATION);
    navigation.headers_mut().insert("cookie", expired.cookie_header().parse().unwrap());
    let response = world.send(navigation).await;
    assert_eq!((response.status(), location(&response)), (StatusCode::SERVICE_UNAVAILABLE, None));
    assert!(response.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn a_user_who_cannot_refresh_is_not_sent_to_log_in_again() {
    let world = world();
    let mut browser = Browser::logged_in(&world, "alice").await;
    browser.cookies.remove("__Host-refresh");
    let mut navigation = request("/refresh", &NAVIGATION);
    navigation.headers_mut().insert("cookie", browser.cookie_header().parse().unwrap());
    let response = world.send(navigation).await;
    assert_eq!((response.status(), location(&response)), (StatusCode::UNAUTHORIZED, None));
}

#[tokio::test]
async fn a_closure_answers_what_the_login_page_does_not() {
    fn page(rejection: &Rejection, request: &http::request::Parts) -> Response<Bytes> {
        let mut response = Response::new(format!("{} {}", request.method, request.uri).into());
        *response.status_mut() = rejection.status();
        response
    }
    let all = World::with(|builder| builder.login_page("/login").on_rejection(page));
    let single = World::new();
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let guard = single.auth.require_auth().with_response(page).login_page("/login").unwrap();
    let guard = single.auth.layer().layer(guard.layer(handler));
    for (headers, expected) in [(&NAVIGATION[..], ""), (&[], "GET /me?a")] {
        for response in [
            all.send(request("/me?a", headers)).await,
            guard.clone().oneshot(request("/me?a", headers)).await.unwrap(),
        ] {
            assert_eq!(response.body(), expected);
            assert_eq!(location(&response).is_some(), expected.is_empty());
        }
    }
}

#[tokio::test]
async fn the_login_page_of_a_route_takes_precedence() {
    let world = world();
    let response = guarded(&world, "/staff", request("/me", &NAVIGATION)).await;
    assert_eq!(location(&response), Some("/staff?next=/me"));
}

#[test]
fn a_login_page_elsewhere_is_an_error() {
    let world = World::new();
    let with_next = ["/login?next=/", "/login?a=1&next", "/login?next"];
    for path in HOSTILE.iter().map(|(path, _)| *path).chain(with_next) {
        let error = world.auth.require_auth().login_page(path).unwrap_err();
        assert_eq!(error.path, path);
        assert!(error.to_string().contains(path), "{error}");
        assert!(world.auth.require_scope("admin").login_page(path).is_err(), "{path}");
    }
    for path in ["/login", "/login?lang=de", "/?nextpage=1"] {
        assert!(world.auth.require_auth().login_page(path).is_ok(), "{path}");
    }
}

#[tokio::test]
async fn a_person_whose_login_is_not_recent_is_sent_to_authenticate_again() {
    const MAX_AGE: Duration = Duration::from_secs(5 * 60);
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let recent = || world.auth.require_recent_login(MAX_AGE);
    let one = recent().reauthenticate_page("/confirm?by=code").unwrap();
    let both = recent().login_page("/staff").unwrap().reauthenticate_page("/confirm").unwrap();
    let reversed = recent().reauthenticate_page("/confirm").unwrap().login_page("/staff").unwrap();
    let one = BoxCloneService::new(world.auth.layer().layer(one.layer(handler)));
    let both = BoxCloneService::new(world.auth.layer().layer(both.layer(handler)));
    let reversed = BoxCloneService::new(world.auth.layer().layer(reversed.layer(handler)));

    let cookies = browser.cookie_header();
    let with_cookies = |path, headers: &[(&str, &str)]| {
        let cookies = [("cookie", cookies.as_str())];
        request(path, &[headers, &cookies].concat())
    };
    assert_eq!(one.clone().oneshot(with_cookies("/a", &NAVIGATION)).await.unwrap().status(), StatusCode::OK);

    world.clock.advance(MAX_AGE + Duration::from_secs(1));
    let cases = [
        (
            "/a?b",
            &NAVIGATION[..],
            [Some("/confirm?by=code&next=/a%3Fb"), Some("/confirm?next=/a%3Fb")],
            "a person",
        ),
        ("/confirm", &NAVIGATION[..], [None; 2], "the page itself"),
        ("/a", &[("accept", "application/json")][..], [None; 2], "a program"),
    ];
    for (path, headers, [alone, with_login], reason) in cases {
        for (service, expected) in [(&one, alone), (&both, with_login), (&reversed, with_login)] {
            let response = service.clone().oneshot(with_cookies(path, headers)).await.unwrap();
            assert_eq!(location(&response), expected, "{reason}");
            if expected.is_none() {
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{reason}");
                let challenge = response.headers()["www-authenticate"].to_str().unwrap();
                assert!(challenge.contains("insufficient_user_authentication"), "{challenge}");
            }
        }
    }
    for (service, expected) in
        [(one, "/login?next=/a"), (both, "/staff?next=/a"), (reversed, "/staff?next=/a")]
    {
        let response = service.oneshot(request("/a", &NAVIGATION)).await.unwrap();
        assert_eq!(location(&response), Some(expected), "an anonymous person");
    }
    assert!(recent().reauthenticate_page("//evil.example").is_err());
}
