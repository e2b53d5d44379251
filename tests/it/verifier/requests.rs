//! Requests through the layer.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower::{Layer, Service as _, ServiceExt, service_fn};
use tower_refresh::{
    Authenticated, Rejection, RejectionKind, Session,
    event::{EventKind, Misconfiguration, RejectionReason},
    middleware::RequireAuthLayer,
};

use super::{
    issuer::{Key, NOW, jwks},
    service::{Service, answer, with_bearer},
};
use crate::support::{Claims, mint::forged_access, probe::poll_until_stuck, request};

#[tokio::test]
async fn a_request_with_a_valid_token_is_authenticated_after_one_fetch() {
    let service = Service::new();
    for _ in 0..3 {
        let response = service.send(with_bearer(&Key::Ed.valid())).await;
        assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, &b"alice"[..]));
    }
    assert_eq!(service.endpoint.calls(), 1);
    assert_eq!(service.take_events(), []);
}

#[tokio::test]
async fn a_request_without_a_token_fetches_nothing() {
    let service = Service::new();
    let response = service.send(request("/me", &[])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"https://login.example.com\"");
    assert_eq!(service.send(request("/optional", &[])).await.body().as_ref(), b"-");
    assert_eq!(service.endpoint.calls(), 0);
}

#[tokio::test]
async fn each_rejection_has_its_status_and_challenge() {
    let service = Service::with(|builder| builder.access_cookie("__Host-access"));
    let valid = Key::Ed.valid();
    let expired = Key::Ed.token(&json!({}), &json!({"exp": NOW}));
    let forged = forged_access(&valid);
    let bearer = |token: &str| format!("Bearer {token}");
    let cookie = |token: &str| format!("__Host-access={token}");
    let (valid_bearer, expired_bearer, forged_bearer) = (bearer(&valid), bearer(&expired), bearer(&forged));
    let (valid_cookie, expired_cookie, forged_cookie) = (cookie(&valid), cookie(&expired), cookie(&forged));
    let elsewhere = ("sec-fetch-site", "cross-site");
    let navigation = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    /// What it is, the headers, the statuses where a user is required and where it is optional, and the error code.
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16, u16, Option<&'a str>);
    let cases: Vec<Case<'_>> = vec![
        ("nothing", vec![], 401, 200, None),
        ("a valid bearer", vec![("authorization", &valid_bearer)], 200, 200, None),
        ("another scheme", vec![("authorization", "Basic eDp4")], 401, 200, None),
        ("an expired bearer", vec![("authorization", &expired_bearer)], 401, 401, Some("invalid_token")),
        ("a forged bearer", vec![("authorization", &forged_bearer)], 401, 401, Some("invalid_token")),
        ("an empty bearer", vec![("authorization", "Bearer")], 401, 401, Some("invalid_token")),
        (
            "two bearers",
            vec![("authorization", &valid_bearer), ("authorization", &valid_bearer)],
            400,
            400,
            Some("invalid_request"),
        ),
        ("a valid cookie", vec![("cookie", &valid_cookie)], 200, 200, None),
        ("an expired cookie", vec![("cookie", &expired_cookie)], 401, 200, None),
        ("a forged cookie", vec![("cookie", &forged_cookie)], 401, 200, None),
        (
            "a forged bearer beside a valid cookie",
            vec![("authorization", &forged_bearer), ("cookie", &valid_cookie)],
            401,
            401,
            Some("invalid_token"),
        ),
        ("a cookie from another site", vec![("cookie", &valid_cookie), elsewhere], 403, 403, None),
        (
            "a cookie from another origin, without fetch metadata",
            vec![("cookie", &valid_cookie), ("origin", "https://evil.example")],
            403,
            403,
            None,
        ),
        (
            "a cookie of a page of the service",
            vec![("cookie", &valid_cookie), ("sec-fetch-site", "same-origin")],
            200,
            200,
            None,
        ),
        (
            "a navigation from another site",
            vec![("cookie", &valid_cookie), elsewhere, navigation[0], navigation[1]],
            200,
            200,
            None,
        ),
        ("another site without cookies", vec![elsewhere], 401, 200, None),
        (
            "a bearer of another site's page",
            vec![("authorization", &valid_bearer), elsewhere],
            200,
            200,
            None,
        ),
        (
            "two cookies of one session",
            vec![("cookie", &valid_cookie), ("cookie", &valid_cookie)],
            200,
            200,
            None,
        ),
    ];
    for (what, headers, required, optional, error) in cases {
        let response = service.send(request("/me", &headers)).await;
        assert_eq!(response.status(), required, "{what}");
        let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
        match (required, error) {
            (401, Some(error)) | (400, Some(error)) => {
                assert!(challenge.unwrap().contains(&format!("error=\"{error}\"")), "{what}: {challenge:?}");
            }
            (401, None) => {
                assert_eq!(challenge, Some("Bearer realm=\"https://login.example.com\""), "{what}")
            }
            _ => assert_eq!(challenge, None, "{what}"),
        }
        if required != 200 {
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{what}");
        }
        assert!(!response.headers().contains_key("set-cookie"), "{what}");
        assert_eq!(service.send(request("/optional", &headers)).await.status(), optional, "{what}");
    }
}

#[tokio::test]
async fn cookies_are_not_read_unless_they_are_named() {
    let service = Service::new();
    let cookie = format!("__Host-access={}", Key::Ed.valid());
    assert_eq!(service.send(request("/me", &[("cookie", &cookie)])).await.status(), 401);
    assert_eq!(service.endpoint.calls(), 0);
}

#[tokio::test]
async fn cookies_of_two_users_count_as_none() {
    let service = Service::with(|builder| builder.access_cookie("__Host-access").without_session_id());
    let of = |subject: &str, exp: u64| {
        format!("__Host-access={}", Key::Ed.token(&json!({}), &json!({"sub": subject, "exp": exp})))
    };
    let send =
        |one: String, other: String| service.send(request("/me", &[("cookie", &format!("{one}; {other}"))]));
    assert_eq!(send(of("alice", NOW + 9), of("bob", NOW + 9)).await.status(), 401);
    assert_eq!(send(of("alice", NOW + 9), of("alice", NOW + 10)).await.status(), 200);
}

#[tokio::test]
async fn an_access_cookie_waits_for_the_keys_too() {
    let service = Service::with(|builder| builder.access_cookie("access"));
    let cookie = format!("access={}", Key::Ed.valid());
    let send = || service.send(request("/optional", &[("cookie", &cookie)]));
    service.endpoint.take_down();
    assert_eq!(send().await.status(), 503);
    service.clock.advance(Duration::from_secs(1));
    service.endpoint.publish(&[Key::Ed]);
    assert_eq!(send().await.body().as_ref(), b"alice");
}

#[tokio::test]
async fn a_layer_requires_a_user_a_scope_or_a_recent_login() {
    let service = Service::new();
    let verifier = &service.verifier;
    let send = |layer: RequireAuthLayer, claims: Value| {
        let inner = layer.layer(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Bytes::from_static(b"in")))
        }));
        let request = with_bearer(&Key::Ed.token(&json!({}), &claims));
        verifier.layer().layer(inner).oneshot(request)
    };
    let minute = Duration::from_secs(60);
    let cases = [
        ("a user", verifier.require_auth(), json!({}), 200),
        ("its scope", verifier.require_scope("read"), json!({}), 200),
        ("another scope", verifier.require_scope("write"), json!({}), 403),
        ("no auth_time", verifier.require_recent_login(minute), json!({}), 401),
        ("a recent login", verifier.require_recent_login(minute), json!({"auth_time": NOW - 60}), 200),
        ("an older one", verifier.require_recent_login(minute), json!({"auth_time": NOW - 61}), 401),
        ("another verifier's layer", Service::new().verifier.require_auth(), json!({}), 500),
    ];
    for (what, layer, claims, expected) in cases {
        let Ok(response) = send(layer, claims).await;
        assert_eq!(response.status(), expected, "{what}");
    }
    let rejected: Vec<_> = service.take_events();
    let insufficient = EventKind::Rejected(RejectionReason::InsufficientScope);
    let too_old = EventKind::Rejected(RejectionReason::InsufficientUserAuthentication);
    let confused = EventKind::Misconfigured(Misconfiguration::OtherAuth);
    assert_eq!(rejected, [insufficient, too_old, too_old, confused]);
}

#[tokio::test]
async fn a_handler_that_asks_for_a_session_or_other_claims_gets_an_error_that_says_so() {
    let service = Service::new();
    let layer = service.verifier.layer();
    let session = layer.clone().layer(service_fn(|request: Request<()>| async move {
        let Err(rejection) = Session::<Claims>::from_extensions(request.extensions()) else {
            panic!("a session")
        };
        Ok::<_, Infallible>(rejection.to_response::<Bytes>(&request.into_parts().0))
    }));
    let Ok(response) = session.oneshot(with_bearer(&Key::Ed.valid())).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(*rejection.kind(), RejectionKind::NoSessions);
    assert_eq!(service.take_events(), [EventKind::Misconfigured(Misconfiguration::NoSessions)]);

    let claims = layer.layer(service_fn(|request: Request<()>| async move {
        let Err(rejection) = Authenticated::<()>::required(request.extensions()) else { panic!("a user") };
        Ok::<_, Infallible>(rejection.to_response::<Bytes>(&request.into_parts().0))
    }));
    let Ok(response) = claims.oneshot(with_bearer(&Key::Ed.valid())).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(service.take_events(), [EventKind::Misconfigured(Misconfiguration::ClaimsTypeMismatch)]);
}

#[tokio::test]
async fn an_anonymous_person_is_sent_to_the_login_page_of_the_route() {
    let service = Service::with(|builder| builder.access_cookie("access"));
    let pages = service.verifier.require_auth().login_page("/login").unwrap();
    let inner =
        pages.layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) }));
    let app = service.verifier.layer().layer(inner);
    let navigation =
        [("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let Ok(response) = app.clone().oneshot(request("/orders?page=2", &navigation)).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()["location"], "/login?next=/orders%3Fpage%3D2");
    let Ok(response) = app.oneshot(request("/orders", &[])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_layer_inside_the_same_layer_does_nothing() {
    let service = Service::new();
    let inner = service
        .verifier
        .layer()
        .layer(service_fn(|request: Request<()>| async move { Ok::<_, Infallible>(answer(request)) }));
    let app = service.verifier.layer().layer(inner);
    let Ok(response) = app.oneshot(with_bearer(&Key::Ed.token(&json!({}), &json!({"aud": "x"})))).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(service.take_events().len(), 1, "one layer has judged it");
}

#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_that_is_called_after_the_keys_are_there() {
    let service = Service::new();
    let document = service.endpoint.hold();
    let (mock, mut handle) = tower_test::mock::pair::<Request<()>, Response<Bytes>>();
    let mut app = service.verifier.layer().layer(mock);
    handle.allow(1);
    let mut future = Box::pin(app.ready().await.unwrap().call(with_bearer(&Key::Ed.valid())));
    assert!(poll_until_stuck(&mut future).is_pending());
    document.send(jwks(&[Key::Ed])).unwrap();
    assert!(poll_until_stuck(&mut future).is_pending());
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_response(Response::new(Bytes::from_static(b"in")));
    assert_eq!(future.await.unwrap().body().as_ref(), b"in");
}

#[tokio::test]
async fn events_and_rejections_follow_the_closures_of_the_application() {
    let service = Service::with(|builder| {
        builder.on_rejection(|rejection, _| {
            let mut response = Response::new(Bytes::from_static(b"ours"));
            *response.status_mut() = rejection.status();
            response
        })
    });
    let response = service.send(with_bearer("x")).await;
    assert_eq!((response.status().as_u16(), response.body().as_ref()), (401, &b"ours"[..]));
}
