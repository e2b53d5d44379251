//! The registration of a device's key.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};
use tower_refresh::event::{DeviceRefusal, EndReason, EventKind};

use super::{both, enforcing};
use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, set_cookies},
    device::{BoundBrowser, Device, challenge, is_bound, new_access},
    probe::{carries_nothing, max_age, session_of},
    request,
    store::Fault,
};

fn refused(reason: DeviceRefusal) -> EventKind {
    EventKind::DeviceRegistrationRefused(reason)
}

fn set(request: &mut Request<()>, name: &'static str, value: &str) {
    request.headers_mut().insert(name, value.parse().unwrap());
}

async fn is_unbound(world: &World, bound: &BoundBrowser) -> bool {
    world.store.row(session_of(&bound.browser)).await.unwrap().binding.is_none()
}

#[tokio::test]
async fn a_registration_is_answered_with_the_instructions_and_an_access_cookie() {
    for (world, binding) in both() {
        let mut bound = BoundBrowser::new();
        let offer = bound.log_in(&world, "alice").await;
        world.take_events();
        let response = bound.register(&world, &offer).await;

        assert_eq!(response.status(), StatusCode::OK, "{binding:?}: {response:?}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["cache-control"], "private, no-store");
        assert_eq!(response.headers()["cross-origin-resource-policy"], "same-origin");
        let mut instructions: Value = serde_json::from_slice(response.body()).unwrap();
        let identifier = instructions["session_identifier"].take();
        assert!(identifier.as_str().is_some_and(|text| text.len() > 40), "{identifier}");
        let expected = json!({
            "session_identifier": null,
            "refresh_url": "/auth/device/refresh",
            "scope": {
                "origin": "https://api.example.com",
                "include_site": false,
                "scope_specification": [
                    {"type": "exclude", "domain": "api.example.com", "path": "/auth/device"},
                ],
            },
            "credentials": [
                {"type": "cookie", "name": "__Host-access", "attributes": "HttpOnly; SameSite=Lax; Secure; Path=/"},
            ],
            "allowed_refresh_initiators": ["*"],
        });
        assert_eq!(instructions, expected);
        // The browser compares the attributes with those of the cookie.
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        let attributes = instructions["credentials"][0]["attributes"].as_str().unwrap();
        assert!(cookie.starts_with("__Host-access="), "{cookie}");
        for attribute in attributes.split("; ") {
            assert!(cookie.split("; ").any(|of_cookie| of_cookie == attribute), "{attribute}: {cookie}");
        }

        let access = new_access(&response).unwrap();
        assert!(is_bound(&access));
        assert_eq!(world.take_events(), [EventKind::DeviceBound], "{binding:?}");
        let row = world.store.row(session_of(&bound.browser)).await.unwrap();
        assert!(row.binding.is_some_and(|binding| !binding.is_confirmed()));
        assert!(challenge(&response).is_some());
    }
}

#[tokio::test]
async fn the_access_cookie_of_a_bound_session_expires_15_seconds_before_its_token() {
    let world = enforcing();
    let mut bound = BoundBrowser::new();
    let offer = bound.log_in(&world, "alice").await;
    let response = bound.register(&world, &offer).await;
    let claims = crate::support::mint::claims(bound.browser.access().unwrap());
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(max_age(&response, ACCESS), Some(life - 15));
}

/// What a request that is otherwise a registration has, and how it is answered.
type Refused = (&'static str, fn(&mut Request<()>, &BoundBrowser), StatusCode, DeviceRefusal);

const REFUSED: &[Refused] = &[
    (
        "a script of the page sends it",
        |request, _| set(request, "sec-fetch-mode", "cors"),
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "another site sends it",
        |request, _| set(request, "sec-fetch-site", "cross-site"),
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "a sibling host sends it",
        |request, _| set(request, "sec-fetch-site", "same-site"),
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "a person types the address",
        |request, _| set(request, "sec-fetch-site", "none"),
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "no browser sends it",
        |request, _| {
            for name in ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "origin"] {
                request.headers_mut().remove(name);
            }
        },
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "it has no origin",
        |request, _| drop(request.headers_mut().remove("origin")),
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "its origin is opaque",
        |request, _| set(request, "origin", "null"),
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "it has two origins",
        |request, _| {
            request.headers_mut().append("origin", HeaderValue::from_static("https://evil.example"));
        },
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "its access token is a header",
        |request, bound| {
            let bearer = format!("Bearer {}", bound.browser.access().unwrap());
            set(request, "authorization", &bearer);
        },
        StatusCode::FORBIDDEN,
        DeviceRefusal::NotSameOrigin,
    ),
    (
        "it has no cookie",
        |request, _| drop(request.headers_mut().remove("cookie")),
        StatusCode::FORBIDDEN,
        DeviceRefusal::NoSession,
    ),
    (
        "it has no proof",
        |request, _| drop(request.headers_mut().remove("secure-session-response")),
        StatusCode::BAD_REQUEST,
        DeviceRefusal::InvalidProof,
    ),
    (
        "it has two proofs",
        |request, _| {
            let proof = request.headers()["secure-session-response"].clone();
            request.headers_mut().append("secure-session-response", proof);
        },
        StatusCode::BAD_REQUEST,
        DeviceRefusal::InvalidProof,
    ),
    (
        "its proof is not a token",
        |request, _| set(request, "secure-session-response", "proof"),
        StatusCode::BAD_REQUEST,
        DeviceRefusal::InvalidProof,
    ),
    (
        "its proof is one of a refresh, without a key",
        |request, bound| {
            let jwt = request.headers()["secure-session-response"].to_str().unwrap().to_owned();
            let payload = jwt.split('.').nth(1).unwrap();
            let payload = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
            let payload: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
            set(request, "secure-session-response", &bound.device.proof(payload["jti"].as_str().unwrap()));
        },
        StatusCode::BAD_REQUEST,
        DeviceRefusal::InvalidProof,
    ),
    (
        "its proof has the signature of another key",
        |request, bound| {
            let jwt = request.headers()["secure-session-response"].to_str().unwrap().to_owned();
            let other = bound.device.registration("other");
            let signature = other.rsplit_once('.').unwrap().1;
            let forged = format!("{}.{signature}", jwt.rsplit_once('.').unwrap().0);
            set(request, "secure-session-response", &forged);
        },
        StatusCode::FORBIDDEN,
        DeviceRefusal::InvalidProof,
    ),
    (
        "its challenge is not ours",
        |request, bound| set(request, "secure-session-response", &bound.device.registration("challenge")),
        StatusCode::FORBIDDEN,
        DeviceRefusal::InvalidChallenge,
    ),
];

#[tokio::test]
async fn a_registration_that_is_not_the_browsers_own_is_refused() {
    for (reason, change, status, refusal) in REFUSED {
        for (world, binding) in both() {
            let mut bound = BoundBrowser::new();
            let offer = bound.log_in(&world, "alice").await;
            let mut request = bound.registration(&bound.device.registration(&offer));
            change(&mut request, &bound);
            world.take_events();
            let response = world.send(request).await;
            assert_eq!(response.status(), *status, "{reason}, {binding:?}: {response:?}");
            assert!(carries_nothing(&response), "{reason}, {binding:?}: {response:?}");
            assert_eq!(world.take_events(), [refused(*refusal)], "{reason}, {binding:?}");
            assert!(is_unbound(&world, &bound).await, "{reason}, {binding:?}");
        }
    }
}

#[tokio::test]
async fn an_offer_is_good_for_its_session_and_for_two_minutes() {
    for (seconds, is_good) in [(0, true), (120, true), (121, false)] {
        let world = enforcing();
        let mut bound = BoundBrowser::new();
        let offer = bound.log_in(&world, "alice").await;
        world.clock.advance(Duration::from_secs(seconds));
        world.take_events();
        let response = bound.register(&world, &offer).await;
        assert_eq!(response.status() == StatusCode::OK, is_good, "{seconds} s: {response:?}");
        if !is_good {
            assert_eq!(world.take_events(), [refused(DeviceRefusal::ExpiredChallenge)]);
        }
    }

    let world = enforcing();
    let mut thief = BoundBrowser::new();
    thief.log_in(&world, "bob").await;
    let offer = BoundBrowser::new().log_in(&world, "alice").await;
    world.take_events();
    let response = thief.register(&world, &offer).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.take_events(), [refused(DeviceRefusal::NoSession)]);
}

#[tokio::test]
async fn the_challenge_of_a_refresh_registers_nothing() {
    let world = enforcing();
    let bound = BoundBrowser::registered(&world, "alice").await;
    let mut other = bound.clone();
    other.device = Device::other();
    let challenge = bound.challenge.clone().unwrap();
    world.take_events();
    let response = other.register(&world, &challenge).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.take_events(), [refused(DeviceRefusal::InvalidChallenge)]);
}

#[tokio::test]
async fn the_refresh_token_of_the_session_is_enough_and_the_access_token_is_not() {
    for (kept, is_enough) in [(REFRESH, true), (ACCESS, false)] {
        let world = enforcing();
        let mut bound = BoundBrowser::new();
        let offer = bound.log_in(&world, "alice").await;
        bound.browser.cookies.retain(|name, _| name == kept);
        world.take_events();
        let response = bound.register(&world, &offer).await;
        let expected = if is_enough { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(response.status(), expected, "{kept}: {response:?}");
        let event = if is_enough { EventKind::DeviceBound } else { refused(DeviceRefusal::NoSession) };
        assert_eq!(world.take_events(), [event], "{kept}");
    }
}

/// A login at the callback of an identity provider: its registration has no cookie.
#[tokio::test]
async fn an_offer_on_a_navigation_from_elsewhere_needs_no_cookie() {
    let world = enforcing();
    let mut bound = BoundBrowser::new();
    let mut login = request("/login/alice", &[]);
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
    {
        set(&mut login, name, value);
    }
    let response = world.send(login).await;
    let offer = crate::support::device::offer(&response).expect("an offer");
    let answer = bound.register(&world, &offer).await;
    assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
    bound.keep(&response);
    bound.keep(&answer);
    assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
}

/// A script that has installed a service worker could read the offer, and register a key of its own elsewhere.
#[tokio::test]
async fn an_offer_that_a_service_worker_can_read_needs_a_cookie() {
    for (dest, preload) in [("empty", None), ("document", Some("true")), ("empty", Some("true"))] {
        let world = enforcing();
        let mut bound = BoundBrowser::new();
        let mut login = request("/login/alice", &[]);
        for (name, value) in
            [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", dest)]
        {
            set(&mut login, name, value);
        }
        if let Some(preload) = preload {
            set(&mut login, "service-worker-navigation-preload", preload);
        }
        let response = world.send(login).await;
        let offer = crate::support::device::offer(&response).expect("an offer");
        let stolen = bound.register(&world, &offer).await;
        assert_eq!(stolen.status(), StatusCode::FORBIDDEN, "{dest} {preload:?}: {stolen:?}");
        bound.keep(&response);
        assert_eq!(bound.register(&world, &offer).await.status(), StatusCode::OK, "{dest} {preload:?}");
    }
}

#[tokio::test]
async fn a_registration_that_is_sent_again_is_answered_the_same_until_its_key_is_confirmed() {
    for (world, binding) in both() {
        let mut bound = BoundBrowser::new();
        let offer = bound.log_in(&world, "alice").await;
        let proof = bound.device.registration(&offer);
        let first = world.send(bound.registration(&proof)).await;
        world.take_events();
        let second = world.send(bound.registration(&proof)).await;
        assert_eq!((first.status(), first.body()), (second.status(), second.body()), "{binding:?}");
        assert!(is_bound(&new_access(&second).unwrap()), "{binding:?}");
        assert_eq!(world.take_events(), [], "{binding:?}: the session was bound before");

        bound.keep(&second);
        assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK, "{binding:?}");
        world.take_events();
        let third = world.send(bound.registration(&proof)).await;
        assert_eq!(third.status(), StatusCode::FORBIDDEN, "{binding:?}: a copy");
        assert!(carries_nothing(&third), "{binding:?}");
        assert_eq!(world.take_events(), [refused(DeviceRefusal::OtherKey)], "{binding:?}");
    }
}

#[tokio::test]
async fn another_key_never_replaces_the_first() {
    for (world, binding) in both() {
        for is_confirmed in [false, true] {
            let mut bound = BoundBrowser::new();
            let offer = bound.log_in(&world, "alice").await;
            assert_eq!(bound.register(&world, &offer).await.status(), StatusCode::OK);
            if is_confirmed {
                assert_eq!(bound.refresh(&world).await.status(), StatusCode::OK);
            }
            let before = world.store.row(session_of(&bound.browser)).await;
            let mut thief = bound.clone();
            thief.device = Device::other();
            world.take_events();
            let response = thief.register(&world, &offer).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{binding:?} {is_confirmed}");
            assert_eq!(world.take_events(), [refused(DeviceRefusal::OtherKey)]);
            assert_eq!(world.store.row(session_of(&bound.browser)).await, before);
        }
    }
}

#[tokio::test]
async fn a_session_that_is_over_cannot_be_registered() {
    for case in ["ended", "expired", "the user is gone"] {
        let world = enforcing();
        let mut bound = BoundBrowser::new();
        let offer = bound.log_in(&world, "alice").await;
        let session = session_of(&bound.browser);
        match case {
            "ended" => drop(world.auth.end_session(session).await.unwrap()),
            "expired" => {
                crate::support::probe::alter_row(&world, session, |row| row.idle_expiry = row.created_at)
                    .await;
            }
            _ => world.users.remove("alice"),
        }
        world.take_events();
        let response = bound.register(&world, &offer).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{case}: {response:?}");
        assert!(carries_nothing(&response), "{case}");
        let events = world.take_events();
        assert_eq!(events.last(), Some(&refused(DeviceRefusal::SessionOver)), "{case}");
        assert_eq!(events.contains(&EventKind::End(EndReason::Disabled)), case == "the user is gone");
    }
}

#[tokio::test]
async fn a_failure_registers_nothing_and_is_reported_as_one() {
    let failed = |response: &Response<Bytes>| {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{response:?}");
        assert!(response.headers().contains_key("retry-after"));
        assert!(set_cookies(response.headers()).is_empty());
    };
    for op in [Op::Load, Op::Swap] {
        let world = enforcing();
        let mut bound = BoundBrowser::new();
        let offer = bound.log_in(&world, "alice").await;
        world.store.break_op(op, Fault::Fails);
        failed(&bound.register(&world, &offer).await);
        world.store.fix();
        assert!(is_unbound(&world, &bound).await, "{op:?}");
        assert_eq!(bound.register(&world, &offer).await.status(), StatusCode::OK, "{op:?}: it works again");
    }
    let world = enforcing();
    let mut bound = BoundBrowser::new();
    let offer = bound.log_in(&world, "alice").await;
    world.users.break_loads(Some(Fault::Fails));
    failed(&bound.register(&world, &offer).await);
    assert!(is_unbound(&world, &bound).await);
}

#[tokio::test]
async fn without_the_setting_the_handler_is_a_mistake_that_is_named() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let mut bound = BoundBrowser::new();
    bound.browser = browser;
    let response = world.send(bound.registration(&bound.device.registration("challenge"))).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(response.body()).contains("device"), "{response:?}");
}
