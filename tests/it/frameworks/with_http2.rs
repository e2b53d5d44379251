//! WebSockets over HTTP/2: extended CONNECT (RFC 8441), with hyper's client and server over a connection.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, client::conn::http2::SendRequest, ext::Protocol};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::{Layer, service_fn};
use tower_refresh::{Authenticated, event::EventKind};

use crate::support::{
    Browser, Claims, Op, World,
    browser::{ACCESS, REFRESH, set_cookies},
    probe::{DAMPING, MILLISECOND, expired_browser},
};

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    Ok(match Authenticated::required(&head.extensions) {
        Ok(user) => route(&user, Request::from_parts(head, body)),
        Err(rejection) => rejection.to_response(&head),
    })
}

/// Greets the user: on the stream that an extended CONNECT opens, or in the response. `/busy` refuses.
fn route(user: &Authenticated<Claims>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let name = user.claims().name.clone();
    if request.uri().path() == "/busy" {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        return response;
    }
    if request.method() != Method::CONNECT {
        return Response::new(Bytes::from(name).into());
    }
    assert_eq!(request.extensions().get::<Protocol>().unwrap().as_str(), "websocket");
    tokio::spawn(async move {
        let mut stream = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        stream.write_all(name.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    Response::new(Full::default())
}

struct Client {
    connection: SendRequest<Empty<Bytes>>,
}

impl Client {
    /// A connection to a server, on which a first response has announced that it takes extended CONNECT.
    async fn connect(world: &World) -> Self {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let service = TowerToHyperService::new(world.auth.layer().layer(service_fn(serve)));
        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(server.enable_connect_protocol().serve_connection(TokioIo::new(theirs), service));
        let client = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(ours));
        let (connection, driver) = client.await.unwrap();
        tokio::spawn(driver);
        let mut client = Self { connection };
        assert_eq!(client.send(Method::GET, "/", &Browser::new()).await.status(), StatusCode::UNAUTHORIZED);
        client
    }

    async fn send(&mut self, method: Method, path: &str, browser: &Browser) -> Response<Incoming> {
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("https://api.example.com{path}"))
            .header("origin", "https://api.example.com")
            .header("cookie", browser.cookie_header());
        if method == Method::CONNECT {
            request = request.extension(Protocol::from_static("websocket"));
        }
        self.connection.send_request(request.body(Empty::new()).unwrap()).await.unwrap()
    }
}

async fn greeting(response: Response<Incoming>) -> String {
    let mut text = String::new();
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn an_extended_connect_is_authenticated_and_rotates_nothing() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    browser.drop_access();
    let mut client = Client::connect(&world).await;

    let response = client.send(Method::CONNECT, "/socket", &browser).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(set_cookies(response.headers()), []);
    assert!(!response.headers().contains_key("x-access-token"));
    assert_eq!(greeting(response).await, "Alice");
    assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
    assert_eq!(world.store.row(session).await.unwrap().generation, 0);

    // The next ordinary request on the same connection is refreshed.
    let response = client.send(Method::GET, "/", &browser).await;
    let names: Vec<_> = set_cookies(response.headers()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [ACCESS, REFRESH]);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "Alice");
    assert_eq!(world.store.row(session).await.unwrap().generation, 1);
}

#[tokio::test]
async fn a_late_extended_connect_spends_budget_and_sends_nothing() {
    let world = World::new();
    let (mut browser, session) = expired_browser(&world, "alice").await;
    browser.drop_access();
    let mut client = Client::connect(&world).await;
    // Its response is lost.
    client.send(Method::GET, "/", &browser).await;
    world.clock.advance(DAMPING + MILLISECOND);
    world.take_events();

    let response = client.send(Method::CONNECT, "/socket", &browser).await;
    assert_eq!((response.status(), set_cookies(response.headers())), (StatusCode::OK, Vec::new()));
    assert_eq!(greeting(response).await, "Alice");
    assert_eq!(world.take_events(), [EventKind::Late]);
    assert_eq!(world.store.row(session).await.unwrap().generation, 1);
}

#[tokio::test]
async fn an_extended_connect_that_is_refused_is_refreshed_like_any_request() {
    let world = World::new();
    let (mut browser, _) = expired_browser(&world, "alice").await;
    browser.drop_access();
    let mut client = Client::connect(&world).await;
    let response = client.send(Method::CONNECT, "/busy", &browser).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(set_cookies(response.headers()).len(), 2);
}

#[tokio::test]
async fn another_site_opens_no_stream_with_the_cookies_of_a_user() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let mut client = Client::connect(&world).await;
    let request = Request::connect("https://api.example.com/socket")
        .header("origin", "https://evil.example")
        .header("cookie", browser.cookie_header())
        .extension(Protocol::from_static("websocket"));
    let response = client.connection.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}
