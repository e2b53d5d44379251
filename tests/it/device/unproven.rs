//! A refresh token without a proof of the device to which its session is bound.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_refresh::{
    Assessment, Clock, DeviceBinding, RejectionKind,
    event::{DeviceRefreshSkipped, EventKind, TokenClass},
};

use super::{CONFIRMED, UNCONFIRMED, bind, bound_browser, world};
use crate::support::{
    Browser, Op, World,
    probe::{ACCESS_LIFETIME, DAY, GRACE, alter_row, as_navigation, carries_nothing, with_bearer},
    request,
};

const UNPROVEN: EventKind = EventKind::DeviceUnproven(None);

fn with(mut request: Request<()>, headers: &[(&'static str, &str)]) -> Request<()> {
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

/// A navigation that another site started.
fn from_elsewhere(request: Request<()>) -> Request<()> {
    let mut request = as_navigation(request);
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    request
}

fn kind(response: &Response<Bytes>) -> &RejectionKind {
    response.extensions().get::<tower_refresh::Rejection>().unwrap().kind()
}

#[tokio::test]
async fn a_refresh_token_alone_authenticates_nothing_and_changes_nothing() {
    type Send = fn(Request<()>) -> Request<()>;
    let requests: [(&str, Send); 4] = [
        ("a script", |request| request),
        ("a navigation of our own, which removes useless cookies", as_navigation),
        ("a navigation that another site started", from_elsewhere),
        ("a script of our own origin", |request| with(request, &[("sec-fetch-site", "same-origin")])),
    ];
    for (reason, send) in requests {
        for (path, status) in [("/me", 401), ("/optional", 200), ("/public", 200)] {
            let world = world(DeviceBinding::Enforce);
            let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
            browser.drop_access();
            world.clock.advance(ACCESS_LIFETIME);
            let before = world.store.row(session).await;
            let response = world.send(send(browser.request(path))).await;
            assert_eq!(response.status(), status, "{reason}, {path}");
            assert!(carries_nothing(&response), "{reason}, {path}: {response:?}");
            assert_eq!(world.store.row(session).await, before, "{reason}, {path}");
            assert_eq!(world.take_events(), [UNPROVEN], "{reason}, {path}: once");
            assert_eq!(world.store.take_calls(), [(Op::Load, 1)], "{reason}, {path}");
            assert_eq!(world.users.loads(), 1, "{reason}: only for the login");
        }
    }
}

/// A copy that is old is of no use to find a theft, since it authenticates nothing.
#[tokio::test]
async fn no_generation_of_the_token_counts_without_a_proof() {
    for generation in [0, 1, 2, 7] {
        let world = world(DeviceBinding::Enforce);
        let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
        browser.drop_access();
        world.clock.advance(DAY);
        let rotated_at = world.clock.now();
        alter_row(&world, session, |row| (row.generation, row.rotated_at) = (generation, rotated_at)).await;
        for wait in [0, 45, 600] {
            world.clock.advance(std::time::Duration::from_secs(wait));
            assert_eq!(browser.get(&world, "/me").await.status(), 401);
            assert_eq!(world.take_events(), [UNPROVEN], "generation {generation}");
        }
        assert!(world.store.row(session).await.unwrap().ended.is_none());
        assert_eq!(world.store.writes(session), 0);
    }
}

#[tokio::test]
async fn before_the_first_proof_and_where_bindings_are_observed_the_token_refreshes() {
    let cases = [
        (DeviceBinding::Enforce, None),
        (DeviceBinding::Enforce, Some(UNCONFIRMED)),
        (DeviceBinding::Observe, Some(UNCONFIRMED)),
        (DeviceBinding::Observe, Some(CONFIRMED)),
    ];
    for (binding, flags) in cases {
        let world = world(binding);
        let mut browser = Browser::logged_in(&world, "alice").await;
        let session = crate::support::probe::session_of(&browser);
        if let Some(flags) = flags {
            bind(&world, session, flags).await;
        }
        let bound = world.store.row(session).await.unwrap().binding;
        world.take_events();
        for generation in 1..4 {
            world.clock.advance(ACCESS_LIFETIME);
            assert_eq!(browser.get(&world, "/me").await.status(), 200, "{binding:?}, {flags:?}");
            let events = world.take_events();
            assert_eq!(events.last(), Some(&EventKind::Refresh(TokenClass::Current)));
            // Where bindings are observed, it is only reported.
            let is_reported = binding == DeviceBinding::Observe && flags == Some(CONFIRMED);
            assert_eq!(
                events.contains(&EventKind::DeviceUnproven(None)),
                is_reported,
                "{binding:?}, {flags:?}"
            );
            let row = world.store.row(session).await.unwrap();
            assert_eq!((row.generation, row.binding), (generation, bound.clone()));
        }
    }
}

#[tokio::test]
async fn a_session_without_a_binding_setting_is_not_asked_for_proofs() {
    let world = World::new();
    let (mut browser, _) = bound_browser(&world, CONFIRMED).await;
    world.clock.advance(ACCESS_LIFETIME);
    assert_eq!(browser.get(&world, "/me").await.status(), 200);
}

#[tokio::test]
async fn an_expired_bearer_token_is_not_refreshed_without_a_proof() {
    let world = world(DeviceBinding::Enforce);
    let (browser, session) = bound_browser(&world, CONFIRMED).await;
    let bearer = with_bearer("/me", browser.access().unwrap());
    world.clock.advance(ACCESS_LIFETIME);
    let before = world.store.row(session).await;
    let cookie = format!("__Host-refresh={}", browser.refresh().unwrap());
    let response = world.send(with(bearer, &[("cookie", &cookie)])).await;
    assert_eq!(response.status(), 401);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("the access token has expired"), "{challenge}");
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await, before);
    assert_eq!(world.take_events(), [UNPROVEN]);
}

/// The binding is confirmed while the handler runs, so the refresh token of its request mints nothing any more.
#[tokio::test]
async fn a_token_that_was_accepted_mints_nothing_once_the_binding_is_confirmed() {
    for path in ["/me", "/refresh"] {
        let world = world(DeviceBinding::Enforce);
        let (mut browser, session) = bound_browser(&world, UNCONFIRMED).await;
        world.clock.advance(ACCESS_LIFETIME);
        browser.drop_access();
        let (response, gate) = world.send_held(crate::support::world::routes, browser.request(path));
        let response = tokio::spawn(response);
        crate::support::probe::settle().await;
        bind(&world, session, CONFIRMED).await;
        gate.close();
        let response = response.await.unwrap();
        assert!(carries_nothing(&response), "{path}: {response:?}");
        assert_eq!(world.store.row(session).await.unwrap().generation, 0, "{path}");
    }
}

#[tokio::test]
async fn concurrent_requests_without_a_proof_share_the_load_and_its_report() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
    browser.drop_access();
    world.clock.advance(ACCESS_LIFETIME);
    world.store.hold(Op::Load);
    let [first, second] = [(); 2].map(|()| {
        let (world, request) = (world.clone(), browser.request("/me"));
        tokio::spawn(async move { world.send(request).await })
    });
    crate::support::probe::settle().await;
    world.store.let_through(Op::Load);
    for response in [first.await.unwrap(), second.await.unwrap()] {
        assert_eq!(response.status(), 401);
        assert!(carries_nothing(&response));
    }
    assert_eq!(world.take_events(), [UNPROVEN]);
    assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
    assert_eq!(world.store.writes(session), 0);
}

#[tokio::test]
async fn an_upgrade_spends_nothing_without_a_proof() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
    browser.drop_access();
    alter_row(&world, session, |row| row.generation = 1).await;
    world.clock.advance(ACCESS_LIFETIME);
    let before = world.store.row(session).await;
    let response = browser.get(&world, "/status/101").await;
    assert!(carries_nothing(&response));
    assert_eq!(world.store.row(session).await, before);
    assert_eq!(world.take_events(), [UNPROVEN]);
}

#[tokio::test]
async fn a_browser_that_could_not_refresh_is_asked_to_come_back() {
    use DeviceRefreshSkipped::{QuotaExceeded, ServerError, Unreachable};
    let cases: [(&[&str], Option<DeviceRefreshSkipped>); 13] = [
        (&["unreachable"], Some(Unreachable)),
        (&["server_error"], Some(ServerError)),
        (&["quota_exceeded"], Some(QuotaExceeded)),
        (&["unreachable;session_identifier=\"abc\""], Some(Unreachable)),
        (&["server_error; session_identifier=abc"], Some(ServerError)),
        (&["other;session_identifier=\"a\", quota_exceeded;session_identifier=\"b\""], Some(QuotaExceeded)),
        (&["other", "unreachable"], Some(Unreachable)),
        (&[], None),
        (&[""], None),
        (&["other"], None),
        (&["Unreachable"], None),
        (&["\"unreachable\""], None),
        (&["unreachable_"], None),
    ];
    for (values, reason) in cases {
        let world =
            World::with(|builder| builder.device_binding(DeviceBinding::Enforce).login_page("/login-page"));
        let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
        browser.drop_access();
        world.clock.advance(ACCESS_LIFETIME);
        let headers: Vec<_> = values.iter().map(|value| ("secure-session-skipped", *value)).collect();
        let before = world.store.row(session).await;
        let mut same_origin = as_navigation(browser.request("/me"));
        same_origin.headers_mut().insert("sec-fetch-site", "same-origin".parse().unwrap());
        let response = world.send(with(same_origin, &headers)).await;
        assert_eq!(world.take_events(), [EventKind::DeviceUnproven(reason)], "{values:?}");
        match reason {
            Some(_) => {
                assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{values:?}");
                assert!(response.headers().contains_key("retry-after"));
                assert!(!response.headers().contains_key("www-authenticate"));
                assert_eq!(kind(&response), &RejectionKind::DeviceRefreshSkipped);
            }
            None => assert_eq!(response.status(), StatusCode::SEE_OTHER, "{values:?}: to the login page"),
        }
        let response = world.send(with(browser.request("/refresh"), &headers)).await;
        assert_eq!(response.status(), if reason.is_some() { 503 } else { 401 }, "{values:?}");
        // It opens nothing, and where no user is needed it changes nothing.
        let response = world.send(with(browser.request("/optional"), &headers)).await;
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"-"[..]), "{values:?}");
        assert!(carries_nothing(&response));
        assert_eq!(world.store.row(session).await, before, "{values:?}");
    }
}

#[tokio::test]
async fn the_header_of_a_skipped_refresh_means_nothing_in_other_sessions() {
    let skipped = [("secure-session-skipped", "unreachable")];
    for world in [world(DeviceBinding::Enforce), world(DeviceBinding::Observe), World::new()] {
        let response = world.send(with(request("/me", &[]), &skipped)).await;
        assert_eq!(response.status(), 401, "anonymous");
        let (mut browser, session) = bound_browser(&world, UNCONFIRMED).await;
        browser.drop_access();
        world.clock.advance(ACCESS_LIFETIME);
        let response = world.send(with(browser.request("/me"), &skipped)).await;
        assert_eq!(response.status(), 200, "the refresh token refreshes");
        world.auth.end_session(session).await.unwrap();
        let response = world.send(with(browser.request("/me"), &skipped)).await;
        assert_eq!(response.status(), 401, "an ended session");
    }
}

#[tokio::test]
async fn an_ended_or_expired_session_is_over_whatever_its_binding_says() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
    browser.drop_access();
    world.auth.end_session(session).await.unwrap();
    world.take_events();
    let response = world.send(as_navigation(browser.request("/me"))).await;
    browser.keep(response.headers());
    assert!(browser.cookies.is_empty(), "they are removed");
    assert_eq!(world.take_events(), []);
}

/// The application is asked about tokens that are accepted.
#[tokio::test]
async fn a_request_without_a_proof_is_not_assessed() {
    let world = World::with(|builder| {
        builder.device_binding(DeviceBinding::Enforce).assess(|_| Assessment::EndSession)
    });
    let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
    browser.drop_access();
    assert_eq!(browser.get(&world, "/me").await.status(), 401);
    assert!(world.store.row(session).await.unwrap().ended.is_none());
    assert_eq!(world.take_events(), [UNPROVEN]);
}

/// An access token from before the first proof, whose last fifth has begun.
#[tokio::test]
async fn a_refresh_ahead_without_a_proof_changes_nothing_and_reports_nothing() {
    let world = world(DeviceBinding::Enforce);
    let (mut browser, session) = bound_browser(&world, CONFIRMED).await;
    world.clock.advance(ACCESS_LIFETIME - 2 * GRACE);
    let before = world.store.row(session).await;
    for _ in 0..3 {
        let response = browser.get(&world, "/me").await;
        assert_eq!(response.status(), 200);
        assert!(carries_nothing(&response));
    }
    assert_eq!(world.store.row(session).await, before);
    assert_eq!(world.take_events(), []);
}

/// It has a binding only if a row was written by somebody else, since native clients register no keys.
#[cfg(all(feature = "axum", any(feature = "aws_lc_rs", feature = "rust_crypto")))]
#[tokio::test]
async fn a_native_client_of_a_bound_session_is_refused() {
    use tower_refresh::{Session, TokenError};

    let world = world(DeviceBinding::Enforce);
    let handler = |request: Request<()>| async move {
        let session = Session::<crate::support::Claims>::from_extensions(request.extensions()).unwrap();
        session.login_native("alice").await.unwrap().to_response()
    };
    let response = world.send_to(handler, request("/", &[])).await;
    let tokens: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    let session = crate::support::mint::session(tokens["access_token"].as_str().unwrap());
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert!(world.auth.refresh_native(refresh).await.is_ok());
    bind(&world, session, CONFIRMED).await;
    let before = world.store.row(session).await;
    world.take_events();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_eq!(world.auth.refresh_native(refresh).await.unwrap_err(), TokenError::InvalidGrant);
    assert_eq!(world.auth.refresh_token_grant(form.as_bytes()).await.unwrap_err(), TokenError::InvalidGrant);
    assert_eq!(world.take_events(), [UNPROVEN, UNPROVEN]);
    assert_eq!(world.store.row(session).await, before);
}
