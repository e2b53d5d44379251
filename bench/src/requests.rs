//! Batches of requests to a service.

use std::{convert::Infallible, hint::black_box, rc::Rc};

use axum::{body::Body, extract::Request, http::StatusCode, response::Response};
use tokio::runtime::{Builder, Runtime};
use tower::{Service, ServiceExt};

/// Runs a number of requests or calls when it is called.
pub type Batch = Box<dyn FnOnce()>;

/// Creates a batch of this size.
pub type Batches = Box<dyn FnMut(usize) -> Batch>;

/// A runtime on the current thread.
pub fn runtime() -> Rc<Runtime> {
    Rc::new(Builder::new_current_thread().build().unwrap())
}

/// Batches of requests to `service`, which must all succeed. The service is cloned for each request, as in `axum::serve`. Routers
/// must have their state already, which `axum::serve` sets once for each connection.
pub fn requests<S>(runtime: Rc<Runtime>, service: S, mut next: impl FnMut() -> Request + 'static) -> Batches
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + 'static,
{
    Box::new(move |count| {
        let requests: Vec<_> = (0..count).map(|_| next()).collect();
        let (runtime, service) = (runtime.clone(), service.clone());
        Box::new(move || {
            runtime.block_on(async move {
                for request in requests {
                    let Ok(response) = service.clone().oneshot(request).await;
                    assert_eq!(response.status(), StatusCode::OK);
                    black_box(response);
                }
            });
        })
    })
}

/// Batches of calls of `work`.
pub fn calls<T>(work: impl Fn() -> T + 'static) -> Batches {
    let work = Rc::new(work);
    Box::new(move |count| {
        let work = work.clone();
        Box::new(move || {
            for _ in 0..count {
                black_box(work());
            }
        })
    })
}

/// A GET request for `/me` with these headers.
pub fn get(headers: &[(&str, &str)]) -> Request {
    get_path("/me", headers)
}

/// A GET request for another path.
pub fn get_path(path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::get(path).header("host", "api.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// A GET request for `/me` with a bearer token.
pub fn with_bearer(token: &str) -> Request {
    get(&[("authorization", &format!("Bearer {token}"))])
}
