//! Responses of every kind.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    thread::{self, sleep},
    time::{Duration, Instant},
};

use tungstenite::{Message, WebSocket, client::IntoClientRequest, protocol::frame::coding::CloseCode};

use super::support::Server;

#[test]
fn echo_sends_the_body_back_with_its_type() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice").with("content-type", "text/x-poem; charset=utf-8");
    let response = alice.send("POST", "/echo", "roses are red");
    assert_eq!((response.status, response.text().as_str()), (200, "roses are red"));
    assert_eq!(response.header("content-type"), "text/x-poem; charset=utf-8");
    assert_eq!(alice.post("/echo").text(), "");
    server.client().send("POST", "/echo", "x").assert_bare_challenge();
}

#[test]
fn echo_serves_a_client_that_sends_the_whole_body_before_it_reads() {
    const SIZE: usize = 24 * 1024 * 1024;
    let server = Server::start(&["--access-ttl", "10m"]);
    let mut alice = server.logged_in("alice");
    let body = "0123456789abcdef".repeat(SIZE / 16);
    assert!(alice.send("POST", "/echo", &body).text() == body, "the body comes back");
}

#[test]
fn echo_streams_a_body_of_any_size() {
    const SIZE: usize = 32 * 1024 * 1024;
    let server = Server::start(&["--access-ttl", "10m"]);
    let token = server.client().log_in("alice");
    let mut connection = server.connect();
    let head = format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {SIZE}\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(b"first").unwrap();

    // The first bytes come back before the last ones are sent.
    let mut answer = BufReader::new(connection.try_clone().unwrap());
    let mut line = String::new();
    answer.read_line(&mut line).unwrap();
    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
    while line != "\r\n" {
        line.clear();
        answer.read_line(&mut line).unwrap();
    }
    let mut first = [0; 5];
    answer.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"first");

    let writer = thread::spawn(move || {
        let chunk = vec![b'x'; 64 * 1024];
        let mut left = SIZE - first.len();
        while left > 0 {
            let len = chunk.len().min(left);
            connection.write_all(&chunk[..len]).unwrap();
            left -= len;
        }
    });
    let mut rest = Vec::new();
    answer.read_to_end(&mut rest).unwrap();
    writer.join().unwrap();
    assert_eq!(rest.len(), SIZE - first.len());
    assert!(rest.iter().all(|byte| *byte == b'x'));
}

#[test]
fn slow_waits_for_up_to_a_minute() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let started = Instant::now();
    assert_eq!(alice.get("/slow?ms=300").status, 200);
    assert!(started.elapsed() >= Duration::from_millis(300));
    for query in ["?ms=60001", "?ms=-1", "?ms=soon", ""] {
        alice.get(&format!("/slow{query}")).assert_problem(400);
    }
    server.client().get("/slow?ms=1").assert_bare_challenge();
}

#[test]
fn status_responds_with_the_requested_status() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    for code in
        [200, 201, 204, 205, 299, 301, 302, 304, 307, 400, 401, 404, 418, 429, 499, 500, 503, 599, 600, 999]
    {
        assert_eq!(alice.get(&format!("/status/{code}")).status, code);
    }
    for code in ["0", "99", "100", "101", "199", "1000", "-1", "ok", "200.0"] {
        alice.get(&format!("/status/{code}")).assert_problem(400);
    }
    server.client().get("/status/200").assert_bare_challenge();
}

#[test]
fn stream_sends_events_one_by_one() {
    let server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let started = Instant::now();
    let response = alice.open("GET", "/stream?n=3&ms=150", "");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let lines = BufReader::new(response.into_body().into_reader()).lines();
    let events: Vec<_> = lines
        .map(Result::unwrap)
        .filter(|line| line.starts_with("data:"))
        .map(|line| (line, started.elapsed()))
        .collect();
    assert_eq!(events.len(), 3);
    assert!(events[0].1 < Duration::from_millis(400), "the first event waited for the last");
    assert!(events[2].1 >= Duration::from_millis(450));
    for query in ["", "?n=1", "?n=1&ms=60001", "?n=x&ms=1"] {
        alice.get(&format!("/stream{query}")).assert_problem(400);
    }
    assert_eq!(alice.get("/stream?n=0&ms=1").body, b"");
    server.client().get("/stream?n=1&ms=1").assert_bare_challenge();
}

#[test]
fn a_websocket_answers_with_the_subject() {
    let server = Server::start(&[]);
    let token = server.client().log_in("bob");
    let mut request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (mut socket, response) = tungstenite::client(request, server.connect()).unwrap();
    assert_eq!(response.status(), 101);
    assert!(!response.headers().contains_key("set-cookie"));
    for text in ["hello", "", "grüße"] {
        socket.send(Message::text(text)).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text(format!("bob: {text}")));
    }
    socket.close(None).unwrap();
    assert!(matches!(socket.read(), Ok(Message::Close(_))));

    server.client().get("/ws").assert_bare_challenge();
    server.client().bearer(&token).get("/ws").assert_problem(400);
}

fn websocket(server: &Server, token: &str) -> WebSocket<TcpStream> {
    let mut request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    tungstenite::client(request, server.connect()).unwrap().0
}

fn assert_answers(socket: &mut WebSocket<TcpStream>) {
    socket.send(Message::text("hello")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("bob: hello"));
}

fn assert_closed(socket: &mut WebSocket<TcpStream>) {
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Policy);
}

#[test]
fn a_websocket_is_closed_when_its_session_ends_and_no_other_one() {
    let server = Server::start(&[]);
    let (mut here, mut there) = (server.client(), server.client());
    let (token, other) = (here.log_in("bob"), there.log_in("bob"));
    let (mut socket, mut other) = (websocket(&server, &token), websocket(&server, &other));
    assert_answers(&mut socket);
    assert_eq!(here.post("/auth/logout").status, 204);
    assert_closed(&mut socket);
    assert_answers(&mut other);
}

#[test]
fn a_websocket_stays_open_until_its_session_ends_and_outlives_its_token() {
    let server = Server::start(&["--access-ttl", "2s", "--idle", "7s"]);
    let mut socket = websocket(&server, &server.client().log_in("bob"));
    sleep(Duration::from_millis(2500));
    assert_answers(&mut socket);
    assert_closed(&mut socket);
}

#[test]
fn a_websocket_of_another_site_is_rejected() {
    let server = Server::start(&[]);
    let alice = server.logged_in("alice");
    let mut cross_site = alice
        .with("origin", "https://evil.example")
        .with("connection", "upgrade")
        .with("upgrade", "websocket")
        .with("sec-websocket-version", "13")
        .with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    cross_site.get("/ws").assert_problem(403);
}
