//! Backpressure: the layer is ready when the inner service is, and calls the same service that was polled.

use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;

use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, set_cookie},
    probe::{ACCESS_LIFETIME, expired_browser, poll_once, poll_until_stuck},
};

/// Panics when it is called without having been polled ready, as a service may. A clone has not been polled.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
    calls: Arc<AtomicUsize>,
    clones: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self { ready: false, calls: self.calls.clone(), clones: self.clones.clone() }
    }
}

impl Service<Request<()>> for Strict {
    type Response = Response<Bytes>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Bytes>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called before it was ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        ready(Ok(Response::new(Bytes::new())))
    }
}

/// Requests on every path through the layer: anonymous, valid, refreshed, refreshed ahead, rejected.
async fn requests(world: &World) -> Vec<Request<()>> {
    let (expired, _) = expired_browser(world, "alice").await;
    let valid = Browser::logged_in(world, "alice").await;
    let bad = crate::support::request("/me", &[("authorization", "Bearer nonsense")]);
    let mut garbage = crate::support::request("/me", &[]);
    garbage.headers_mut().insert("cookie", "__Host-refresh=garbage".parse().unwrap());
    vec![crate::support::request("/me", &[]), valid.request("/me"), expired.request("/me"), bad, garbage]
}

#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_that_is_called() {
    let world = World::new();
    let inner = Strict::default();
    let (calls, clones) = (inner.calls.clone(), inner.clones.clone());
    let mut service = world.auth.layer().layer(inner);
    let requests = requests(&world).await;
    let count = requests.len();
    for request in requests {
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(calls.load(Ordering::SeqCst), count);
    // Only a request that waits for its refresh needs its own service.
    assert_eq!(clones.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn several_requests_wait_for_one_refresh_each_with_the_service_that_was_ready_for_it() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    let inner = Strict::default();
    let calls = inner.calls.clone();
    let mut service = world.auth.layer().layer(inner);
    world.store.hold(Op::Load);
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut request = Box::pin(service.ready().await.unwrap().call(browser.request("/me")));
        assert!(poll_until_stuck(&mut request).is_pending());
        waiting.push(request);
    }
    world.store.let_through(Op::Load);
    for request in waiting {
        assert!(set_cookie(&request.await.unwrap(), ACCESS).is_some());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 10);
}

#[tokio::test]
#[should_panic(expected = "called before it was ready")]
async fn the_strict_service_panics_unless_it_was_polled_ready() {
    let world = World::new();
    let mut service = world.auth.layer().layer(Strict::default());
    let _ = service.call(crate::support::request("/me", &[])).await;
}

#[tokio::test]
async fn the_layer_is_ready_when_the_inner_service_is() {
    let world = World::new();
    let (mut service, mut handle) =
        mock::spawn_with::<Request<()>, Response<Bytes>, _, _>(|mock| world.auth.layer().layer(mock));

    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    let response = tokio::spawn(service.call(crate::support::request("/me", &[])));
    assert!(service.poll_ready().is_pending());

    let (request, send) = handle.next_request().await.unwrap();
    assert_eq!(request.uri(), "/me");
    send.send_response(Response::new("hello".into()));
    assert_eq!(response.await.unwrap().unwrap().body(), "hello");
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
}

#[tokio::test]
async fn an_error_of_poll_ready_passes_through_unchanged() {
    let world = World::new();
    let (mut service, mut handle) =
        mock::spawn_with::<Request<()>, Response<Bytes>, _, _>(|mock| world.auth.layer().layer(mock));
    handle.send_error(Broken(7));

    let Poll::Ready(Err(error)) = service.poll_ready() else { panic!("no error") };

    assert!(error.to_string().contains("broken 7"), "{error}");
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Broken(u8);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "broken {}", self.0)
    }
}

impl std::error::Error for Broken {}

#[tokio::test]
async fn an_error_of_a_call_passes_through_with_its_own_type_on_every_path() {
    let world = World::new();
    for (number, request) in (0..).zip(requests(&world).await) {
        let inner = service_fn(move |_: Request<()>| ready(Err::<Response<Bytes>, _>(Broken(number))));
        let service = world.auth.layer().layer(world.auth.require_auth().layer(inner));
        match service.oneshot(request).await {
            Err(error) => assert_eq!(error, Broken(number)),
            Ok(response) => assert_eq!(response.status(), 401),
        }
    }
    for (number, request) in (0..).zip(requests(&world).await) {
        let inner = service_fn(move |_: Request<()>| ready(Err::<Response<Bytes>, _>(Broken(number))));
        assert_eq!(world.auth.layer().layer(inner).oneshot(request).await.unwrap_err(), Broken(number));
    }
}

#[tokio::test]
async fn a_request_that_waits_in_the_inner_service_delays_no_other() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    let inner = service_fn(|request: Request<()>| async move {
        if request.uri() == "/slow" {
            pending::<()>().await;
        }
        Ok::<_, Infallible>(Response::new(Bytes::new()))
    });
    let mut service = world.auth.layer().layer(inner);
    let mut slow = Box::pin(service.ready().await.unwrap().call(browser.request("/slow")));
    assert!(poll_until_stuck(&mut slow).is_pending());
    let mut quick = Box::pin(service.ready().await.unwrap().call(browser.request("/quick")));
    assert!(poll_until_stuck(&mut quick).is_ready());
}

#[tokio::test]
async fn the_guard_of_routes_is_ready_when_the_inner_service_is() {
    let world = World::new();
    let (mut service, mut handle) =
        mock::spawn_with::<Request<()>, Response<Bytes>, _, _>(|mock| world.auth.require_auth().layer(mock));
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    // Outside of the layer the guard rejects requests itself, and the inner service is not called.
    let response = service.call(crate::support::request("/me", &[])).await.unwrap();
    assert_eq!(response.status(), 500);

    handle.send_error(Broken(9));
    let (mut service, mut handle) =
        mock::spawn_with::<Request<()>, Response<Bytes>, _, _>(|mock| world.auth.require_auth().layer(mock));
    handle.send_error(Broken(9));
    assert!(matches!(service.poll_ready(), Poll::Ready(Err(_))));
}

#[tokio::test]
async fn the_guard_calls_the_service_that_was_polled_ready_and_only_for_users() {
    let world = World::new();
    let inner = Strict::default();
    let (calls, clones) = (inner.calls.clone(), inner.clones.clone());
    let guarded = world.auth.require_auth().layer(inner);
    let mut service = world.auth.layer().layer(guarded);
    let mut statuses = Vec::new();
    for request in requests(&world).await {
        statuses.push(service.ready().await.unwrap().call(request).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 200, 200, 401, 401]);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert_eq!(clones.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_limit_inside_the_layer_counts_requests_that_wait_for_their_refresh() {
    let world = World::new();
    let (browser, _) = expired_browser(&world, "alice").await;
    let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Bytes::new()))));
    let mut service = ServiceBuilder::new().layer(world.auth.layer()).layer(Limit(1)).service(inner);
    world.store.hold(Op::Load);
    let mut waiting = Box::pin(service.ready().await.unwrap().call(browser.request("/me")));
    assert!(poll_until_stuck(&mut waiting).is_pending());
    assert!(poll_once(&mut Box::pin(service.ready())).is_pending());
    world.store.let_through(Op::Load);
    waiting.await.unwrap();
    world.clock.advance(ACCESS_LIFETIME);
    service.ready().await.unwrap().call(browser.request("/me")).await.unwrap();
}

/// A limit of concurrent requests, like that of `tower::limit`: the permit belongs to the service that was polled ready.
struct Limit(usize);

impl<S> Layer<S> for Limit {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, permits: Arc::new(tokio::sync::Semaphore::new(self.0)), permit: None }
    }
}

struct Limited<S> {
    inner: S,
    permits: Arc<tokio::sync::Semaphore>,
    permit: Option<tokio::sync::OwnedSemaphorePermit>,
}

impl<S: Clone> Clone for Limited<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), permits: self.permits.clone(), permit: None }
    }
}

impl<S: Service<Request<()>>> Service<Request<()>> for Limited<S>
where
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = futures_util::future::BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        if self.permit.is_none() {
            match self.permits.clone().try_acquire_owned() {
                Ok(permit) => self.permit = Some(permit),
                Err(_) => return Poll::Pending,
            }
        }
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let permit = self.permit.take().expect("called before it was ready");
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            drop(permit);
            response
        })
    }
}
