//! A service that verifies the access tokens of npm's `oidc-provider`, whose keys change.

use std::{
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tower_refresh::{Clock, InvalidTokenReason, SystemClock, Timestamp, Verifier, VerifyError};

use super::tokens::program;

const COOLDOWN: Duration = Duration::from_secs(30);
const REFRESH_EVERY: Duration = Duration::from_secs(10 * 60);
const ALGORITHMS: [&str; 4] = ["ES256", "RS256", "PS256", "Ed25519"];

struct Issuer {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    url: String,
    client: reqwest::Client,
}

impl Issuer {
    /// With these groups of keys, each of which has one per algorithm.
    fn start(keys: &str) -> Self {
        let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/interop/issuer.mjs");
        let packages = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("oidc-provider");
        let mut process = Command::new(program("node"))
            .arg(here)
            .env("NODE_BASE", &packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // It warns of its store in memory.
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("node is missing, scripts/test-world installs it: {error}"));
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(4))
            .build()
            .unwrap();
        let mut issuer = Self { process, input, output: BufReader::new(output), url: String::new(), client };
        issuer.url = issuer.line();
        assert!(
            issuer.url.starts_with("http"),
            "no oidc-provider in {packages:?}: scripts/test-world installs it"
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
    fn publish(&mut self, keys: &str) {
        writeln!(self.input, "{keys}").unwrap();
        assert_eq!(self.line(), "published");
    }

    async fn token(&self, algorithm: &str) -> String {
        #[derive(Deserialize)]
        struct Response {
            access_token: String,
        }
        let resource = format!("https://orders.example.com/{algorithm}");
        let form = [("grant_type", "client_credentials"), ("scope", "orders"), ("resource", &resource)];
        let request = self.client.post(format!("{}/token", self.url)).basic_auth("till", Some("secret"));
        let response = request.form(&form).send().await.unwrap().error_for_status().unwrap();
        response.json::<Response>().await.unwrap().access_token
    }

    async fn tokens(&self) -> Vec<String> {
        join_all(ALGORITHMS.map(|algorithm| self.token(algorithm))).await
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The system's clock, except that time can pass by which keys are fetched.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<Duration>>);

impl Later {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add(*self.0.lock().unwrap())
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + *self.0.lock().unwrap()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Till {
    client_id: String,
}

struct Service {
    verifier: Verifier<Till>,
    fetches: Arc<AtomicUsize>,
    clock: Later,
}

impl Service {
    fn of(issuer: &Issuer) -> Self {
        let (fetches, clock) = (Arc::<AtomicUsize>::default(), Later::default());
        let (client, url, counted) = (issuer.client.clone(), format!("{}/jwks", issuer.url), fetches.clone());
        let verifier = Verifier::builder()
            .issuer(&issuer.url)
            .audience("orders")
            .without_session_id()
            .clock(clock.clone())
            .jwks(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                let request = client.get(&url);
                async move { request.send().await?.error_for_status()?.bytes().await }
            })
            .build()
            .unwrap();
        Self { verifier, fetches, clock }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// All at once: how many of them are valid.
    async fn valid(&self, tokens: &[String]) -> usize {
        let results = join_all(tokens.iter().map(|token| self.verifier.verify(token))).await;
        results
            .into_iter()
            .filter(|result| match result {
                Ok(user) => {
                    assert_eq!((user.subject().as_str(), user.scope()), ("till", "orders"));
                    assert_eq!(user.claims().client_id, "till");
                    true
                }
                Err(VerifyError::Invalid(InvalidTokenReason::UnknownKey)) => false,
                Err(error) => panic!("{error}"),
            })
            .count()
    }
}

/// The token with the id of a key that does not exist.
fn invented(token: &str, number: usize) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"invented-{number}"}}"#);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs oidc-provider"]
async fn tokens_of_each_algorithm_are_valid_and_changed_ones_are_not() {
    let issuer = Issuer::start("a");
    let service = Service::of(&issuer);
    let tokens = issuer.tokens().await;
    assert_eq!(service.valid(&tokens).await, ALGORITHMS.len());
    assert_eq!(service.fetches(), 1);
    for token in tokens {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let changed = payload.replace("\"scope\":\"orders\"", "\"scope\":\"orders admin\"");
        assert_ne!(changed, payload);
        let changed = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(changed));
        let bad_signature = VerifyError::Invalid(InvalidTokenReason::BadSignature);
        assert_eq!(service.verifier.verify(&changed).await.unwrap_err(), bad_signature);
    }
    // The same tokens are none of another service, nor of another issuer.
    let token = issuer.token("ES256").await;
    for (issuer_url, audience, reason) in [
        (issuer.url.clone(), "billing", InvalidTokenReason::WrongAudience),
        (format!("{}/", issuer.url), "orders", InvalidTokenReason::WrongIssuer),
    ] {
        let (client, url) = (issuer.client.clone(), format!("{}/jwks", issuer.url));
        let other = Verifier::<Till>::builder()
            .issuer(issuer_url)
            .audience(audience)
            .without_session_id()
            .jwks(move || {
                let request = client.get(&url);
                async move { request.send().await?.bytes().await }
            })
            .build()
            .unwrap();
        assert_eq!(other.verify(&token).await.unwrap_err(), VerifyError::Invalid(reason));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs oidc-provider"]
async fn keys_change_while_requests_run() {
    let mut issuer = Issuer::start("a");
    let service = Service::of(&issuer);
    let mut former = issuer.tokens().await;
    assert_eq!(service.valid(&former).await, former.len());
    // Each time the new keys sign at once, and the former ones stay in the set.
    for (count, (keys, withdrawn)) in [("b a", "b"), ("c b", "c"), ("d c", "d")].into_iter().enumerate() {
        issuer.publish(keys);
        let new = issuer.tokens().await;
        assert_eq!(service.valid(&new).await, 0, "a fetch is less than 30 s ago");
        service.clock.advance(COOLDOWN);
        let both: Vec<_> = (0..25).flat_map(|_| new.iter().chain(&former).cloned()).collect();
        assert_eq!(service.valid(&both).await, both.len());
        assert_eq!(service.fetches(), 2 * count + 2, "all share one fetch");

        // The former keys are withdrawn, which the service learns by itself.
        issuer.publish(withdrawn);
        service.clock.advance(REFRESH_EVERY);
        assert_eq!(service.valid(&new).await, new.len(), "no request waits for the fetch");
        // One with an unknown key does.
        assert_eq!(service.valid(&[invented(&new[0], 0)]).await, 0);
        assert_eq!(service.valid(&former).await, 0, "the former keys are withdrawn");
        assert_eq!(service.valid(&new).await, new.len());
        assert_eq!(service.fetches(), 2 * count + 3);
        former = new;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs oidc-provider"]
async fn a_flood_of_unknown_keys_is_one_fetch_in_thirty_seconds() {
    let issuer = Issuer::start("a");
    let service = Service::of(&issuer);
    let valid = issuer.tokens().await;
    let flood: Vec<_> = (0..2000).map(|number| invented(&valid[0], number)).collect();
    for round in 1..=4 {
        for _ in 0..3 {
            assert_eq!(service.valid(&flood).await, 0);
            assert_eq!(service.valid(&valid).await, valid.len());
        }
        assert_eq!(service.fetches(), round);
        service.clock.advance(COOLDOWN);
    }
}
