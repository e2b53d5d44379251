//! An issuer that this library knows nothing of: its keys, its tokens, and the endpoint of its keys.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{FutureExt, future::BoxFuture};
use jsonwebtoken::{self as jwt, EncodingKey, crypto::rust_crypto::DEFAULT_PROVIDER};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tower_refresh::keys::{Algorithm, VerifyingKey};

pub(super) const ISSUER: &str = "https://login.example.com";
pub(super) const AUDIENCE: &str = "orders";
/// The time of the tests' clock.
pub(super) const NOW: u64 = 1_700_000_000;

/// One of the issuer's keys, whose `kid` is its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Ed,
    Es256,
    Es384,
    Rs256,
    /// Another RSA key.
    Ps256,
    /// Another Ed25519 key.
    Ed2,
}

impl Key {
    pub(super) fn kid(self) -> &'static str {
        match self {
            Self::Ed => "ed",
            Self::Es256 => "es256",
            Self::Es384 => "es384",
            Self::Rs256 => "rs",
            Self::Ps256 => "ps",
            Self::Ed2 => "ed2",
        }
    }

    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::Ed | Self::Ed2 => Algorithm::EdDsa,
            Self::Es256 => Algorithm::Es256,
            Self::Es384 => Algorithm::Es384,
            Self::Rs256 => Algorithm::Rs256,
            Self::Ps256 => Algorithm::Ps256,
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Ed => "ed25519",
            Self::Es256 => "es256",
            Self::Es384 => "es384",
            Self::Rs256 => "rsa",
            Self::Ps256 => "rsa.aws-lc-rs",
            Self::Ed2 => "ed25519.aws-lc-rs",
        }
    }

    fn signing(self) -> (EncodingKey, jwt::Algorithm) {
        let pem = file(self.file());
        match self {
            Self::Ed | Self::Ed2 => (EncodingKey::from_ed_pem(&pem).unwrap(), jwt::Algorithm::EdDSA),
            Self::Es256 => (EncodingKey::from_ec_pem(&pem).unwrap(), jwt::Algorithm::ES256),
            Self::Es384 => (EncodingKey::from_ec_pem(&pem).unwrap(), jwt::Algorithm::ES384),
            Self::Rs256 => (EncodingKey::from_rsa_pem(&pem).unwrap(), jwt::Algorithm::RS256),
            Self::Ps256 => (EncodingKey::from_rsa_pem(&pem).unwrap(), jwt::Algorithm::PS256),
        }
    }

    /// The public key, for a service that has it in a file.
    pub(super) fn verifying(self) -> VerifyingKey {
        let signing = tower_refresh::keys::SigningKey::from_pem(self.algorithm(), file(self.file())).unwrap();
        signing.with_kid(self.kid()).verifying_key()
    }

    /// The public key in a set.
    pub(super) fn jwk(self) -> Value {
        let key = self.verifying();
        let ring = tower_refresh::KeyRing::hs256([1; 32]).unwrap().accept(key);
        let auth = tower_refresh::Auth::<()>::builder(ring)
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .store(tower_refresh::MemoryStore::new())
            .claims(|_, _| async { Ok::<_, io::Error>(None) })
            .build()
            .unwrap();
        serde_json::to_value(auth.jwks()).unwrap()["keys"][0].take()
    }

    /// A token with the valid header and claims, of which some are replaced, or removed by null.
    pub(super) fn token(self, header: &Value, claims: &Value) -> String {
        let valid = json!({"alg": self.algorithm().as_str(), "typ": "at+jwt", "kid": self.kid()});
        self.sign(&changed(valid, header).to_string(), &changed(valid_claims(), claims).to_string())
    }

    /// A valid token.
    pub(super) fn valid(self) -> String {
        self.token(&json!({}), &json!({}))
    }

    /// A token of any header and payload.
    pub(super) fn sign(self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let (key, algorithm) = self.signing();
        let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, &key).unwrap();
        let signature = URL_SAFE_NO_PAD.encode(signer.try_sign(message.as_bytes()).unwrap());
        format!("{message}.{signature}")
    }
}

/// A set of these keys.
pub(super) fn jwks(keys: &[Key]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

pub(super) fn valid_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW, "jti": "1",
        "sid": "BwcHBwcHBwcHBwcHBwcHBw", "scope": "read", "name": "Alice",
    })
}

fn changed(mut valid: Value, changes: &Value) -> Value {
    let members = valid.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    valid
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/keys/{name}.pem", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What one call of the closure does.
pub(super) enum Reply {
    Document(Vec<u8>),
    Fails,
    /// The closure itself panics.
    PanicsAtOnce,
    /// Its future panics.
    Panics,
    Never,
    /// It returns what is sent, and fails if the sender is dropped.
    Held(oneshot::Receiver<String>),
}

/// The closure: it counts its calls, and does what the test says.
#[derive(Clone)]
pub(super) struct Endpoint(Arc<Mutex<Script>>);

struct Script {
    calls: usize,
    next: VecDeque<Reply>,
    document: Vec<u8>,
    is_down: bool,
}

impl Endpoint {
    /// It always returns a set of these keys.
    pub(super) fn new(keys: &[Key]) -> Self {
        let script =
            Script { calls: 0, next: VecDeque::new(), document: jwks(keys).into_bytes(), is_down: false };
        Self(Arc::new(Mutex::new(script)))
    }

    /// The next call that has no reply yet does this.
    pub(super) fn next(&self, reply: Reply) {
        self.0.lock().unwrap().next.push_back(reply);
    }

    /// The next call is held until its document is sent.
    pub(super) fn hold(&self) -> oneshot::Sender<String> {
        let (sender, receiver) = oneshot::channel();
        self.next(Reply::Held(receiver));
        sender
    }

    /// From now on it returns a set of these keys.
    pub(super) fn publish(&self, keys: &[Key]) {
        self.publish_document(jwks(keys));
    }

    pub(super) fn publish_document(&self, document: impl Into<Vec<u8>>) {
        let mut script = self.0.lock().unwrap();
        (script.document, script.is_down) = (document.into(), false);
    }

    /// From now on every call fails.
    pub(super) fn take_down(&self) {
        self.0.lock().unwrap().is_down = true;
    }

    /// The number of calls so far.
    pub(super) fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// How many have this endpoint: the test, and the closures.
    pub(super) fn users(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    pub(super) fn fetch(&self) -> BoxFuture<'static, Result<Vec<u8>, io::Error>> {
        let reply = {
            let mut script = self.0.lock().unwrap();
            script.calls += 1;
            match script.next.pop_front() {
                Some(reply) => reply,
                None if script.is_down => Reply::Fails,
                None => Reply::Document(script.document.clone()),
            }
        };
        match reply {
            Reply::Document(document) => async { Ok(document) }.boxed(),
            Reply::Fails => async { Err(io::Error::other("connection refused")) }.boxed(),
            Reply::PanicsAtOnce => panic!("the closure panics"),
            Reply::Panics => async { panic!("its future panics") }.boxed(),
            Reply::Never => std::future::pending().boxed(),
            Reply::Held(document) => {
                async { document.await.map(String::into_bytes).map_err(io::Error::other) }.boxed()
            }
        }
    }
}
