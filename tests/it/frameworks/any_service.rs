//! Services with bodies, futures and errors of their own.

use std::{cell::Cell, fmt, rc::Rc, time::Duration};

use http::{Request, Response, StatusCode, request::Parts};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_refresh::{Authenticated, RejectionKind, middleware::Refresh};

use crate::support::{Browser, Claims, World, request};

/// A body that has a default value, but is neither `Send` nor `Sync`.
struct Odd(Rc<Cell<u8>>);

#[derive(Debug, PartialEq)]
struct OutOfPaper;

impl fmt::Display for OutOfPaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of paper")
    }
}

impl std::error::Error for OutOfPaper {}

#[tokio::test]
async fn bodies_and_futures_need_be_neither_send_nor_sync() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(Duration::from_secs(600));
    let service = service_fn(|request: Request<Odd>| {
        let user = Authenticated::<Claims>::required(request.extensions()).unwrap();
        let local = Rc::new(user.claims().name.clone());
        async move {
            tokio::task::yield_now().await;
            let Odd(cell) = request.into_body();
            cell.set(u8::try_from(local.len()).unwrap());
            Ok::<_, OutOfPaper>(Response::new(Odd(cell)))
        }
    });

    let cell = Rc::new(Cell::new(0));
    let request = browser.request("/").map(|()| Odd(cell.clone()));
    let response = world.auth.layer().layer(service).oneshot(request).await.unwrap();

    assert!(Rc::ptr_eq(&response.body().0, &cell), "the body is another one");
    assert_eq!(cell.get(), 5);
    browser.keep(response.headers());
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(browser.get(&world, "/me").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_error_of_the_inner_service_comes_out_unchanged_and_nothing_is_rotated() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(Duration::from_secs(600));
    let service = service_fn(|_: Request<()>| async { Err::<Response<()>, _>(OutOfPaper) });

    let outcome = world.auth.layer().layer(service).oneshot(browser.request("/")).await;

    assert_eq!(outcome.unwrap_err(), OutOfPaper);
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(browser.get(&world, "/me").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_route_of_any_body_type_is_guarded_if_a_closure_makes_the_response() {
    let world = World::new();
    let service =
        service_fn(|_: Request<()>| async { Ok::<_, OutOfPaper>(Response::new(Odd(Rc::default()))) });
    let guard =
        world.auth.require_auth().with_response(|rejection: &tower_refresh::Rejection, request: &Parts| {
            assert_eq!(request.uri, "/a?b");
            let mut response = Response::new(Odd(Rc::new(Cell::new(42))));
            *response.status_mut() = rejection.status();
            response
        });

    let service = world.auth.layer().layer(guard.layer(service));
    let response = service.oneshot(request("/a?b", &[])).await.unwrap();

    assert_eq!((response.status(), response.body().0.get()), (StatusCode::UNAUTHORIZED, 42));
    let rejection = response.extensions().get::<tower_refresh::Rejection>().unwrap();
    assert_eq!(rejection.kind(), &RejectionKind::Unauthenticated);
}

#[tokio::test]
async fn a_send_service_stays_send() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}

    let world = World::new();
    let service = service_fn(|_: Request<()>| async { Ok::<_, OutOfPaper>(Response::new(())) });
    let mut service: Refresh<_, Claims> = world.auth.layer().layer(service);
    is_send_and_sync(&world.auth);
    is_send_and_sync(&world.auth.layer());
    is_send_and_sync(&service);
    let response = is_send(service.ready().await.unwrap().call(Request::new(())));
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn extensions_of_outer_layers_stay_beside_the_user() {
    #[derive(Clone)]
    struct TraceId(u16);
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let service = service_fn(|request: Request<()>| async move {
        let user = Authenticated::<Claims>::required(request.extensions()).unwrap();
        let TraceId(id) = request.extensions().get().cloned().unwrap();
        Ok::<_, OutOfPaper>(Response::new(format!("{} {id}", user.subject())))
    });

    let mut request = browser.request("/");
    request.extensions_mut().insert(TraceId(7));
    let response = world.auth.layer().layer(service).oneshot(request).await.unwrap();

    assert_eq!(response.body(), "alice 7");
}
