//! HTTPS.

use std::{
    io::{ErrorKind, Read, Write},
    thread::sleep,
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use hyper::{StatusCode, Version, ext::Protocol, upgrade};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, frame::coding::CloseCode},
    },
};

use super::support::{Server, TlsClient};

/// The chain of certificates for the key of this name.
pub(super) fn certificate(key: &str) -> String {
    format!("{}/tests/certificates/{key}.chain.pem", env!("CARGO_MANIFEST_DIR"))
}

/// A private key.
pub(super) fn key(name: &str) -> String {
    format!("{}/../../tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"))
}

fn start() -> Server {
    Server::start_tls(&["--tls", &certificate("es256"), &key("es256")], &[])
}

#[tokio::test]
async fn http1_and_http2_share_the_address() {
    let server = start();
    for (offered, version) in [
        (&["h2", "http/1.1"][..], Version::HTTP_2),
        (&["http/1.1", "h2"], Version::HTTP_2),
        (&["h2"], Version::HTTP_2),
        (&["http/1.1"], Version::HTTP_11),
        // A client without ALPN.
        (&[], Version::HTTP_11),
    ] {
        let mut alice = TlsClient::connect(&server.address, offered).await;
        let (_, cookies) = alice.log_in("alice").await;
        for (cookie, name) in cookies.iter().zip(["__Host-access=", "__Host-refresh="]) {
            assert!(cookie.starts_with(name) && cookie.contains("; Secure"), "{offered:?}: {cookie}");
        }
        assert_eq!(cookies.len(), 2, "{offered:?}");
        let response = alice.send("GET", "/me", "").await;
        assert_eq!((response.status(), response.version()), (StatusCode::OK, version), "{offered:?}");
        let sessions: Value =
            serde_json::from_slice(alice.send("GET", "/auth/sessions", "").await.body()).unwrap();
        assert_eq!(sessions[0]["ip"], "127.0.0.1", "{offered:?}");
    }
}

#[tokio::test]
async fn keys_have_any_of_the_usual_forms() {
    for form in ["es256", "es256.sec1", "rsa.pkcs1"] {
        let (certificate, key) = (certificate(form), key(form));
        let server = Server::start_tls(&[], &[("DEMO_TLS", &format!("{certificate},{key}"))]);
        let mut client = TlsClient::connect(&server.address, &["h2"]).await;
        assert_eq!(client.send("GET", "/healthz", "").await.status(), 200, "{form}");
    }
}

#[tokio::test]
async fn websockets_open_over_http1_and_http2() {
    let mut server = start();
    let mut sockets = Vec::new();
    for (protocol, opened) in [("http/1.1", 101), ("h2", 200)] {
        let mut alice = TlsClient::connect(&server.address, &[protocol]).await;
        let anonymous = alice.open_socket("/ws").await;
        assert_eq!(anonymous.status(), 401, "{protocol}");
        let mut alice = TlsClient::connect(&server.address, &[protocol]).await;
        alice.log_in("alice").await;
        let response = alice.open_socket("/ws").await;
        assert_eq!(response.status(), opened, "{protocol}");
        let stream = TokioIo::new(upgrade::on(response).await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("alice: hello"), "{protocol}");
        sockets.push((alice, socket));
    }
    server.signal("TERM");
    for (_, socket) in &mut sockets {
        let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else {
            panic!("no close frame")
        };
        assert_eq!(frame.code, CloseCode::Away);
    }
    drop(sockets);
    assert_eq!(server.wait().0.code(), Some(0));
}

#[tokio::test]
async fn another_protocol_than_websockets_does_not_open() {
    let server = start();
    let mut alice = TlsClient::connect(&server.address, &["h2"]).await;
    alice.log_in("alice").await;
    let response = alice.connect_stream("/ws", Protocol::from_static("connect-udp")).await;
    assert_eq!(response.status(), 400);
    assert_eq!(alice.send("GET", "/me", "").await.status(), 200, "the connection is still usable");
}

#[test]
fn plain_http_and_other_bytes_end_the_connection() {
    let server = start();
    for (what, bytes) in [
        ("plain HTTP/1.1", &b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"[..]),
        ("plain HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("no record of TLS", &[0; 64]),
        ("a record that is no handshake", &[22, 3, 1, 0, 4, 1, 2, 3, 4]),
    ] {
        let mut stream = server.connect();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            // The server closed before it had read everything.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{what}"),
        }
        // At most an alert (RFC 8446 §6).
        assert!(answer.is_empty() || answer[0] == 21, "{what}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_never_ends_blocks_no_other_and_has_a_time_limit() {
    let server = start();
    let mut silent: Vec<_> = (0..50).map(|_| server.connect()).collect();
    for stream in &mut silent[..25] {
        // The beginning of a ClientHello.
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).unwrap();
    }
    let started = Instant::now();
    let mut client = TlsClient::connect(&server.address, &["h2"]).await;
    assert_eq!(client.send("GET", "/healthz", "").await.status(), 200);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        assert_eq!(stream.read(&mut [0; 64]).unwrap(), 0, "it is closed");
    }
    assert_eq!(client.send("GET", "/healthz", "").await.status(), 200, "the limit is that of handshakes");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_flight_are_completed_and_handshakes_are_not_awaited() {
    for protocol in ["http/1.1", "h2"] {
        let mut server = start();
        let mut alice = TlsClient::connect(&server.address, &[protocol]).await;
        alice.log_in("alice").await;
        let _silent = server.connect();
        let slow = tokio::spawn(async move { alice.send("GET", "/slow?ms=1000", "").await.status() });
        sleep(Duration::from_millis(300));
        let started = Instant::now();
        server.signal("TERM");
        assert_eq!(server.wait().0.code(), Some(0), "{protocol}");
        assert!(started.elapsed() < Duration::from_secs(5), "{protocol}: {:?}", started.elapsed());
        assert_eq!(slow.await.unwrap(), 200, "{protocol}");
    }
}

#[tokio::test]
async fn the_page_ends_a_stolen_session() {
    let server = start();
    let mut alice = TlsClient::connect(&server.address, &["h2"]).await;
    alice.log_in("alice").await;
    let steps: Value = serde_json::from_slice(alice.send("POST", "/demo/steal", "").await.body()).unwrap();
    assert_eq!(steps[2]["status"], json!(401), "{steps}");
}
