//! The exact bytes of cookies, as they are read and sent.

mod cases;
mod duplicates;

use std::time::Duration;

use bytes::Bytes;
use cases::{CASES, Case};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::SET_COOKIE};
use tower_refresh::{
    Auth, ConfigError, Identity, KeyRing, LateBudget, MemoryStore, Rejection, RejectionKind, RotationPolicy,
};

use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, generation, set_cookie},
    request,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn request_with(path: &str, headers: &[Vec<u8>]) -> Request<()> {
    let mut request = request(path, &[]);
    for header in headers {
        request.headers_mut().append("cookie", HeaderValue::from_bytes(header).unwrap());
    }
    request
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match text.windows(from.len()).position(|window| window == from) {
        Some(at) => [&text[..at], to, &replaced(&text[at + from.len()..], from, to)].concat(),
        None => text.to_vec(),
    }
}

#[tokio::test]
async fn cookies_are_read_as_bytes() {
    let world = World::new();
    let (alice, bob) = (Browser::logged_in(&world, "alice").await, Browser::logged_in(&world, "bob").await);
    for Case { reason, headers, who } in CASES {
        let headers: Vec<_> = headers
            .iter()
            .map(|header| {
                let tokens = [
                    ("<A>", alice.access()),
                    ("<R>", alice.refresh()),
                    ("<a>", bob.access()),
                    ("<r>", bob.refresh()),
                ];
                tokens.iter().fold(header.to_vec(), |header, (place, token)| {
                    replaced(&header, place.as_bytes(), token.unwrap().as_bytes())
                })
            })
            .collect();
        world.store.take_calls();
        let response = world.send(request_with("/optional", &headers)).await;
        assert_eq!(response.status(), StatusCode::OK, "{reason}");
        assert_eq!(response.body(), *who, "{reason}");
        if *who == "-" {
            assert_eq!(world.store.take_calls(), [], "{reason}");
            assert!(!response.headers().contains_key(SET_COOKIE), "{reason}");
        }
    }
}

#[tokio::test]
async fn of_access_cookies_of_one_session_the_latest_expiry_counts() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let old = browser.access().unwrap().to_owned();
    // Less than four fifths of the lifetime, after which the token is refreshed ahead anyway.
    world.clock.advance(Duration::from_secs(300));
    browser.get(&world, "/refresh").await;
    let new = browser.access().unwrap().to_owned();
    assert_ne!(old, new);
    // Now the old one has expired, the new one is in the middle of its life.
    world.clock.advance(Duration::from_secs(230));
    for (first, second) in [(&old, &new), (&new, &old)] {
        world.store.take_calls();
        let header =
            format!("{ACCESS}={first}; {ACCESS}={second}; {}={}", REFRESH, browser.refresh().unwrap());
        let response = world.send(request_with("/me", &[header.into()])).await;
        assert_eq!(response.body(), "alice");
        // With the old one alone there would be a refresh ahead.
        assert_eq!(world.store.take_calls(), []);
    }
}

#[tokio::test]
async fn of_refresh_cookies_of_one_session_the_highest_generation_counts() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    let mut tokens = vec![browser.refresh().unwrap().to_owned()];
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(600));
        browser.get(&world, "/me").await;
        tokens.push(browser.refresh().unwrap().to_owned());
    }
    assert_eq!(tokens.iter().map(|token| generation(token)).collect::<Vec<_>>(), [0, 1, 2]);
    world.take_events();
    // Two generations behind would be a reuse, which ends the session.
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let pairs: Vec<_> = order.iter().map(|at| format!("{REFRESH}={}", tokens[*at])).collect();
        let response = world.send(request_with("/me", &[pairs.join("; ").into()])).await;
        assert_eq!(response.body(), "alice", "{order:?}");
    }
    let alone = format!("{REFRESH}={}", tokens[0]);
    assert_eq!(world.send(request_with("/optional", &[alone.into()])).await.body(), "-");
    assert_eq!(world.auth.sessions("alice", None).await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_request_fields_are_sensitive_to_those_behind_the_layer() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let mut sent = request_with("/me", &[browser.cookie_header().into(), b"a=b".to_vec()]);
    let bearer = format!("Bearer {}", browser.access().unwrap());
    sent.headers_mut().insert("authorization", bearer.try_into().unwrap());
    let seen = |request: Request<()>| async move {
        for name in ["cookie", "authorization"] {
            assert!(request.headers().get_all(name).iter().all(HeaderValue::is_sensitive), "{name}");
        }
        Response::new(Bytes::from(request.headers().get_all("cookie").iter().count().to_string()))
    };
    assert_eq!(world.send_to(seen, sent).await.body(), "2");
}

#[tokio::test]
async fn other_names_are_read_where_they_are_configured() {
    for (world, access, refresh) in [
        (World::with(|builder| builder.cookie_names("a", "r")), "__Host-a", "__Host-r"),
        (World::with(|builder| builder.cookie_domain("example.com")), "__Secure-access", "__Secure-refresh"),
        (World::with(|builder| builder.insecure_http_cookies()), "access", "refresh"),
    ] {
        let mut browser = Browser::logged_in(&world, "alice").await;
        assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), [access, refresh]);
        assert_eq!(browser.get(&world, "/me").await.body(), "alice");
        browser.cookies.remove(access);
        assert_eq!(browser.get(&world, "/me").await.body(), "alice");
        browser.cookies.remove(access);
        let value = browser.cookies.remove(refresh).unwrap();
        browser.cookies.insert(REFRESH.to_owned(), value);
        assert_eq!(browser.get(&world, "/optional").await.body(), "-");
    }
}

/// The `Set-Cookie` headers of a response, with `<token>` for the tokens.
fn sent(headers: &HeaderMap) -> Vec<String> {
    let values =
        headers.get_all(SET_COOKIE).iter().inspect(|header| assert!(header.is_sensitive(), "{header:?}"));
    values
        .map(|header| {
            let text = header.to_str().unwrap();
            let (name, rest) = text.split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            let mut attributes: Vec<_> = attributes.split(';').map(str::trim).collect();
            attributes.sort_unstable();
            let value = if value.is_empty() { "" } else { "<token>" };
            format!("{name}={value}; {}", attributes.join("; "))
        })
        .collect()
}

/// No jitter: 5 % of this lifetime is less than a second.
fn short() -> RotationPolicy {
    let mut policy = RotationPolicy::balanced();
    policy.access_lifetime = Duration::from_secs(19);
    policy
}

#[tokio::test]
async fn the_attributes_of_cookies_that_are_set_and_removed() {
    let plain = World::with(|builder| builder.policy(short()));
    let renamed = World::with(|builder| builder.policy(short()).cookie_names("id", "re.fresh"));
    let domain = World::with(|builder| builder.policy(short()).cookie_domain("Example.com"));
    let insecure = World::with(|builder| builder.policy(short()).insecure_http_cookies());
    let both =
        World::with(|builder| builder.policy(short()).insecure_http_cookies().cookie_domain("localhost"));
    let cases = [
        (plain, "__Host-access", "__Host-refresh", "", "; Secure"),
        (renamed, "__Host-id", "__Host-re.fresh", "", "; Secure"),
        (domain, "__Secure-access", "__Secure-refresh", "Domain=Example.com; ", "; Secure"),
        (insecure, "access", "refresh", "", ""),
        (both, "access", "refresh", "Domain=localhost; ", ""),
    ];
    for (world, access, refresh, domain, secure) in cases {
        let mut browser = Browser::new();
        let login = browser.get(&world, "/login/alice").await;
        let set = |name, age| {
            format!("{name}=<token>; {domain}HttpOnly; Max-Age={age}; Path=/; SameSite=Lax{secure}")
        };
        assert_eq!(sent(login.headers()), [set(access, 19), set(refresh, 7 * 24 * 60 * 60)]);

        let logout = browser.get(&world, "/logout").await;
        let removal = |name| {
            format!(
                "{name}=; {domain}Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Max-Age=0; Path=/; \
                 SameSite=Lax{secure}"
            )
        };
        assert_eq!(sent(logout.headers()), [removal(access), removal(refresh)]);
        assert!(browser.cookies.is_empty());
    }
}

#[tokio::test]
async fn max_age_is_what_is_left_and_at_most_400_days() {
    let max_ages = async |world: &World, browser: &mut Browser, path: &str| {
        let response = browser.get(world, path).await;
        assert_eq!(response.status(), StatusCode::OK);
        let age = |header: &String| {
            header.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap().parse::<u64>().unwrap()
        };
        sent(response.headers()).iter().map(age).collect::<Vec<_>>()
    };
    let days = |days: u32| u64::from(days) * DAY.as_secs();

    // First the idle lifetime, then the rest of the absolute lifetime.
    let mut policy = short();
    (policy.idle, policy.absolute) = (7 * DAY, 10 * DAY);
    let world = World::with(|builder| builder.policy(policy));
    let mut browser = Browser::new();
    assert_eq!(max_ages(&world, &mut browser, "/login/alice").await, [19, days(7)]);
    world.clock.advance(2 * DAY);
    assert_eq!(max_ages(&world, &mut browser, "/me").await, [19, days(7)]);
    world.clock.advance(6 * DAY);
    assert_eq!(max_ages(&world, &mut browser, "/me").await, [19, days(2)]);
    // A second and a half before the session expires, neither cookie lives longer than the session.
    world.clock.advance(2 * DAY - Duration::from_millis(1500));
    assert_eq!(max_ages(&world, &mut browser, "/me").await, [2, 1]);

    let mut policy = short();
    (policy.idle, policy.absolute) = (3000 * DAY, 3000 * DAY);
    let world = World::with(|builder| builder.policy(policy));
    assert_eq!(max_ages(&world, &mut Browser::new(), "/login/alice").await, [19, days(400)]);
}

#[tokio::test]
async fn the_late_previous_token_gets_the_age_of_the_session_too() {
    let mut policy = short();
    policy.late = LateBudget::limited(1, DAY);
    let world = World::with(|builder| builder.policy(policy));
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(DAY);
    let lost = browser.clone().get(&world, "/me").await;
    assert_eq!(sent(lost.headers()).len(), 2);
    world.clock.advance(DAY);
    let response = browser.get(&world, "/me").await;
    let six_days = (6 * DAY).as_secs();
    assert!(sent(response.headers())[1].contains(&format!("Max-Age={six_days};")), "{response:?}");
}

#[tokio::test]
async fn a_response_with_a_cookie_is_never_cached_whatever_the_handler_said() {
    let world = World::new();
    let cached = |path: &'static str| {
        move |request: Request<()>| async move {
            let mut response = crate::support::world::routes(with_path(request, path)).await;
            let headers = response.headers_mut();
            for (name, value) in [
                ("cache-control", "public, max-age=600"),
                ("cdn-cache-control", "max-age=600"),
                ("surrogate-control", "max-age=600"),
                ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
                ("vary", "Accept"),
                ("set-cookie", "theme=dark; Path=/"),
            ] {
                headers.append(name, HeaderValue::from_static(value));
            }
            response
        }
    };
    let mut browser = Browser::new();
    for (path, cookies) in [("/login/alice", 3), ("/me", 3), ("/me", 1), ("/logout", 3)] {
        if cookies == 3 {
            world.clock.advance(Duration::from_secs(600));
        }
        let response = world.send_to(cached(path), browser.request(path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        browser.keep(response.headers());
        browser.cookies.remove("theme");
        let headers = response.headers();
        let values =
            |name| headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(values("set-cookie").len(), cookies, "{path}");
        assert_eq!(values("set-cookie")[0], "theme=dark; Path=/", "{path}");
        if cookies == 3 {
            assert_eq!(values("cache-control"), ["private, no-store"], "{path}");
            assert_eq!(values("vary"), ["Accept", "Cookie"], "{path}");
            for name in ["cdn-cache-control", "surrogate-control", "expires"] {
                assert_eq!(values(name), [""; 0], "{path}");
            }
        } else {
            assert_eq!(values("cache-control"), ["public, max-age=600"], "{path}");
            assert_eq!(values("vary"), ["Accept"], "{path}");
        }
    }
}

fn with_path(request: Request<()>, path: &str) -> Request<()> {
    let (mut parts, body) = request.into_parts();
    parts.uri = path.parse().unwrap();
    Request::from_parts(parts, body)
}

#[tokio::test]
async fn claims_that_do_not_fit_into_a_cookie_are_an_error_at_login() {
    let world = World::new();
    let login = async |len: usize| {
        world.users.set("alice", &"n".repeat(len), "user");
        world.send(request("/login/alice", &[])).await
    };
    assert_eq!(login(2500).await.status(), StatusCode::OK);
    world.store.take_calls();
    let response = login(3000).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let kind = response.extensions().get::<Rejection>().unwrap().kind();
    assert!(matches!(kind, RejectionKind::InvalidClaims { .. }), "{kind:?}");
    assert_eq!(world.store.calls(Op::Create), 0);
}

/// The limit of browsers (RFC 6265bis §5.6).
#[tokio::test]
async fn an_access_cookie_may_have_4096_bytes_of_name_and_value() {
    let mut longest = 0;
    // Base64 cannot have every length; three names cover all lengths.
    for name in ["a", "ab", "abc"] {
        let world = World::with(|builder| builder.cookie_names(name, "refresh"));
        for len in 2600..3000 {
            world.users.set("alice", &"n".repeat(len), "user");
            let response = world.send(request("/login/alice", &[])).await;
            let Some(token) = set_cookie(&response, &format!("__Host-{name}")) else { break };
            longest = longest.max("__Host-".len() + name.len() + token.len());
        }
    }
    assert_eq!(longest, 4096);
}

fn build(
    configure: impl FnOnce(tower_refresh::AuthBuilder<()>) -> tower_refresh::AuthBuilder<()>,
) -> Result<Auth<()>, ConfigError> {
    let builder = Auth::builder(KeyRing::hs256(crate::support::world::SECRET).unwrap())
        .issuer(crate::support::world::ISSUER)
        .audience(crate::support::world::AUDIENCE)
        .store(MemoryStore::new())
        .claims(|_, _| async { Ok::<_, std::io::Error>(Some(Identity::new(()))) });
    configure(builder).build()
}

#[test]
fn cookie_names_are_tokens_without_a_prefix() {
    let long = "n".repeat(65);
    for bad in [
        "",
        " ",
        "a b",
        "a=b",
        "a;b",
        "a,b",
        "\"a\"",
        "a\t",
        "é",
        "a\u{a0}",
        "a\0",
        "a\n",
        "__Host-a",
        "__Secure-a",
        "__host-a",
        "__SECURE-a",
        "__x",
        "a(b)",
        "a/b",
        "a@b",
        "[a]",
        "{a}",
        "a:b",
        "a?b",
        "a<b>",
        "a\\b",
        &long,
    ] {
        for (access, refresh) in [(bad, "refresh"), ("access", bad)] {
            let built = build(|builder| builder.cookie_names(access, refresh));
            assert!(matches!(built, Err(ConfigError::InvalidCookieName)), "{bad:?}");
        }
    }
    assert!(matches!(
        build(|builder| builder.cookie_names("same", "same")),
        Err(ConfigError::InvalidCookieName)
    ));
    for good in ["a", "A", "_a", "a.b", "a-b", "!#$%&'*+-.^_`|~", "0", &long[1..]] {
        assert!(build(|builder| builder.cookie_names(good, "refresh")).is_ok(), "{good}");
    }
}

#[test]
fn the_cookie_domain_is_a_host_name() {
    let long = format!("{}.example", "l".repeat(64));
    for bad in [
        "",
        ".",
        ".example.com",
        "example.com.",
        "example..com",
        "exa mple.com",
        "example.com:443",
        "example.com/",
        "https://example.com",
        "*.example.com",
        "-a.example",
        "a-.example",
        "é.example",
        "a_b.example",
        "[::1]",
        "example.com;",
        "example.com; Secure",
        "a\nb",
        &long,
    ] {
        assert!(
            matches!(build(|builder| builder.cookie_domain(bad)), Err(ConfigError::InvalidCookieDomain)),
            "{bad:?}"
        );
    }
    for good in ["example.com", "localhost", "a.b.c.example", "xn--e1afmkfd.example", "EXAMPLE.com"] {
        assert!(build(|builder| builder.cookie_domain(good)).is_ok(), "{good}");
    }
}
