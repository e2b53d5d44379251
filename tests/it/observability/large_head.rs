//! The report that a response head exceeds what nginx reads by default.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use tower_refresh::event::{Event, EventKind};

use crate::support::{
    Browser, World,
    probe::{ACCESS_LIFETIME, refresh},
    request,
    world::routes,
};

/// The response of the application with `bytes` more in a header of its own.
async fn padded(world: &World, request: Request<()>, bytes: usize) -> Response<Bytes> {
    let handler = |request: Request<()>| async move {
        let mut response = routes(request).await;
        response.headers_mut().insert("x-padding", HeaderValue::from_bytes(&vec![b'x'; bytes]).unwrap());
        response
    };
    world.send_to(handler, request).await
}

fn sizes(world: &World) -> Vec<usize> {
    let events: Vec<Event> = world.events.lock().unwrap().drain(..).collect();
    let sizes = events.into_iter().filter_map(|event| match event.kind {
        EventKind::LargeResponseHead { bytes, .. } => Some(bytes),
        _ => None,
    });
    sizes.collect()
}

/// The size in HTTP/1.1, without the status line and what a server adds.
fn size(response: &Response<Bytes>) -> usize {
    response.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[tokio::test]
async fn a_login_whose_head_exceeds_4096_bytes_is_reported_once() {
    let world = World::new();
    let small = padded(&world, request("/login/alice", &[]), 0).await;
    assert!(sizes(&world).is_empty());
    // A hundred bytes are left for the status line and what the server adds.
    let largest = 4096 - 100 - size(&small);
    padded(&world, request("/login/alice", &[]), largest).await;
    assert!(sizes(&world).is_empty());
    let large = padded(&world, request("/login/alice", &[]), largest + 1).await;
    assert_eq!(large.status(), StatusCode::OK);
    assert_eq!(sizes(&world), [4097]);
    padded(&world, request("/login/alice", &[]), largest + 1).await;
    assert!(sizes(&world).is_empty(), "not again");
}

#[tokio::test]
async fn a_refresh_whose_head_exceeds_4096_bytes_is_reported_and_other_responses_are_not() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    for path in ["/me", "/public", "/logout"] {
        padded(&world, browser.request(path), 5000).await;
        padded(&world, request(path, &[]), 5000).await;
        assert!(sizes(&world).is_empty(), "{path} sends no token");
    }
    browser = Browser::logged_in(&world, "alice").await;
    refresh(&world, &mut browser).await;
    assert!(sizes(&world).is_empty());
    world.clock.advance(ACCESS_LIFETIME);
    padded(&world, browser.request("/me"), 5000).await;
    assert!(sizes(&world)[0] > 5000);
}
