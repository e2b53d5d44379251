//! Claims whose serialisation panics.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{Auth, Identity, KeyRing, MemoryStore, RefreshLayer, Session, event::EventKind};

use crate::support::{
    Browser, ManualClock,
    browser::{ACCESS, REFRESH, set_cookie},
    probe::{ACCESS_LIFETIME, DAMPING},
};

static PANICS: AtomicBool = AtomicBool::new(false);

#[derive(serde::Deserialize)]
struct Fragile {}

impl serde::Serialize for Fragile {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!PANICS.load(Ordering::SeqCst), "the application's own mistake");
        serializer.collect_map([("fragile", true)])
    }
}

async fn send(layer: &RefreshLayer<Fragile>, request: Request<()>) -> Response<Bytes> {
    let handler = service_fn(async |request: Request<()>| {
        if request.uri().path() == "/login" {
            let session = Session::<Fragile>::from_extensions(request.extensions()).unwrap();
            session.login("alice").await.unwrap();
        }
        Ok::<_, Infallible>(Response::new(Bytes::new()))
    });
    layer.layer(handler).oneshot(request).await.unwrap()
}

#[tokio::test]
async fn claims_that_panic_while_they_are_serialized_cost_no_session_and_leave_no_request_waiting() {
    let (clock, events) = (ManualClock::new(), Arc::new(Mutex::new(Vec::new())));
    let seen = events.clone();
    let auth = Auth::builder(KeyRing::hs256([1; 32]).unwrap())
        .issuer("https://api.example.com")
        .audience("example-web")
        .store(MemoryStore::new())
        .claims(async |_, _| Ok::<_, Infallible>(Some(Identity::new(Fragile {}))))
        .clock(clock.clone())
        .on_event(move |event| seen.lock().unwrap().push(event.kind))
        .build()
        .unwrap();
    let layer = auth.layer();
    let mut browser = Browser::default();
    browser.keep(send(&layer, browser.request("/login")).await.headers());
    clock.advance(ACCESS_LIFETIME);
    browser.drop_access();

    PANICS.store(true, Ordering::SeqCst);
    let responses = join_all((0..3).map(|_| send(&layer, browser.request("/")))).await;
    PANICS.store(false, Ordering::SeqCst);

    for response in &responses {
        assert!(set_cookie(response, REFRESH).is_some(), "the rotation is stored, so its token is sent");
        assert_eq!(set_cookie(response, ACCESS), None);
    }
    assert!(events.lock().unwrap().contains(&EventKind::ClaimsFailed));
    browser.keep(responses[0].headers());
    clock.advance(2 * DAMPING);
    assert!(set_cookie(&send(&layer, browser.request("/")).await, ACCESS).is_some());
}
