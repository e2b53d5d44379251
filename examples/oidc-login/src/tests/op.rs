//! A provider.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use openidconnect::{
    ClientId, ClientSecret, IssuerUrl, JsonWebKeyId, PkceCodeChallenge, PkceCodeVerifier, PrivateSigningKey,
    core::{CoreEdDsaPrivateSigningKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm},
    url::Url,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tower_refresh::Timestamp;

use crate::settings::ProviderSettings;

pub(super) const CLIENT: &str = "web";
pub(super) const SECRET: &str = "a client secret of the tests, 32 bytes or more";

pub(super) struct Op {
    pub(super) issuer: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

struct Inner {
    issuer: String,
    /// The number of the key in use, and in the key set.
    key: AtomicUsize,
    states_issuer: bool,
    is_down: AtomicBool,
    discoveries: AtomicUsize,
    grants: Mutex<HashMap<String, Grant>>,
}

struct Grant {
    challenge: String,
    redirect_uri: String,
    id_token: String,
}

/// The parameters of a request for a login.
pub(super) type Parameters = HashMap<String, String>;

impl Op {
    /// A provider whose keys are those from `first_key` on. It `states_issuer` in each response (RFC 9207), or not.
    pub(super) async fn start(first_key: usize, states_issuer: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Inner {
            issuer: issuer.clone(),
            key: first_key.into(),
            states_issuer,
            is_down: false.into(),
            discoveries: 0.into(),
            grants: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .with_state(Arc::clone(&inner));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { issuer, inner, task }
    }

    pub(super) fn settings(&self, name: &str) -> ProviderSettings {
        ProviderSettings {
            name: name.to_owned(),
            issuer: IssuerUrl::new(self.issuer.clone()).unwrap(),
            client_id: ClientId::new(CLIENT.to_owned()),
            client_secret: ClientSecret::new(SECRET.to_owned()),
            form_post: false,
        }
    }

    /// From now on there is another key, and no longer the former one.
    pub(super) fn rotate_key(&self) {
        self.inner.key.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_down(&self, is_down: bool) {
        self.inner.is_down.store(is_down, Ordering::Relaxed);
    }

    pub(super) fn discoveries(&self) -> usize {
        self.inner.discoveries.load(Ordering::Relaxed)
    }

    /// The request that brings the browser here.
    pub(super) fn parameters(&self, location: &str) -> Parameters {
        let url = Url::parse(location).unwrap();
        assert_eq!((url.origin().ascii_serialization(), url.path()), (self.issuer.clone(), "/authorize"));
        url.query_pairs().into_owned().collect()
    }

    /// What it says about its user alice, who authenticated an hour ago.
    pub(super) fn claims(&self, request: &Parameters, now: Timestamp) -> Value {
        let now = now.as_secs();
        json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "alice", "iat": now, "exp": now + 300,
            "nonce": request["nonce"], "auth_time": now - 3600, "acr": "pwd", "sid": "sid-of-alice", "name": "Alice <A>",
        })
    }

    /// A code for this ID token.
    pub(super) fn code(&self, request: &Parameters, id_token: String) -> String {
        let mut grants = self.inner.grants.lock().unwrap();
        let code = format!("code-{}", grants.len());
        let [challenge, redirect_uri] = ["code_challenge", "redirect_uri"].map(|name| request[name].clone());
        grants.insert(code.clone(), Grant { challenge, redirect_uri, id_token });
        code
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.header(), claims)
    }

    pub(super) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        sign(header, claims, &self.inner.signing_key(), &CoreJwsSigningAlgorithm::EdDsa)
    }

    /// Signs claims that are written as no serialiser writes them.
    pub(super) fn sign_text(&self, claims: &str) -> String {
        let message =
            [self.header().to_string().as_str(), claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature =
            self.inner.signing_key().sign(&CoreJwsSigningAlgorithm::EdDsa, message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn header(&self) -> Value {
        json!({ "alg": "EdDSA", "kid": self.inner.kid() })
    }

    /// As it is in the key set.
    pub(super) fn public_key(&self) -> Vec<u8> {
        let key = serde_json::to_value(self.inner.signing_key().as_verification_key()).unwrap();
        URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap()
    }

    pub(super) fn logout_claims(&self, now: Timestamp, jti: &str) -> Value {
        let now = now.as_secs();
        json!({
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 120, "jti": jti, "sub": "alice",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        })
    }

    pub(super) fn logout_token(&self, claims: &Value) -> String {
        let mut header = self.header();
        header["typ"] = json!("logout+jwt");
        self.sign_as(&header, claims)
    }
}

impl Drop for Op {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Inner {
    fn kid(&self) -> String {
        format!("key-{}", self.key.load(Ordering::Relaxed))
    }

    fn signing_key(&self) -> CoreEdDsaPrivateSigningKey {
        const PREFIX: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
        let seed = [u8::try_from(self.key.load(Ordering::Relaxed)).unwrap(); 32];
        let der = STANDARD.encode([PREFIX, &seed].concat());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
        CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(JsonWebKeyId::new(self.kid()))).unwrap()
    }
}

pub(super) fn sign(
    header: &Value,
    claims: &Value,
    key: &impl PrivateSigningKey<VerificationKey = openidconnect::core::CoreJsonWebKey>,
    algorithm: &CoreJwsSigningAlgorithm,
) -> String {
    let message = unsigned(header, claims);
    let signature = URL_SAFE_NO_PAD.encode(key.sign(algorithm, message.as_bytes()).unwrap());
    format!("{message}.{signature}")
}

/// The first two parts.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".")
}

async fn discovery(State(op): State<Arc<Inner>>) -> Response {
    op.discoveries.fetch_add(1, Ordering::Relaxed);
    if op.is_down.load(Ordering::Relaxed) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let at = |path: &str| format!("{}{path}", op.issuer);
    Json(json!({
        "issuer": op.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "jwks_uri": at("/jwks"), "end_session_endpoint": at("/end-session"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["EdDSA", "HS256"],
        "authorization_response_iss_parameter_supported": op.states_issuer,
    }))
    .into_response()
}

async fn jwks(State(op): State<Arc<Inner>>) -> Json<CoreJsonWebKeySet> {
    Json(CoreJsonWebKeySet::new(vec![op.signing_key().as_verification_key()]))
}

/// A code is good once, for the client, the redirect URI and the verifier that it was issued for.
async fn token(State(op): State<Arc<Inner>>, headers: HeaderMap, Form(form): Form<Parameters>) -> Response {
    let secret: String = openidconnect::url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let client = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{secret}")));
    assert_eq!(headers["authorization"], client);
    assert_eq!(form["grant_type"], "authorization_code");
    let grant = op.grants.lock().unwrap().remove(&form["code"]);
    let is_valid = |grant: &Grant| {
        let verifier = PkceCodeVerifier::new(form["code_verifier"].clone());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        challenge.as_str() == grant.challenge && form["redirect_uri"] == grant.redirect_uri
    };
    match grant.filter(is_valid) {
        Some(Grant { id_token, .. }) => {
            let tokens = json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": id_token });
            Json(tokens).into_response()
        }
        None => (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))).into_response(),
    }
}
