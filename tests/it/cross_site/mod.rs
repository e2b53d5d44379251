//! Which requests' cookies count, and how requests whose cookies do not count are rejected.

mod cases;

use bytes::Bytes;
use cases::{CASES, Case, TRUSTED};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header::SET_COOKIE,
};
use tower_refresh::{
    Auth, AuthBuilder, ConfigError, Identity, KeyRing, MemoryStore, Rejection, RejectionKind, Session,
    event::{EventKind, RejectionReason},
};

use crate::support::{Browser, World, browser::ACCESS};

fn world() -> World {
    World::with(|builder| TRUSTED.into_iter().fold(builder, AuthBuilder::trusted_origin))
}

fn request(case: &Case, target: &str, more: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder()
        .method(Method::from_bytes(case.method.as_bytes()).unwrap())
        .uri(target)
        .version(if case.target.contains("://") { Version::HTTP_2 } else { Version::HTTP_11 })
        .body(())
        .unwrap();
    let headers = request.headers_mut();
    for (name, value) in case.headers.iter().chain(more).filter(|(_, value)| *value != "no host") {
        headers
            .append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    if case.headers.iter().all(|(name, _)| *name != "host") {
        headers.append("host", HeaderValue::from_static("api.example.com"));
    }
    request
}

fn kind(response: &Response<Bytes>) -> Option<RejectionKind> {
    response.extensions().get::<Rejection>().map(|rejection| rejection.kind().clone())
}

fn sets_cookies(headers: &HeaderMap) -> bool {
    headers.contains_key(SET_COOKIE)
}

/// The target of the case with another path.
fn target(case: &Case, path: &str) -> String {
    case.target.replace("/optional", path)
}

#[tokio::test]
async fn cookies_count_for_our_own_requests_and_for_navigations() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    for case in CASES {
        let cookies = browser.cookie_header();
        let access = [("cookie", &*cookies)];
        let response = world.send(request(case, case.target, &access)).await;
        let reason = case.reason;
        if case.passes {
            assert_eq!(
                (response.status(), &response.body()[..]),
                (StatusCode::OK, b"alice".as_slice()),
                "{reason}"
            );
        } else {
            assert_eq!(kind(&response), Some(RejectionKind::CrossSite), "{reason}: {:?}", response.body());
        }
    }
}

#[tokio::test]
async fn a_rejected_request_changes_nothing() {
    let world = world();
    let mut browser = Browser::logged_in(&world, "alice").await;
    // The refresh cookie alone, with which the layer would call the store.
    browser.drop_access();
    let cookies = browser.cookie_header();
    world.store.take_calls();
    world.take_events();
    for case in CASES.iter().filter(|case| !case.passes) {
        let reason = case.reason;
        for (path, status) in [
            ("/me", StatusCode::FORBIDDEN),
            ("/optional", StatusCode::FORBIDDEN),
            ("/public", StatusCode::OK),
            ("/login/bob", StatusCode::FORBIDDEN),
            ("/logout", StatusCode::FORBIDDEN),
            ("/logout-everywhere", StatusCode::FORBIDDEN),
            ("/logout-others", StatusCode::FORBIDDEN),
            ("/refresh", StatusCode::FORBIDDEN),
            ("/reauthenticate", StatusCode::FORBIDDEN),
            ("/status/500", StatusCode::INTERNAL_SERVER_ERROR),
        ] {
            let response = world.send(request(case, &target(case, path), &[("cookie", &cookies)])).await;
            assert_eq!(response.status(), status, "{reason}: {path}");
            if status == StatusCode::FORBIDDEN {
                assert_eq!(kind(&response), Some(RejectionKind::CrossSite), "{reason}: {path}");
            }
            if path == "/public" {
                assert_eq!(response.body(), "-", "{reason}");
            }
            assert!(!sets_cookies(response.headers()), "{reason}: {path}");
            assert_eq!(world.store.take_calls(), [], "{reason}: {path}");
            assert_eq!(
                world.take_events(),
                [EventKind::Rejected(RejectionReason::CrossSite)],
                "{reason}: {path}"
            );
        }
    }
    assert_eq!(browser.get(&world, "/me").await.body(), "alice", "the session lives");
}

#[tokio::test]
async fn a_rejected_request_without_cookies_is_anonymous_and_cannot_log_in() {
    let world = world();
    for case in CASES.iter().filter(|case| !case.passes) {
        let reason = case.reason;
        let strange = [("cookie", "theme=dark; access=1; __Host-refresh2=2")];
        for headers in [&[][..], &strange] {
            let optional = world.send(request(case, case.target, headers)).await;
            assert_eq!(
                (optional.status(), &optional.body()[..]),
                (StatusCode::OK, b"-".as_slice()),
                "{reason}"
            );
            let me = world.send(request(case, &target(case, "/me"), headers)).await;
            assert_eq!(kind(&me), Some(RejectionKind::Unauthenticated), "{reason}");
            for path in ["/login/bob", "/logout", "/refresh"] {
                let response = world.send(request(case, &target(case, path), headers)).await;
                assert_eq!(kind(&response), Some(RejectionKind::CrossSite), "{reason}: {path}");
                assert!(!sets_cookies(response.headers()), "{reason}: {path}");
            }
        }
    }
    assert_eq!(world.store.take_calls(), []);
}

fn is_started_by_another_site(case: &Case) -> bool {
    let has = |name: &str, values: &[&str]| {
        case.headers.iter().any(|(header, value)| *header == name && values.contains(value))
    };
    has("sec-fetch-mode", &["navigate"]) && !has("sec-fetch-site", &["same-origin", "none"])
}

#[tokio::test]
async fn a_request_that_passes_may_log_in_and_out() {
    let world = world();
    for case in CASES.iter().filter(|case| case.passes) {
        let login = world.send(request(case, &target(case, "/login/bob"), &[])).await;
        assert_eq!(login.status(), StatusCode::OK, "{}", case.reason);
        let mut browser = Browser::new();
        browser.keep(login.headers());
        let cookies = browser.cookie_header();
        for path in ["/refresh", "/logout"] {
            let response = world.send(request(case, &target(case, path), &[("cookie", &cookies)])).await;
            // Another site can discard the tokens of a navigation that it starts.
            let succeeds = path == "/logout" || !is_started_by_another_site(case);
            let status = if succeeds { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(response.status(), status, "{}: {path}", case.reason);
            assert_eq!(sets_cookies(response.headers()), succeeds, "{}: {path}", case.reason);
        }
    }
}

#[tokio::test]
async fn a_bearer_header_counts_from_any_site() {
    let world = world();
    let alice = Browser::logged_in(&world, "alice").await;
    let bob = Browser::logged_in(&world, "bob").await;
    let (bearer, cookies) = (format!("Bearer {}", alice.access().unwrap()), bob.cookie_header());
    world.store.take_calls();
    for case in CASES {
        let headers = [("authorization", &*bearer), ("cookie", &*cookies)];
        let response = world.send(request(case, &target(case, "/me"), &headers)).await;
        assert_eq!(response.body(), "alice", "{}", case.reason);

        let bad = [("authorization", "Bearer x.y.z"), ("cookie", &*cookies)];
        let response = world.send(request(case, &target(case, "/me"), &bad)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{}", case.reason);
    }
    // An expired bearer token is not renewed with a cookie that does not count.
    world.clock.advance(std::time::Duration::from_secs(600));
    let cookies = alice.cookie_header();
    for case in CASES.iter().filter(|case| !case.passes) {
        let headers = [("authorization", &*bearer), ("cookie", &*cookies)];
        let response = world.send(request(case, &target(case, "/me"), &headers)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{}", case.reason);
        assert!(!response.headers().contains_key("x-access-token"), "{}", case.reason);
    }
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn a_rejected_request_with_a_bearer_header_still_changes_no_session() {
    let world = world();
    let browser = Browser::logged_in(&world, "alice").await;
    let bearer = format!("Bearer {}", browser.access().unwrap());
    let handle = world.auth.sessions("alice", None).await.unwrap()[0].handle();
    world.store.take_calls();
    for case in CASES.iter().filter(|case| !case.passes) {
        for path in ["/login/bob", "/logout", "/logout-everywhere", "/logout-others", "/refresh"] {
            let response =
                world.send(request(case, &target(case, path), &[("authorization", &bearer)])).await;
            assert_eq!(kind(&response), Some(RejectionKind::CrossSite), "{}: {path}", case.reason);
        }
        let end = move |request: Request<()>| async move {
            let (request, ()) = request.into_parts();
            let session = Session::<crate::support::Claims>::from_extensions(&request.extensions).unwrap();
            session.end(handle).await.unwrap_err().to_response(&request)
        };
        let response = world.send_to(end, request(case, case.target, &[("authorization", &bearer)])).await;
        assert_eq!(kind(&response), Some(RejectionKind::CrossSite), "{}", case.reason);
        assert_eq!(world.store.take_calls(), [], "{}", case.reason);
    }
}

#[tokio::test]
async fn an_access_cookie_is_not_ours_while_its_transport_is_off() {
    let world = World::with(|builder| builder.access_cookie(false));
    let rejected = &CASES.iter().find(|case| case.reason == "cross-site POST").unwrap();
    let access_cookie = format!("{ACCESS}=x");
    let response = world.send(request(rejected, "/optional", &[("cookie", &access_cookie)])).await;
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, b"-".as_slice()));
    let response = world.send(request(rejected, "/optional", &[("cookie", "__Host-refresh=x")])).await;
    assert_eq!(kind(&response), Some(RejectionKind::CrossSite));
}

#[test]
fn trusted_origins_are_written_as_browsers_send_them() {
    let build = |origin: &str| {
        Auth::<()>::builder(KeyRing::hs256(crate::support::world::SECRET).unwrap())
            .issuer(crate::support::world::ISSUER)
            .audience(crate::support::world::AUDIENCE)
            .store(MemoryStore::new())
            .claims(|_, _| async { Ok::<_, std::io::Error>(Some(Identity::new(()))) })
            .trusted_origin("https://good.example")
            .trusted_origin(origin)
            .build()
    };
    for bad in [
        "",
        "null",
        "*",
        "https://",
        "://app.example.com",
        "app.example.com",
        "//app.example.com",
        "https:app.example.com",
        "https:/app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?q",
        "https://app.example.com#f",
        "https://user@app.example.com",
        "https://user:pw@app.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
        "https://app.example.com:",
        "https://app.example.com:x",
        "https://app.example.com:99999",
        "https://App.example.com",
        "HTTPS://app.example.com",
        "https://*.example.com",
        "https://app.example.com ",
        " https://app.example.com",
        "https://app example.com",
        "https://äpp.example.com",
        "https://app.example.com,https://b.example",
        "https://app.example.com https://b.example",
        "https://[::1",
        "https://a\\b",
        "https://:8443",
        "1https://app.example.com",
        "http://[localhost]",
        "http://[::G]",
        "ht_tps://app.example.com",
    ] {
        match build(bad) {
            Err(ConfigError::InvalidTrustedOrigin { origin, .. }) => assert_eq!(origin, bad),
            other => panic!("{bad:?}: {other:?}"),
        }
    }
    for good in [
        "https://app.example.com",
        "http://localhost",
        "http://localhost:3000",
        "https://app.example.com:8443",
        "https://app.example.com:80",
        "http://app.example.com:443",
        "http://[::1]:3000",
        "http://[::1]",
        "http://127.0.0.1",
        "https://xn--e1afmkfd.example",
        "chrome-extension://abcdefgh",
        "app+x.y-z://host",
    ] {
        assert!(build(good).is_ok(), "{good}");
    }
}
