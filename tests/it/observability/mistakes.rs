//! Mistakes of the application: one event for each request that a 500 answers.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Authenticated, Session,
    event::{Event, EventKind, Misconfiguration},
};

use crate::support::{Browser, Claims, World, probe::session_of, request, world::routes};

async fn ok(_: Request<()>) -> Result<Response<Bytes>, Infallible> {
    Ok(Response::new(Bytes::new()))
}

/// The mistakes since the last call, with their sessions.
fn reported(world: &World) -> Vec<(Misconfiguration, bool)> {
    let events: Vec<Event> = world.events.lock().unwrap().drain(..).collect();
    let mistakes = events.into_iter().filter_map(|event| match event.kind {
        EventKind::Misconfigured(mistake) => {
            Some((mistake, event.session.is_some() && event.subject.is_some()))
        }
        _ => None,
    });
    mistakes.collect()
}

#[tokio::test]
async fn what_one_auth_requires_behind_the_layer_of_another_is_reported_there() {
    let (customers, staff) = (World::new(), World::new());
    let customer = Browser::logged_in(&customers, "alice").await;
    for required in [staff.auth.require_auth(), staff.auth.require_scope("user")] {
        let service = customers.auth.layer().layer(required.layer(service_fn(ok)));
        service.oneshot(customer.request("/")).await.unwrap();
        assert_eq!(reported(&customers), [(Misconfiguration::OtherAuth, true)]);
    }
    assert_eq!(reported(&staff), []);
}

#[tokio::test]
async fn claims_of_another_type_are_reported_once_for_each_request() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let handler = |request: Request<()>| async move {
        let (request, ()) = request.into_parts();
        let extensions = &request.extensions;
        assert!(Session::<()>::from_extensions(extensions).is_err());
        assert!(Authenticated::<()>::from_extensions(extensions).is_err());
        let Err(rejection) = Authenticated::<()>::required(extensions) else { unreachable!() };
        rejection.to_response(&request)
    };
    for request in [browser.request("/"), browser.request("/")] {
        let response = world.send_to(handler, request).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(reported(&world), [(Misconfiguration::ClaimsTypeMismatch, true)]);
    }
    world.send_to(handler, request("/", &[])).await;
    assert_eq!(reported(&world), [(Misconfiguration::ClaimsTypeMismatch, false)], "an anonymous request");
}

#[tokio::test]
async fn a_session_that_is_changed_after_the_response_head_is_reported_once() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let kept = Arc::<Mutex<Option<Session<Claims>>>>::default();
    let keep = kept.clone();
    let handler = move |request: Request<()>| {
        *keep.lock().unwrap() = Some(Session::from_extensions(request.extensions()).unwrap());
        routes(request)
    };
    world.send_to(handler, browser.request("/me")).await;
    let session = kept.lock().unwrap().take().unwrap();
    assert_eq!(reported(&world), []);
    session.login("bob").await.unwrap_err();
    session.logout().await.unwrap_err();
    assert_eq!(reported(&world), [(Misconfiguration::Sealed, true)]);
}

#[tokio::test]
async fn rejections_that_are_no_mistakes_are_not_reported_as_one() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    world.send(request("/me", &[])).await;
    world.send(request("/me", &[("authorization", "Bearer x")])).await;
    world.send(request("/login/mallory", &[])).await;
    world.send(request("/logout", &[("origin", "https://evil.example")])).await;
    world.auth.end_session(session_of(&browser)).await.unwrap();
    world.send(browser.request("/me")).await;
    assert_eq!(reported(&world), []);
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn a_missing_layer_is_counted_although_no_closure_can_hear_of_it() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let world = World::new();
    let response = routes(request("/me", &[])).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(response.extensions().get::<tower_refresh::Rejection>().is_some());
    let required = world.auth.require_auth().layer(service_fn(ok));
    assert_eq!(
        required.oneshot(request("/", &[])).await.unwrap().status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );

    let counted = snapshotter.snapshot().into_vec().into_iter().filter_map(|(key, _, _, value)| {
        let labels: Vec<_> = key.key().labels().map(|label| label.value().to_owned()).collect();
        match value {
            DebugValue::Counter(count) => Some((key.key().name().to_owned(), labels, count)),
            _ => None,
        }
    });
    let labels = ["misconfigured", "missing_layer"].map(str::to_owned).to_vec();
    assert_eq!(Vec::from_iter(counted), [("tower_refresh_events_total".to_owned(), labels, 2)]);
    assert_eq!(reported(&world), []);
}
