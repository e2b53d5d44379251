//! A connection of a client: HTTP/1.1 as far as these servers speak it.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
};

/// A session of a browser: the cookies that it sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    cookies: Vec<(String, String)>,
}

impl Session {
    /// Stores the cookies that a response sets.
    pub(super) fn store(&mut self, head: &str) {
        for line in head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            match self.cookies.iter_mut().find(|(known, _)| known == name) {
                Some((_, stored)) => value.clone_into(stored),
                None => self.cookies.push((name.to_owned(), value.to_owned())),
            }
        }
    }

    /// The bytes of a request.
    pub(super) fn request(&self, method: &str, path: &str) -> Vec<u8> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: api.example.com\r\n");
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request.push_str(&format!("cookie: {}\r\n", cookies.join("; ")));
        }
        request.push_str("\r\n");
        request.into_bytes()
    }
}

/// A connection, with what it has received of a response.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
}

/// A response that has arrived as a whole.
#[derive(Debug)]
pub(super) struct Response {
    /// The status line and the headers.
    pub(super) head: String,
}

impl Response {
    pub(super) fn sets_cookies(&self) -> bool {
        self.head.contains("set-cookie: ")
    }
}

impl Connection {
    pub(super) fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream }
    }

    /// Sends the request; the connection is idle, so that there is room for it.
    pub(super) fn send(&self, request: &[u8]) {
        assert_eq!((&self.stream).write(request).unwrap(), request.len());
    }

    /// Receives what there is, and returns the response if it is complete. It must be a success.
    pub(super) fn receive(&self, received: &mut Vec<u8>) -> Option<Response> {
        let mut some = [0; 4096];
        match (&self.stream).read(&mut some) {
            Ok(0) => panic!("the server closed the connection"),
            Ok(len) => received.extend_from_slice(&some[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => panic!("{error}"),
        }
        let end = received.windows(4).position(|part| part == b"\r\n\r\n")?;
        let head = String::from_utf8(received[..end].to_vec()).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse::<usize>().unwrap());
        if received.len() < end + 4 + length {
            return None;
        }
        received.clear();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        Some(Response { head })
    }

    /// Sends a request and waits for the response.
    pub(super) fn call(&self, request: &[u8]) -> Response {
        let mut received = Vec::new();
        self.stream.set_nonblocking(false).unwrap();
        self.send(request);
        let response = loop {
            if let Some(response) = self.receive(&mut received) {
                break response;
            }
        };
        self.stream.set_nonblocking(true).unwrap();
        response
    }
}
