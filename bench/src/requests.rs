//! Batches of requests to a service.

use std::{convert::Infallible, hint::black_box, rc::Rc};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode},
    response::Response,
};
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

/// A GET request for `/me` with these cookies, as a script of a page sends it in Chromium. The values are slices of one buffer, as
/// hyper makes them.
pub fn from_browser(cookies: &str) -> Request {
    let headers = [
        ("connection", "keep-alive"),
        ("sec-ch-ua-platform", "\"Windows\""),
        (
            "user-agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
        ),
        ("sec-ch-ua", "\"Google Chrome\";v=\"143\", \"Chromium\";v=\"143\", \"Not A(Brand\";v=\"24\""),
        ("sec-ch-ua-mobile", "?0"),
        ("accept", "*/*"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "cors"),
        ("sec-fetch-dest", "empty"),
        ("referer", "https://api.example.com/account"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
        ("cookie", cookies),
    ];
    let buffer = Bytes::from(headers.map(|(_, value)| value).concat());
    let mut request = get(&[]);
    let mut start = 0;
    for (name, value) in headers {
        let end = start + value.len();
        let value = HeaderValue::from_maybe_shared(buffer.slice(start..end)).unwrap();
        request.headers_mut().insert(HeaderName::from_static(name), value);
        start = end;
    }
    request
}
