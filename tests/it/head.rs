//! The response head: which responses carry tokens, in which transport, for how long, and their other headers.

use std::{convert::Infallible, panic::AssertUnwindSafe, time::Duration};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{AuthBuilder, Clock, RotationPolicy};

use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie, set_cookies},
    mint, request,
    store::Fault,
    world::routes,
};

const ACCESS_LIFETIME: Duration = Duration::from_secs(600);
/// The age of an access token that is valid and due for a refresh ahead, whatever its jitter.
const NEAR_END: Duration = Duration::from_secs(500);

/// Alice's browser, whose access token is this old.
async fn logged_in(world: &World, age: Duration) -> Browser {
    let browser = Browser::logged_in(world, "alice").await;
    world.clock.advance(age);
    world.store.take_calls();
    browser
}

/// A request with the access token in the header.
fn in_header(browser: &Browser, path: &str) -> Request<()> {
    let bearer = format!("Bearer {}", browser.access().unwrap());
    let cookie = format!("{REFRESH}={}", browser.refresh().unwrap());
    request(path, &[("authorization", &bearer), ("cookie", &cookie)])
}

fn names(headers: &HeaderMap) -> Vec<String> {
    set_cookies(headers).into_iter().map(|(name, _)| name).collect()
}

/// The value that the response sets for the cookie `name`, with its attributes.
fn max_age(response: &Response<Bytes>, name: &str) -> i64 {
    let headers = response.headers().get_all("set-cookie").iter().map(|header| header.to_str().unwrap());
    let cookie =
        headers.map(|header| cookie::Cookie::parse(header).unwrap()).find(|cookie| cookie.name() == name);
    cookie.unwrap().max_age().unwrap().whole_seconds()
}

#[tokio::test]
async fn a_refresh_goes_out_on_every_status() {
    for status in [200, 201, 204, 301, 302, 304, 400, 401, 403, 404, 429, 500, 503] {
        for age in [NEAR_END, ACCESS_LIFETIME] {
            let world = World::new();
            let browser = logged_in(&world, age).await;
            let path = format!("/status/{status}");

            let response = world.send(browser.request(&path)).await;

            assert_eq!(response.status(), status);
            assert_eq!(names(response.headers()), [ACCESS, REFRESH], "{status} {age:?}");
        }
        let world = World::new();
        let browser = logged_in(&world, ACCESS_LIFETIME).await;
        let response = world.send(in_header(&browser, &format!("/status/{status}"))).await;
        assert!(response.headers().contains_key("x-access-token"), "{status}");
        assert_eq!(names(response.headers()), [REFRESH], "{status}");
    }
}

#[tokio::test]
async fn switching_protocols_rotates_nothing() {
    for age in [NEAR_END, ACCESS_LIFETIME] {
        let world = World::new();
        let browser = logged_in(&world, age).await;
        let handler = |request: Request<()>| async {
            assert_eq!(routes(request).await.body().as_ref(), b"alice");
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
            response
        };

        let response = world.send_to(handler, browser.request("/me")).await;

        assert_eq!(response.status(), 101);
        assert!(response.headers().is_empty(), "{response:?}");
        assert_eq!(world.store.calls(Op::Swap), 0, "{age:?}");
    }
}

/// A handler that sets its own cookies and cache headers.
async fn opinionated(request: Request<()>) -> Response<Bytes> {
    let mut response = routes(request).await;
    for (name, value) in [
        ("set-cookie", "theme=dark; Path=/"),
        ("set-cookie", "__Host-access=mine"),
        ("cache-control", "public, max-age=3600"),
        ("cache-control", "s-maxage=7200"),
        ("cdn-cache-control", "max-age=3600"),
        ("surrogate-control", "max-age=3600"),
        ("vercel-cdn-cache-control", "max-age=3600"),
        ("edge-control", "max-age=3600"),
        ("x-accel-expires", "3600"),
        ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
        ("vary", "Accept-Encoding"),
        ("access-control-expose-headers", "x-total"),
        ("x-access-token", "mine"),
    ] {
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

fn values(response: &Response<Bytes>, name: &str) -> Vec<String> {
    response.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_not_cacheable(response: &Response<Bytes>) {
    assert_eq!(values(response, "cache-control"), ["private, no-store"]);
    assert_eq!(values(response, "vary"), ["Accept-Encoding", "Cookie"]);
    for name in [
        "cdn-cache-control",
        "vercel-cdn-cache-control",
        "surrogate-control",
        "edge-control",
        "x-accel-expires",
        "expires",
    ] {
        assert_eq!(values(response, name), Vec::<String>::new(), "{name}");
    }
}

#[tokio::test]
async fn a_response_with_tokens_is_never_cached_and_keeps_the_handlers_cookies() {
    for path in ["/me", "/login/alice", "/refresh", "/logout"] {
        let world = World::new();
        let browser = logged_in(&world, ACCESS_LIFETIME).await;

        let response = world.send_to(opinionated, browser.request(path)).await;

        assert_not_cacheable(&response);
        assert_eq!(
            values(&response, "set-cookie")[..2],
            ["theme=dark; Path=/", "__Host-access=mine"],
            "{path}"
        );
        assert_eq!(names(response.headers())[2..], [ACCESS, REFRESH], "{path}");
        assert_eq!(values(&response, "access-control-expose-headers"), ["x-total"], "{path}");
    }
}

#[tokio::test]
async fn a_body_with_a_token_is_not_cached_although_its_session_ended_meanwhile() {
    for path in ["/login/alice", "/refresh"] {
        let world = World::new();
        let browser = logged_in(&world, ACCESS_LIFETIME).await;
        let auth = world.auth.clone();
        let handler = move |request: Request<()>| {
            let auth = auth.clone();
            async move {
                let response = opinionated(request).await;
                assert!(response.status().is_success() && !response.body().is_empty());
                auth.end_subject("alice").await.unwrap();
                response
            }
        };

        let response = world.send_to(handler, browser.request(path)).await;

        assert_not_cacheable(&response);
        assert_eq!(names(response.headers()), ["theme", ACCESS], "{path}: the handler's own");
    }
}

#[tokio::test]
async fn an_access_token_in_the_header_is_exposed_and_replaces_the_handlers_own() {
    let world = World::new();
    let browser = logged_in(&world, ACCESS_LIFETIME).await;

    let response = world.send_to(opinionated, in_header(&browser, "/me")).await;

    assert_not_cacheable(&response);
    let tokens = values(&response, "x-access-token");
    assert_eq!(tokens.len(), 1);
    assert_eq!(mint::claims(&tokens[0])["sub"], "alice");
    assert_eq!(values(&response, "access-control-expose-headers"), ["x-total", "x-access-token"]);
}

#[tokio::test]
async fn a_response_without_tokens_is_the_handlers_own() {
    let world = World::new();
    let browser = logged_in(&world, Duration::ZERO).await;

    let response = world.send_to(opinionated, browser.request("/me")).await;

    let alone = opinionated(request("/x", &[])).await;
    assert_eq!(response.headers(), &without_rejection(alone));
}

/// The headers of [`opinionated`] alone: outside the layer its response is a rejection, which has some of its own.
fn without_rejection(response: Response<Bytes>) -> HeaderMap {
    let mut headers = response.into_parts().0.headers;
    headers.remove("content-type");
    headers.remove("x-content-type-options");
    headers
}

/// The headers of the response to an expired access token in this transport, in a world with these transports.
async fn answer_of(
    configure: impl FnOnce(AuthBuilder<crate::support::Claims>) -> AuthBuilder<crate::support::Claims>,
    request: impl FnOnce(&Browser) -> Request<()>,
) -> (u16, Vec<String>, bool) {
    let world = World::with(configure);
    let login = world.send(crate::support::request("/login/alice", &[])).await;
    let mut browser = Browser::new();
    browser.keep(login.headers());
    // The body has the access token whatever the transport.
    let access = String::from_utf8(login.body().to_vec()).unwrap();
    browser.cookies.insert(ACCESS.to_owned(), access);
    world.clock.advance(ACCESS_LIFETIME);
    let response = world.send(request(&browser)).await;
    let in_header = response.headers().contains_key("x-access-token");
    (response.status().as_u16(), names(response.headers()), in_header)
}

#[tokio::test]
async fn a_new_access_token_uses_the_transport_of_the_old_one() {
    let both = (200, vec![ACCESS.to_owned(), REFRESH.to_owned()], false);
    let header = (200, vec![REFRESH.to_owned()], true);
    let only_refresh = |browser: &Browser| {
        let mut browser = browser.clone();
        browser.drop_access();
        browser.request("/me")
    };

    assert_eq!(answer_of(|builder| builder, |browser| browser.request("/me")).await, both);
    assert_eq!(answer_of(|builder| builder, |browser| in_header(browser, "/me")).await, header);
    assert_eq!(answer_of(|builder| builder, only_refresh).await, both);
    // The header is not read: the refresh cookie decides, and the cookie is the only transport for the new token.
    assert_eq!(answer_of(|b| b.access_header(false), |browser| in_header(browser, "/me")).await, both);
    assert_eq!(answer_of(|b| b.access_header(false), |browser| browser.request("/me")).await, both);
    assert_eq!(answer_of(|b| b.access_header(false), only_refresh).await, both);
    assert_eq!(answer_of(|b| b.access_cookie(false), |browser| in_header(browser, "/me")).await, header);
    assert_eq!(answer_of(|b| b.access_cookie(false), |browser| browser.request("/me")).await, header);
    assert_eq!(answer_of(|b| b.access_cookie(false), only_refresh).await, header);
}

#[tokio::test]
async fn a_transport_that_is_off_is_not_read() {
    let world = World::with(|builder| builder.access_header(false));
    let browser = logged_in(&world, Duration::ZERO).await;
    let bearer = format!("Bearer {}", browser.access().unwrap());
    assert_eq!(world.send(request("/me", &[("authorization", &bearer)])).await.status(), 401);
    for nonsense in [&["Bearer nonsense"][..], &["Bearer", "Bearer"], &["Bearer a", "Basic b"]] {
        let mut headers: Vec<_> = nonsense.iter().map(|value| ("authorization", *value)).collect();
        let cookie = browser.cookie_header();
        headers.push(("cookie", &cookie));
        assert_eq!(world.send(request("/me", &headers)).await.status(), 200, "{nonsense:?}");
    }

    let world = World::with(|builder| builder.access_cookie(false));
    let login = world.send(request("/login/alice", &[])).await;
    assert_eq!(names(login.headers()), [REFRESH]);
    assert!(login.headers().contains_key("x-access-token"));
    let cookie = format!("{ACCESS}={}", std::str::from_utf8(login.body()).unwrap());
    assert_eq!(world.send(request("/me", &[("cookie", &cookie)])).await.status(), 401);
}

#[tokio::test]
async fn the_response_header_can_have_another_name() {
    let world = World::with(|builder| builder.access_header_name("x-new-token".parse().unwrap()));
    let browser = logged_in(&world, ACCESS_LIFETIME).await;

    let response = world.send(in_header(&browser, "/me")).await;

    assert!(response.headers().contains_key("x-new-token"));
    assert!(!response.headers().contains_key("x-access-token"));
    assert_eq!(values(&response, "access-control-expose-headers"), ["x-new-token"]);
}

fn with_policy(change: impl FnOnce(&mut RotationPolicy)) -> World {
    let mut policy = RotationPolicy::balanced();
    change(&mut policy);
    World::with(|builder| builder.policy(policy))
}

#[tokio::test]
async fn without_refresh_ahead_a_valid_access_token_is_never_refreshed() {
    let world = with_policy(|policy| policy.refresh_ahead = 0.0);
    let browser = logged_in(&world, Duration::ZERO).await;
    let life = mint::claims(browser.access().unwrap())["exp"].as_u64().unwrap() - world.clock.now().as_secs();
    world.clock.advance(Duration::from_secs(life - 1));

    let response = world.send(browser.request("/me")).await;

    assert_eq!(response.body().as_ref(), b"alice");
    assert_eq!(names(response.headers()), [""; 0]);
    assert_eq!(world.store.take_calls(), []);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(names(world.send(browser.request("/me")).await.headers()), [ACCESS, REFRESH]);
}

#[tokio::test]
async fn refresh_ahead_begins_in_the_last_fifth_of_the_lifetime() {
    // Without jitter: below 20 s there is none.
    let world = with_policy(|policy| policy.access_lifetime = Duration::from_secs(15));
    let browser = logged_in(&world, Duration::from_millis(11_999)).await;
    assert_eq!(names(world.send(browser.request("/me")).await.headers()), [""; 0]);
    assert_eq!(world.store.take_calls(), []);

    world.clock.advance(Duration::from_millis(1));
    // Too soon after the login to rotate.
    assert_eq!(names(world.send(browser.request("/me")).await.headers()), [ACCESS]);
}

#[tokio::test]
async fn an_access_token_lives_for_its_lifetime_less_at_most_a_twentieth() {
    let world = World::new();
    let now = world.clock.now().as_secs();
    let mut lives = std::collections::BTreeSet::new();
    for _ in 0..500 {
        let response = world.send(request("/login/alice", &[])).await;
        let claims = mint::claims(&set_cookie(&response, ACCESS).unwrap());
        assert_eq!(claims["iat"], now);
        let life = claims["exp"].as_u64().unwrap() - now;
        assert_eq!(max_age(&response, ACCESS), i64::try_from(life).unwrap());
        assert_eq!(max_age(&response, REFRESH), 7 * 24 * 60 * 60);
        lives.insert(life);
    }
    assert!(lives.iter().all(|life| (570..=600).contains(life)), "{lives:?}");
    assert!(lives.len() > 20, "{lives:?}");
}

#[tokio::test]
async fn no_token_outlives_the_session() {
    let world = with_policy(|policy| policy.absolute = Duration::from_secs(1000));
    let mut browser = Browser::new();
    let login = browser.get(&world, "/login/alice").await;
    assert_eq!(max_age(&login, REFRESH), 1000);
    let end = world.clock.now().as_secs() + 1000;

    world.clock.advance(Duration::from_millis(600_500));
    let response = browser.get(&world, "/me").await;

    assert_eq!(mint::claims(browser.access().unwrap())["exp"], end);
    assert_eq!(max_age(&response, REFRESH), 399);
    world.clock.advance(Duration::from_millis(399_500));
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
}

#[tokio::test]
async fn an_inner_service_that_fails_rotates_nothing() {
    for age in [NEAR_END, ACCESS_LIFETIME] {
        let world = World::new();
        let browser = logged_in(&world, age).await;
        let inner = service_fn(|_: Request<()>| async { Err::<Response<Bytes>, _>("its own error") });

        let error = world.auth.layer().layer(inner).oneshot(browser.request("/me")).await.unwrap_err();

        assert_eq!(error, "its own error");
        assert_eq!(world.store.calls(Op::Swap), 0, "{age:?}");
    }
}

#[tokio::test]
async fn an_inner_service_that_panics_rotates_nothing() {
    for age in [NEAR_END, ACCESS_LIFETIME] {
        let world = World::new();
        let mut browser = logged_in(&world, age).await;
        let inner = service_fn(|request: Request<()>| async move {
            assert_ne!(request.uri(), "/me", "the handler panics on demand");
            Ok::<_, Infallible>(Response::new(Bytes::new()))
        });

        let response = world.auth.layer().layer(inner).oneshot(browser.request("/me"));
        assert!(AssertUnwindSafe(response).catch_unwind().await.is_err());

        assert_eq!(world.store.calls(Op::Swap), 0, "{age:?}");
        let response = browser.get(&world, "/me").await;
        assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1, "{age:?}");
    }
}

/// A handler that takes this long, while the claims source changes.
async fn slowly(
    world: &World,
    request: Request<()>,
    takes: Duration,
    meanwhile: fn(&World),
) -> Response<Bytes> {
    let shared = world.clone();
    let handler = move |request: Request<()>| {
        let world = shared.clone();
        async move {
            let response = routes(request).await;
            world.clock.advance(takes);
            meanwhile(&world);
            response
        }
    };
    world.send_to(handler, request).await
}

fn rename(world: &World) {
    world.users.set("alice", "Renamed", "user admin");
}

#[tokio::test]
async fn claims_older_than_the_access_lifetime_are_loaded_again() {
    let second = Duration::from_secs(1);
    for (takes, name, loads) in [(ACCESS_LIFETIME - second, "Alice", 1), (ACCESS_LIFETIME, "Renamed", 2)] {
        for age in [NEAR_END, ACCESS_LIFETIME] {
            let world = World::new();
            let browser = logged_in(&world, age).await;
            let before = world.users.loads();

            let response = slowly(&world, browser.request("/me"), takes, rename).await;

            let claims = mint::claims(&set_cookie(&response, ACCESS).unwrap());
            assert_eq!((&claims["name"], world.users.loads() - before), (&name.into(), loads), "{takes:?}");
            assert_eq!(claims["iat"], world.clock.now().as_secs());
            assert_eq!(generation(&set_cookie(&response, REFRESH).unwrap()), 1);
        }
    }
}

#[tokio::test]
async fn claims_that_cannot_be_loaded_again_go_into_no_access_token() {
    let cases: [fn(&World); 3] = [
        |world| world.users.break_loads(Some(Fault::Fails)),
        |world| world.users.break_loads(Some(Fault::Panics)),
        |world| world.users.remove("alice"),
    ];
    for (case, meanwhile) in cases.into_iter().enumerate() {
        for header in [false, true] {
            let world = World::new();
            let mut browser = logged_in(&world, ACCESS_LIFETIME).await;
            let request = if header { in_header(&browser, "/me") } else { browser.request("/me") };

            let response = slowly(&world, request, ACCESS_LIFETIME, meanwhile).await;

            assert_eq!(response.body().as_ref(), b"alice");
            assert_eq!(names(response.headers()), [REFRESH], "{case}");
            assert!(!response.headers().contains_key("x-access-token"), "{case}");
            assert_eq!(response.headers()["cache-control"], "private, no-store");

            world.users.break_loads(None);
            world.users.set("alice", "Alice", "user");
            browser.keep(response.headers());
            assert_eq!(browser.get(&world, "/me").await.status(), 200, "{case}");
        }
    }
}

#[tokio::test]
async fn a_refresh_without_a_result_leaves_the_response_unchanged() {
    let life = Duration::from_secs(15);
    let world = with_policy(|policy| policy.access_lifetime = life);
    let browser = logged_in(&world, life).await;

    // Too soon to rotate, and too late for the claims.
    let gone = |world: &World| world.users.break_loads(Some(Fault::Fails));
    let response = slowly(&world, browser.request("/me"), life, gone).await;

    assert_eq!(response.body().as_ref(), b"alice");
    assert!(response.headers().is_empty(), "{response:?}");
}
