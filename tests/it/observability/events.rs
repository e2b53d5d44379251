//! Events of rejected requests.

use bytes::Bytes;
use http::Response;
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    InvalidTokenReason, SessionHandle, Subject,
    event::{EventKind, RejectionReason},
};

use crate::support::{
    Browser, World,
    browser::{ACCESS, REFRESH},
    mint::{forged_access, forged_refresh},
    probe::{ACCESS_LIFETIME, expired_browser, session_of, with_bearer},
    request,
};

type Reported = Vec<(EventKind, Option<SessionHandle>, Option<Subject>)>;

fn reported(world: &World) -> Reported {
    world.events.lock().unwrap().drain(..).map(|event| (event.kind, event.session, event.subject)).collect()
}

fn anonymous(reason: RejectionReason) -> Reported {
    vec![(EventKind::Rejected(reason), None, None)]
}

#[tokio::test]
async fn each_request_that_is_rejected_for_its_credentials_is_reported_once() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let (access, cookies) = (browser.access().unwrap().to_owned(), browser.cookie_header());
    reported(&world);

    world.send(with_bearer("/public", &forged_access(&access))).await;
    assert_eq!(reported(&world), anonymous(RejectionReason::InvalidToken(InvalidTokenReason::BadSignature)));
    world.send(with_bearer("/me", "not a token")).await;
    assert_eq!(reported(&world), anonymous(RejectionReason::InvalidToken(InvalidTokenReason::Malformed)));

    let bearer = format!("Bearer {access}");
    world.send(request("/me", &[("authorization", &bearer), ("authorization", &bearer)])).await;
    assert_eq!(reported(&world), anonymous(RejectionReason::InvalidRequest));

    for path in ["/me", "/public", "/logout", "/login/alice"] {
        world.send(request(path, &[("cookie", &cookies), ("sec-fetch-site", "cross-site")])).await;
        assert_eq!(reported(&world), anonymous(RejectionReason::CrossSite), "{path} with cookies");
    }
    for path in ["/logout", "/login/alice"] {
        world.send(request(path, &[("sec-fetch-site", "cross-site")])).await;
        assert_eq!(reported(&world), anonymous(RejectionReason::CrossSite), "{path} without cookies");
    }

    world.auth.end_session(session_of(&browser)).await.unwrap();
    reported(&world);
    world.send(with_bearer("/me", &access)).await;
    assert_eq!(reported(&world), anonymous(RejectionReason::InvalidToken(InvalidTokenReason::Revoked)));
}

#[tokio::test]
async fn invalid_refresh_tokens_are_reported_once_per_request() {
    let world = World::new();
    let one = expired_browser(&world, "alice").await.0.refresh().unwrap().to_owned();
    let other = expired_browser(&world, "bob").await.0.refresh().unwrap().to_owned();
    let forged = forged_refresh(&one);
    reported(&world);
    let cases = [
        ("forged", format!("{REFRESH}={forged}")),
        ("malformed", format!("{REFRESH}=x")),
        ("empty", format!("{REFRESH}=")),
        ("two invalid ones", format!("{REFRESH}={forged}; {REFRESH}=x")),
        ("of two sessions", format!("{REFRESH}={one}; {REFRESH}={other}")),
    ];
    for (case, cookies) in cases {
        for path in ["/me", "/public"] {
            world.send(request(path, &[("cookie", &cookies)])).await;
            assert_eq!(reported(&world), anonymous(RejectionReason::InvalidRefreshToken), "{case}: {path}");
        }
    }
}

#[tokio::test]
async fn an_invalid_refresh_token_that_is_not_read_or_comes_beside_a_valid_one_is_not_reported() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let (access, refresh) = (browser.access().unwrap().to_owned(), browser.refresh().unwrap().to_owned());
    let forged = forged_refresh(&refresh);
    reported(&world);

    let valid = format!("{ACCESS}={access}; {REFRESH}={forged}");
    world.send(request("/me", &[("cookie", &valid)])).await;
    assert_eq!(reported(&world), [], "a valid access token is enough");

    world.clock.advance(ACCESS_LIFETIME);
    let both = format!("{REFRESH}={forged}; {REFRESH}={refresh}");
    let response = world.send(request("/me", &[("cookie", &both)])).await;
    assert_eq!(response.body(), "alice");
    assert!(!reported(&world).iter().any(|(kind, ..)| matches!(kind, EventKind::Rejected(_))));
}

#[tokio::test]
async fn missing_and_merely_expired_credentials_are_not_reported() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);
    reported(&world);

    world.send(request("/me", &[])).await;
    world.send(request("/public", &[("sec-fetch-site", "cross-site")])).await;
    world.send(with_bearer("/me", browser.access().unwrap())).await;

    assert_eq!(reported(&world), []);
}

#[tokio::test]
async fn a_user_who_lacks_a_scope_is_named() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    reported(&world);
    let respond = service_fn(|_| async { Ok::<_, std::convert::Infallible>(Response::new(Bytes::new())) });
    let service = world.auth.layer().layer(world.auth.require_scope("missing").layer(respond));

    let response = service.oneshot(browser.request("/admin")).await.unwrap();

    assert_eq!(response.status(), 403);
    let alice = Subject::new("alice");
    let expected =
        (EventKind::Rejected(RejectionReason::InsufficientScope), Some(session_of(&browser)), Some(alice));
    assert_eq!(reported(&world), [expected]);
}
