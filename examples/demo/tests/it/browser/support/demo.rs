//! The program under test.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use ureq::{
    Agent, Body,
    http::{HeaderMap, Request, Response},
    tls::{TlsConfig, TlsProvider},
};

use super::certificate::Certificate;

pub(crate) struct Demo {
    process: Child,
    scheme: &'static str,
    pub(crate) address: String,
    /// Kept open, because the program may print.
    _output: BufReader<ChildStdout>,
}

impl Demo {
    /// A server on a free port with sessions in memory and these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with("http", arguments)
    }

    /// The same with HTTPS.
    pub(crate) fn start_tls(certificate: &Certificate, arguments: &[&str]) -> Self {
        let tls = certificate.arguments();
        Self::start_with("https", &[&tls.each_ref().map(String::as_str), arguments].concat())
    }

    fn start_with(scheme: &'static str, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DEMO_")) {
            command.env_remove(name);
        }
        let mut process = command
            // Variables, so that flags of a test can override them.
            .env("DEMO_LISTEN", "127.0.0.1:0")
            .env("DEMO_STORE", "memory:")
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix(&format!("listening on {scheme}://"));
        let address = address.unwrap_or_else(|| panic!("the first line is {line:?}")).to_owned();
        Self { process, scheme, address, _output: output }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.address)
    }

    /// The address under this host name. Only browsers that `Browser::with_device_binding` starts find hosts below `test`.
    pub(crate) fn url_at(&self, host: &str) -> String {
        format!("{}://{host}:{}/", self.scheme, self.address.rsplit_once(':').unwrap().1)
    }

    /// The number of these session events, according to the server's counters.
    pub(crate) fn events(&self, event: &str) -> u64 {
        self.counter(&format!("tower_refresh_events_total{{event=\"{event}\","))
    }

    /// The number of requests with this outcome.
    pub(crate) fn requests(&self, outcome: &str) -> u64 {
        self.counter(&format!("tower_refresh_requests_total{{outcome=\"{outcome}\""))
    }

    /// The sum of the counters whose lines start like this.
    fn counter(&self, start: &str) -> u64 {
        let metrics = agent().get(format!("{}metrics", self.url())).call().unwrap();
        let metrics = metrics.into_body().read_to_string().unwrap();
        let lines = metrics.lines().filter(|line| line.starts_with(start));
        lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }

    /// Logs in without the browser, as on another device. Returns the answer and the refresh token.
    pub(crate) fn log_in_elsewhere(&self, user: &str) -> (Value, String) {
        let form = json!({ "username": user, "password": format!("{user}-password") });
        let answer = agent()
            .post(format!("{}login", self.url()))
            .header("content-type", "application/json")
            .send(form.to_string())
            .unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let token = cookies
            .filter_map(|cookie| {
                cookie.to_str().unwrap().trim_start_matches("__Host-").strip_prefix("refresh=")
            })
            .find_map(|cookie| cookie.split(';').next())
            .unwrap()
            .to_owned();
        (serde_json::from_str(&answer.into_body().read_to_string().unwrap()).unwrap(), token)
    }

    /// The status of a request with this refresh token, whose response does not reach the browser.
    pub(crate) fn refresh_with(&self, cookie: &str, token: &str) -> u16 {
        let answer =
            agent().get(format!("{}me", self.url())).header("cookie", format!("{cookie}={token}")).call();
        answer.unwrap().status().as_u16()
    }

    /// The response to a request with these cookies from elsewhere, with a body of JSON if any.
    pub(crate) fn send_from_elsewhere(
        &self,
        method: &str,
        path: &str,
        cookies: &str,
        body: &str,
    ) -> Response<Body> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("cookie", cookies)
            .header("content-type", "application/json");
        agent().run(request.body(body.to_owned()).unwrap()).unwrap()
    }

    /// The response to a copy of a request for this path, with other cookies.
    pub(crate) fn repeat(&self, path: &str, headers: &HeaderMap, cookies: &str) -> Response<Body> {
        let mut request = Request::post(format!("{}{}", self.url(), path.trim_start_matches('/')));
        for (name, value) in headers.iter().filter(|(name, _)| *name != "cookie" && *name != "content-length")
        {
            request = request.header(name, value);
        }
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        agent().run(request.header("content-length", "0").body(()).unwrap()).unwrap()
    }

    /// The status of a native client's exchange of this refresh token (RFC 6749 §6).
    pub(crate) fn exchange(&self, token: &str) -> u16 {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        let request = agent()
            .post(format!("{}auth/token", self.url()))
            .header("content-type", "application/x-www-form-urlencoded");
        request.send(form).unwrap().status().as_u16()
    }

    /// The status of a request with this access token, from elsewhere.
    pub(crate) fn status_of(&self, method: &str, path: &str, access_token: &str) -> u16 {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("authorization", format!("Bearer {access_token}"));
        agent().run(request.body(()).unwrap()).unwrap().status().as_u16()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client that accepts any certificate.
fn agent() -> Agent {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(default_provider()))
        .disable_verification(true);
    Agent::config_builder().http_status_as_error(false).tls_config(tls.build()).build().into()
}
