//! Sockets over a connection in memory. The clock is paused and advances only while all tasks are idle.

use std::{future::pending, io};

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode},
    serve::Listener,
};
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::{
    io::{DuplexStream, duplex},
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};
use tower::ServiceExt;

use crate::app;

/// Names and values.
type Headers<'a> = &'a [(&'static str, &'a str)];

/// Accepts a single connection.
struct SingleConnection(Option<DuplexStream>);

impl Listener for SingleConnection {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.0.take() {
            Some(stream) => (stream, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(())
    }
}

async fn send(app: &Router, path: &str, cookie: &str) -> Response<Body> {
    let request = Request::post(path).header("cookie", cookie).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap()
}

/// The cookies of a new login.
async fn log_in(app: &Router) -> String {
    cookies(&send(app, "/login", "").await)
}

fn cookies(response: &Response<Body>) -> String {
    let cookies = response.headers().get_all("set-cookie").into_iter();
    let pairs: Vec<_> = cookies.filter_map(|cookie| cookie.to_str().unwrap().split(';').next()).collect();
    pairs.join("; ")
}

async fn open(app: &Router, headers: Headers<'_>) -> Result<WebSocketStream<DuplexStream>, Error> {
    let (ours, theirs) = duplex(4096);
    let app = app.clone();
    tokio::spawn(async move { axum::serve(SingleConnection(Some(theirs)), app).await });
    let mut request = "ws://localhost:3000/ws".into_client_request()?;
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    client_async(request, ours).await.map(|(socket, _)| socket)
}

/// The code and the reason of the server's close frame.
async fn closed(socket: &mut WebSocketStream<DuplexStream>) -> (u16, String) {
    match socket.next().await {
        Some(Ok(Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("not closed: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_sent_back_with_the_name_of_the_user() {
    let app = app().unwrap();
    let cookie = log_in(&app).await;
    let mut socket = open(&app, &[("cookie", &cookie)]).await.unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("alice: hello"));
}

#[tokio::test(start_paused = true)]
async fn anonymous_requests_and_other_sites_cannot_open_a_socket() {
    let app = app().unwrap();
    let cookie = log_in(&app).await;
    let cases: [(Headers<'_>, StatusCode, &str); 3] = [
        (&[], StatusCode::UNAUTHORIZED, "an anonymous request"),
        (
            &[("cookie", &cookie), ("origin", "https://evil.example")],
            StatusCode::FORBIDDEN,
            "a page of another site",
        ),
        (&[("cookie", &cookie), ("sec-fetch-site", "same-site")], StatusCode::FORBIDDEN, "a sibling host"),
    ];
    for (headers, wanted, reason) in cases {
        match open(&app, headers).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), wanted, "{reason}"),
            other => panic!("{reason}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_closes_with_its_session_and_with_no_other_one() {
    let app = app().unwrap();
    let (one, other) = (log_in(&app).await, log_in(&app).await);
    let mut socket = open(&app, &[("cookie", &one)]).await.unwrap();

    assert_eq!(send(&app, "/auth/logout", &other).await.status(), StatusCode::NO_CONTENT);
    socket.send(Message::text("still here")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("alice: still here"));

    assert_eq!(send(&app, "/auth/logout", &one).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(closed(&mut socket).await, (1008, "the session has ended".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_socket_closes_when_its_token_expires_and_the_next_one_is_refreshed() {
    let app = app().unwrap();
    let login = send(&app, "/login", "").await;
    let cookie = cookies(&login);
    let tokens: Value =
        serde_json::from_slice(&login.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let lives = tokens["expires_in"].as_u64().unwrap();
    let mut socket = open(&app, &[("cookie", &cookie)]).await.unwrap();

    let opened = Instant::now();
    let (code, reason) = closed(&mut socket).await;
    assert_eq!((code, reason.as_str()), (1008, "the token has expired: open another socket"));
    // Tokens use the system clock, which is not paused.
    let open_for = opened.elapsed().as_secs();
    assert!((lives - 60..=lives).contains(&open_for), "{open_for} s of {lives} s");

    // After the expiry, the browser has only the refresh token.
    let refresh = cookie.split("; ").find(|pair| pair.starts_with("__Host-refresh")).unwrap();
    assert!(open(&app, &[("cookie", refresh)]).await.is_ok());
}
