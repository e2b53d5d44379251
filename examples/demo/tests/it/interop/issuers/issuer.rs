//! The processes that issue tokens.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use futures_util::future::join_all;
use serde::Deserialize;

use crate::interop::program;

pub(super) struct Provider {
    program: &'static str,
    script: &'static str,
    pub(super) algorithms: &'static [&'static str],
}

pub(super) const OIDC_PROVIDER: Provider = Provider {
    program: "node",
    script: "oidc_provider.mjs",
    algorithms: &["ES256", "RS256", "PS256", "Ed25519"],
};

pub(super) const AUTHLIB: Provider =
    Provider { program: "python", script: "authlib_issuer.py", algorithms: &["ES256", "RS256"] };

pub(super) struct Issuer {
    provider: &'static Provider,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(super) url: String,
    pub(super) client: reqwest::Client,
}

impl Issuer {
    /// With these groups of keys, each of which has one per algorithm.
    pub(super) fn start(provider: &'static Provider, keys: &str) -> Self {
        let scripts = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/interop/issuers"));
        let mut process = Command::new(program(provider.program))
            .arg(scripts.join(provider.script))
            .env("NODE_BASE", PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("oidc-provider"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It warns of its store in memory.
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{} is missing, scripts/test-world installs it: {error}", provider.program)
            });
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(4))
            .build()
            .unwrap();
        let (output, url) = (BufReader::new(output), String::new());
        let mut issuer = Self { provider, process, input, output, url, client };
        issuer.url = issuer.line();
        assert!(
            issuer.url.starts_with("http"),
            "{} has no package to run: scripts/test-world installs it",
            provider.script
        );
        issuer.publish(keys);
        issuer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// From now on it has these groups of keys, and signs with the first one.
    pub(super) fn publish(&mut self, keys: &str) {
        writeln!(self.input, "{keys}").unwrap();
        assert_eq!(self.line(), "published");
    }

    pub(super) fn jwks(&self) -> String {
        format!("{}/jwks", self.url)
    }

    pub(super) async fn token(&self, algorithm: &str) -> String {
        self.granted(algorithm, &[("grant_type", "client_credentials")]).await
    }

    /// The token for a grant.
    pub(super) async fn granted(&self, algorithm: &str, grant: &[(&str, &str)]) -> String {
        #[derive(Deserialize)]
        struct Response {
            access_token: String,
        }
        let resource = format!("https://orders.example.com/{algorithm}");
        let form = [grant, &[("scope", "orders"), ("resource", &resource)]].concat();
        let request = self.client.post(format!("{}/token", self.url)).basic_auth("till", Some("secret"));
        let response = request.form(&form).send().await.unwrap().error_for_status().unwrap();
        response.json::<Response>().await.unwrap().access_token
    }

    /// One for each algorithm.
    pub(super) async fn tokens(&self) -> Vec<String> {
        join_all(self.provider.algorithms.iter().map(|algorithm| self.token(algorithm))).await
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
