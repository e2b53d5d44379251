//! When the user authenticated, and routes that need it to be recent.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Authenticated, Clock, ReauthOptions, Rejection, RejectionKind, Subject, Timestamp,
    event::{EventKind, RejectionReason},
};

use super::reauthenticate;
use crate::support::{
    Browser, Claims, World, mint,
    probe::{ACCESS_LIFETIME, MILLISECOND, session_of, with_bearer},
    request,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// The response of a route that needs a login at most `max_age` ago.
async fn guarded(world: &World, max_age: Duration, request: Request<()>) -> Response<Bytes> {
    let respond =
        service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(Bytes::from_static(b"done"))));
    let service = world.auth.layer().layer(world.auth.require_recent_login(max_age).layer(respond));
    service.oneshot(request).await.unwrap()
}

/// What the handler sees: the time of authentication, and whether it is at most `max_age` ago.
async fn seen(world: &World, max_age: Duration, request: Request<()>) -> (Option<Timestamp>, bool) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let handler = move |request: Request<()>| {
        let user = Authenticated::<Claims>::required(request.extensions()).unwrap();
        sender.send((user.auth_time(), user.is_recent(max_age))).unwrap();
        async { Response::new(Bytes::new()) }
    };
    world.send_to(handler, request).await;
    receiver.recv().unwrap()
}

fn challenge(response: &Response<Bytes>) -> &str {
    response.headers()["www-authenticate"].to_str().unwrap()
}

#[tokio::test]
async fn a_login_is_recent_up_to_its_maximum_age() {
    let second = |seconds| i64::from(seconds) * 1000;
    for (since, is_recent, reason) in [
        (0, true, "just logged in"),
        (second(300) - 1, true, "a millisecond before the end"),
        (second(300), true, "exactly the maximum age"),
        (second(300) + 1, false, "a millisecond too late"),
        (second(500), false, "long ago"),
        (second(-60), true, "the clock of the server that authenticated is ahead"),
        (second(-60) - 1, false, "further ahead than clocks may differ"),
    ] {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        let now = world.clock.now().as_millis().checked_add_signed(since).unwrap();
        world.clock.set(Timestamp::from_millis(now));
        let response = guarded(&world, 5 * MINUTE, browser.request("/")).await;
        let token_is_valid = since >= -60_000;
        let expected = if is_recent { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(response.status(), expected, "{reason}");
        if token_is_valid {
            assert_eq!(seen(&world, 5 * MINUTE, browser.request("/")).await.1, is_recent, "{reason}");
        }
    }
}

#[tokio::test]
async fn an_old_login_is_challenged_as_rfc_9470_requires_and_the_next_one_passes() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(5 * MINUTE + SECOND);
    world.take_events();
    for request in [browser.request("/"), with_bearer("/", browser.access().unwrap())] {
        let response = guarded(&world, 5 * MINUTE, request).await;

        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            challenge(&response),
            "Bearer realm=\"https://api.example.com\", error=\"insufficient_user_authentication\", \
             error_description=\"more recent authentication is required\", max_age=\"300\""
        );
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["error"], "insufficient_user_authentication");
        let rejection = response.extensions().get::<Rejection>().unwrap();
        let RejectionKind::InsufficientUserAuthentication { max_age, .. } = rejection.kind() else {
            panic!("{rejection:?}")
        };
        assert_eq!(*max_age, 5 * MINUTE);
        assert_eq!(rejection.retry_after(), None);
    }
    for event in world.events.lock().unwrap().drain(..) {
        assert_eq!(event.kind, EventKind::Rejected(RejectionReason::InsufficientUserAuthentication));
        assert_eq!((event.session, event.subject), (Some(session_of(&browser)), Some(Subject::new("alice"))));
    }

    let response = reauthenticate(&world, browser.request("/"), ReauthOptions::new()).await;
    browser.keep(response.headers());
    assert_eq!(guarded(&world, 5 * MINUTE, browser.request("/")).await.body(), "done");
    assert_eq!(
        guarded(&world, Duration::ZERO, browser.request("/")).await.body(),
        "done",
        "in the same second"
    );
}

#[tokio::test]
async fn without_a_user_the_request_is_rejected_as_on_every_other_route() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let forged = with_bearer("/", &mint::forged_access(browser.access().unwrap()));
    let mut cross_site = browser.request("/");
    cross_site.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    for (request, status, error) in
        [(request("/", &[]), 401, None), (forged, 401, Some("invalid_token")), (cross_site, 403, None)]
    {
        let response = guarded(&world, 5 * MINUTE, request).await;
        assert_eq!(response.status(), status, "{error:?}");
        let kind = response.extensions().get::<Rejection>().unwrap().kind().clone();
        assert_eq!(kind.oauth_error(), error, "{kind:?}");
    }
    let anonymous = guarded(&world, 5 * MINUTE, request("/", &[])).await;
    assert_eq!(challenge(&anonymous), "Bearer realm=\"https://api.example.com\"");
}

#[tokio::test]
async fn refreshes_leave_the_time_of_authentication_and_show_it_in_whole_seconds() {
    let world = World::new();
    // Within a second, so that the row has a fraction that no token has.
    world.clock.advance(700 * MILLISECOND);
    let login = Timestamp::from_secs(world.clock.now().as_secs());
    let mut browser = Browser::logged_in(&world, "alice").await;
    for round in 0..3 {
        let expected = (Some(login), round == 0);
        assert_eq!(seen(&world, 5 * MINUTE, browser.request("/")).await, expected, "{round}");
        assert_eq!(mint::claims(browser.access().unwrap())["auth_time"], login.as_secs());
        world.clock.advance(ACCESS_LIFETIME);
        // This request is refreshed, and sees the row instead of a token. Its response is lost.
        assert_eq!(seen(&world, 5 * MINUTE, browser.request("/")).await, (Some(login), false), "{round}");
        browser.get(&world, "/me").await;
    }
}

/// A route that is refreshed in the same request is judged by the row.
#[tokio::test]
async fn a_refresh_makes_no_login_recent() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);
    let response = guarded(&world, 5 * MINUTE, browser.request("/")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&response).contains("insufficient_user_authentication"));
    assert!(response.headers().contains_key("set-cookie"), "it is refreshed all the same");
}

#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod tokens {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use tower_refresh::{
        KeyRing,
        keys::{Algorithm, SigningKey},
    };

    use super::{Browser, Duration, MINUTE, StatusCode, World, challenge, guarded, mint, seen, with_bearer};
    use crate::support::{hmac::hmac_sha256, probe::refresh, world::SECRET};

    /// The access token without its `auth_time`, as an earlier version issued it.
    fn of_an_earlier_version(access: &str) -> String {
        let mut claims = mint::claims(access);
        assert!(claims.as_object_mut().unwrap().remove("auth_time").is_some());
        let header = access.split('.').next().unwrap();
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(hmac_sha256(SECRET, message.as_bytes()));
        format!("{message}.{signature}")
    }

    #[tokio::test]
    async fn a_token_of_an_earlier_version_is_valid_and_not_recent() {
        let world = World::new();
        let browser = Browser::logged_in(&world, "alice").await;
        let old = of_an_earlier_version(browser.access().unwrap());
        assert_eq!(world.send(with_bearer("/me", &old)).await.body(), "alice");
        assert_eq!(seen(&world, Duration::MAX, with_bearer("/", &old)).await, (None, false));
        let response = guarded(&world, Duration::MAX, with_bearer("/", &old)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(challenge(&response).ends_with(&format!(", max_age=\"{}\"", u64::MAX)));
    }

    #[tokio::test]
    async fn tokens_of_every_algorithm_carry_it_through_rotations() {
        let file = |name: &str| {
            std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys").join(name))
                .unwrap()
        };
        let signing = |algorithm, name| SigningKey::from_pem(algorithm, file(name));
        for key in [
            SigningKey::from_secret(Algorithm::Hs256, SECRET),
            SigningKey::from_secret(Algorithm::Hs384, [1; 48]),
            SigningKey::from_secret(Algorithm::Hs512, [1; 64]),
            signing(Algorithm::EdDsa, "ed25519.pem"),
            signing(Algorithm::Es256, "es256.pem"),
            signing(Algorithm::Es384, "es384.pem"),
            signing(Algorithm::Rs256, "rsa.pem"),
        ] {
            let key = key.unwrap();
            let algorithm = key.algorithm();
            let world = World::new();
            world.auth.rotate_keys(KeyRing::new(key)).unwrap();
            let mut browser = Browser::logged_in(&world, "alice").await;
            let (login, _) = seen(&world, MINUTE, browser.request("/")).await;
            assert!(login.is_some(), "{algorithm:?}");
            for _ in 0..2 {
                refresh(&world, &mut browser).await;
                assert_eq!(seen(&world, MINUTE, browser.request("/")).await, (login, false), "{algorithm:?}");
            }
        }
    }
}
