//! Graceful shutdown.
#![cfg(unix)]

use std::{
    io::Read,
    thread::{self, sleep},
    time::{Duration, Instant},
};

use tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode};

use super::support::Server;

const UNDER_WAY: Duration = Duration::from_millis(300);

#[test]
fn requests_in_flight_are_completed() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut alice = server.logged_in("alice");
        let mut listener = alice.clone();
        let slow = thread::spawn(move || alice.get("/slow?ms=1000").status);
        let stream = thread::spawn(move || listener.get("/stream?n=5&ms=200").text());
        sleep(UNDER_WAY);
        server.signal(signal);
        let (status, ..) = server.wait();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert_eq!(slow.join().unwrap(), 200, "{signal}");
        assert_eq!(stream.join().unwrap().matches("data:").count(), 5, "{signal}");
    }
}

#[test]
fn new_connections_are_refused_during_shutdown() {
    let mut server = Server::start(&[]);
    let mut alice = server.logged_in("alice");
    let slow = thread::spawn(move || alice.get("/slow?ms=800").status);
    sleep(UNDER_WAY);
    server.signal("TERM");
    sleep(Duration::from_millis(100));
    assert!(std::net::TcpStream::connect(&server.address).is_err());
    assert_eq!(slow.join().unwrap(), 200);
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn idle_connections_do_not_delay_the_shutdown() {
    let mut server = Server::start(&[]);
    let mut silent = server.connect();
    let mut alice = server.logged_in("alice");
    assert_eq!(alice.get("/me").status, 200);
    let started = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().0.code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(silent.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn websockets_are_closed_at_shutdown() {
    let mut server = Server::start(&[]);
    let token = server.client().log_in("alice");
    let mut request = format!("ws://{}/ws", server.address).into_client_request().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (mut socket, _) = tungstenite::client(request, server.connect()).unwrap();
    server.signal("TERM");
    let Message::Close(Some(frame)) = socket.read().unwrap() else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Away);
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn ctrl_c_during_shutdown_stops_at_once() {
    let mut server = Server::start(&[]);
    let alice = server.logged_in("alice");
    let slow = thread::spawn(move || alice.try_open("GET", "/slow?ms=10000", "").is_err());
    sleep(UNDER_WAY);
    server.signal("TERM");
    sleep(Duration::from_millis(100));
    server.signal("INT");
    assert_eq!(server.wait().0.code(), Some(130));
    assert!(slow.join().unwrap());
}

#[test]
fn it_can_be_stopped_right_after_its_first_line() {
    for _ in 0..10 {
        let mut server = Server::start(&[]);
        server.signal("TERM");
        assert_eq!(server.wait().0.code(), Some(0));
    }
}
