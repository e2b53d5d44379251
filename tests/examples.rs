//! The examples run, and do what their first lines describe.
//!
//! In its own file, because `cargo test --test it` builds no examples.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
#![cfg(all(feature = "aws_lc_rs", feature = "axum", feature = "tokio"))]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// An example that serves until it is dropped.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts an example on a free port.
    fn start(example: &str) -> Self {
        let mut process = Command::new(path_of(example))
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("run cargo build --example {example} first: {error}"));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("{example} says {line:?}")).to_owned();
        Self { process, address }
    }

    /// The status, the headers and the body of a response.
    fn send(&self, request_line: &str, cookies: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let length = body.len();
        write!(
            stream,
            "{request_line} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncookie: {cookies}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let (status_line, headers) = head.split_once("\r\n").unwrap();
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        (status, headers.to_owned(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo puts the examples beside the tests.
fn path_of(example: &str) -> PathBuf {
    let deps = env::current_exe().unwrap();
    let built = deps.parent().and_then(|deps| deps.parent()).unwrap();
    built.join("examples").join(format!("{example}{}", env::consts::EXE_SUFFIX))
}

/// The `name=value` of each cookie that a response sets.
fn cookies(headers: &str) -> String {
    let set = headers.lines().filter_map(|header| header.strip_prefix("set-cookie: "));
    let pairs: Vec<_> = set.filter_map(|cookie| cookie.split(';').next()).collect();
    pairs.join("; ")
}

#[test]
fn a_user_logs_in_and_out_of_each_example() {
    for (example, logout) in [("quickstart", "/auth/logout"), ("hyper", "/logout")] {
        let server = Server::start(example);
        let wrong = r#"{"username":"alice","password":"guess"}"#;
        let right = r#"{"username":"alice","password":"alice-password"}"#;

        assert_eq!(server.send("GET /me", "", "").0, 401, "{example}");
        assert_eq!(server.send("POST /login", "", wrong).0, 401, "{example}");
        let (status, headers, body) = server.send("POST /login", "", right);
        assert_eq!(status, 200, "{example}: {body}");
        assert!(body.contains(r#""token_type":"Bearer""#), "{example}: {body}");

        let held = cookies(&headers);
        let (status, _, body) = server.send("GET /me", &held, "");
        assert_eq!((status, body.as_str()), (200, "hello Alice\n"), "{example}");
        assert_eq!(server.send(&format!("POST {logout}"), &held, "").0, 204, "{example}");
        assert_eq!(server.send("GET /me", &held, "").0, 401, "{example}");
    }
}

#[test]
fn a_login_from_another_sites_page_is_rejected_by_each_example() {
    for example in ["quickstart", "hyper"] {
        let server = Server::start(example);
        let form = r#"{"username":"alice","password":"alice-password"}"#;
        let (status, headers, _) = server.send("POST /login", "x=y\r\norigin: https://evil.example", form);
        assert_eq!((status, cookies(&headers).as_str()), (403, ""), "{example}");
    }
}
