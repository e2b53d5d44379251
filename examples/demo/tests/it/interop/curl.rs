//! curl with a cookie jar.

use std::{
    path::PathBuf,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::server::Server;

const LOGIN: &str = r#"{"username":"alice","password":"alice-password"}"#;

struct Curl {
    server: Server,
    folder: TempDir,
}

impl Curl {
    fn on(arguments: &[&str]) -> Self {
        Self { server: Server::start(arguments), folder: tempfile::tempdir().unwrap() }
    }

    fn jar(&self) -> PathBuf {
        self.folder.path().join("jar")
    }

    /// The status and the body.
    fn send(&self, path: &str, arguments: &[&str]) -> (u16, String) {
        let output = Command::new("curl")
            .args(["--silent", "--max-time", "20", "--noproxy", "*", "--write-out", "\n%{http_code}"])
            .arg("--cookie")
            .arg(self.jar())
            .arg("--cookie-jar")
            .arg(self.jar())
            .args(arguments)
            .arg(format!("{}{path}", self.server.url))
            .output()
            .unwrap_or_else(|error| panic!("curl is needed: {error}"));
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// The value of a cookie in the jar: the last column of its line, in the Netscape format.
    fn cookie(&self, name: &str) -> Option<String> {
        let jar = std::fs::read_to_string(self.jar()).unwrap_or_default();
        let cookies = jar.lines().map(|line| line.split('\t').collect::<Vec<_>>());
        let mut values = cookies
            .filter(|columns| columns.len() == 7 && columns[5] == name)
            .map(|columns| columns[6].to_owned());
        values.next()
    }
}

/// Logs in, waits until the access token has expired and was renewed, and logs out.
fn assert_stays_logged_in(curl: &Curl, access: &str, refresh: &str) {
    assert_eq!(curl.send("/me", &[]).0, 401);
    let login = ["--header", "content-type: application/json", "--data", LOGIN];
    assert_eq!(curl.send("/login", &login).0, 200);
    let (first, first_refresh) = (curl.cookie(access).unwrap(), curl.cookie(refresh).unwrap());

    // The access token expires, and is renewed in one of these requests.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (status, body) = curl.send("/me", &[]);
        assert!(status == 200 && body.contains("\"sub\":\"alice\""), "{status} {body}");
        if curl.cookie(access).is_some_and(|renewed| renewed != first) {
            break;
        }
        assert!(Instant::now() < deadline, "the access token is never renewed");
        sleep(Duration::from_millis(200));
    }
    // Within the damping interval.
    assert_eq!(curl.cookie(refresh).unwrap(), first_refresh);

    assert_eq!(curl.send("/auth/logout", &["--request", "POST"]).0, 204);
    // Older versions of curl process only the last removal in a response, and keep the access cookie until it expires. It is
    // invalid.
    assert_eq!(curl.cookie(refresh), None);
    assert_eq!(curl.send("/me", &[]).0, 401);
}

/// Since 7.79, curl accepts and sends cookies with `Secure` over HTTP on this machine.
#[test]
#[ignore = "needs curl"]
fn curl_stays_logged_in_with_host_cookies_on_this_machine() {
    assert_stays_logged_in(&Curl::on(&["--access-ttl", "2s"]), "__Host-access", "__Host-refresh");
}

#[test]
#[ignore = "needs curl"]
fn curl_stays_logged_in_over_insecure_http() {
    assert_stays_logged_in(&Curl::on(&["--access-ttl", "2s", "--insecure-http"]), "access", "refresh");
}

#[test]
#[ignore = "needs curl"]
fn curl_exchanges_a_native_clients_refresh_token() {
    let curl = Curl::on(&[]);
    let login = ["--header", "content-type: application/json", "--data", LOGIN];
    let (status, body) = curl.send("/token-login", &login);
    assert_eq!(status, 200);
    let tokens: serde_json::Value = serde_json::from_str(&body).unwrap();
    let token = format!("refresh_token={}", tokens["refresh_token"].as_str().unwrap());
    for data in ["--data", "--data-urlencode"] {
        let form = ["--data", "grant_type=refresh_token", data, &token];
        let (status, body) = curl.send("/auth/token", &form);
        assert_eq!(status, 200, "{body}");
    }
    assert!(!std::fs::read_to_string(curl.jar()).unwrap_or_default().contains("access"));
}
