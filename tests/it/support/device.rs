//! A browser that binds its sessions to a device, as Chromium does.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use jsonwebtoken::{EncodingKey, crypto::rust_crypto::DEFAULT_PROVIDER};
use serde_json::{Value, json};

use super::{Browser, World, browser::set_cookie, request};

pub const ORIGIN: &str = "https://api.example.com";
pub const REGISTER: &str = "/auth/device/register";
pub const REFRESH_DEVICE: &str = "/auth/device/refresh";

/// A key pair of the device.
#[derive(Clone)]
pub struct Device {
    key: EncodingKey,
    pub jwk: Value,
}

impl Device {
    /// The device of most tests.
    pub fn new() -> Self {
        Self::with(include_bytes!("../../keys/es256.pem"), include_str!("../../keys/es256.pub.pem"))
    }

    /// Another device.
    pub fn other() -> Self {
        let pem = include_bytes!("../../keys/es256.device.pem");
        Self::with(pem, include_str!("../../keys/es256.device.pub.pem"))
    }

    fn with(private: &[u8], public: &str) -> Self {
        let der: String = public.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(der).unwrap();
        // The point is at the end of the key (RFC 5480 §2).
        let point = &der[der.len() - 64..];
        let (x, y) = point.split_at(32);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Self {
            key: EncodingKey::from_ec_pem(private).unwrap(),
            jwk: json!({"crv": "P-256", "kty": "EC", "x": text(x), "y": text(y)}),
        }
    }

    /// The proof with which a browser registers.
    pub fn registration(&self, challenge: &str) -> String {
        let header = json!({"alg": "ES256", "jwk": self.jwk, "typ": "dbsc+jwt"});
        self.sign(&header, &json!({"jti": challenge}))
    }

    /// The proof with which it refreshes.
    pub fn proof(&self, challenge: &str) -> String {
        self.sign(&json!({"alg": "ES256", "typ": "dbsc+jwt"}), &json!({"jti": challenge}))
    }

    pub fn sign(&self, header: &Value, payload: &Value) -> String {
        self.sign_text(&header.to_string(), &payload.to_string())
    }

    /// The same of a header and a payload that need not be JSON.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signer = (DEFAULT_PROVIDER.signer_factory)(&jsonwebtoken::Algorithm::ES256, &self.key).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signer.sign(message.as_bytes())))
    }
}

/// A browser with a device.
#[derive(Clone)]
pub struct BoundBrowser {
    pub browser: Browser,
    pub device: Device,
    /// Of the session that it has registered.
    pub identifier: Option<String>,
    /// The newest challenge that it has received for the session.
    pub challenge: Option<String>,
}

impl BoundBrowser {
    pub fn new() -> Self {
        Self { browser: Browser::new(), device: Device::new(), identifier: None, challenge: None }
    }

    /// A browser that has logged in and registered its device.
    pub async fn registered(world: &World, subject: &str) -> Self {
        let mut bound = Self::new();
        let offer = bound.log_in(world, subject).await;
        let response = bound.register(world, &offer).await;
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        bound
    }

    /// The same, which has given a proof since.
    pub async fn confirmed(world: &World, subject: &str) -> Self {
        let mut bound = Self::registered(world, subject).await;
        let response = bound.refresh(world).await;
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        bound
    }

    /// Logs in. Returns the challenge of the offer.
    pub async fn log_in(&mut self, world: &World, subject: &str) -> String {
        let response = self.browser.get(world, &format!("/login/{subject}")).await;
        offer(&response).expect("an offer")
    }

    /// Registers the device after an offer.
    pub async fn register(&mut self, world: &World, challenge: &str) -> Response<Bytes> {
        let request = self.registration(&self.device.registration(challenge));
        let response = world.send(request).await;
        self.keep(&response);
        response
    }

    /// The request with which the browser registers, with this proof.
    pub fn registration(&self, proof: &str) -> Request<()> {
        let mut request = post(self.browser.request(REGISTER));
        request.headers_mut().insert("secure-session-response", proof.parse().unwrap());
        request
    }

    /// Asks for a refresh until it is granted or refused, at most five times, as Chromium does.
    pub async fn refresh(&mut self, world: &World) -> Response<Bytes> {
        let mut response = world.send(self.refresh_request()).await;
        for _ in 0..4 {
            self.keep(&response);
            let is_challenged = response.status() == StatusCode::FORBIDDEN && challenge(&response).is_some();
            if !is_challenged {
                break;
            }
            response = world.send(self.refresh_request()).await;
        }
        self.keep(&response);
        response
    }

    /// The request with which the browser refreshes, with a proof if it has a challenge.
    pub fn refresh_request(&self) -> Request<()> {
        let proof = self.challenge.as_ref().map(|challenge| self.device.proof(challenge));
        self.refresh_request_with(proof.as_deref())
    }

    pub fn refresh_request_with(&self, proof: Option<&str>) -> Request<()> {
        let mut request = post(self.browser.request(REFRESH_DEVICE));
        let headers = request.headers_mut();
        headers.insert("sec-secure-session-id", self.identifier.as_ref().unwrap().parse().unwrap());
        if let Some(proof) = proof {
            headers.insert("secure-session-response", proof.parse().unwrap());
        }
        request
    }

    /// Keeps the cookies and what the response says about the session.
    pub fn keep(&mut self, response: &Response<Bytes>) {
        self.browser.keep(response.headers());
        if let Some(challenge) = challenge(response) {
            self.challenge = Some(challenge);
        }
        if response.status() == StatusCode::OK
            && let Ok(Value::Object(instructions)) = serde_json::from_slice(response.body())
        {
            self.identifier = instructions["session_identifier"].as_str().map(str::to_owned);
        }
    }
}

/// As Chromium sends the requests of device-bound sessions.
fn post(mut request: Request<()>) -> Request<()> {
    *request.method_mut() = http::Method::POST;
    for (name, value) in [
        ("origin", ORIGIN),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "empty"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

/// The challenge of the offer in a response.
pub fn offer(response: &Response<Bytes>) -> Option<String> {
    let mut offers = response.headers().get_all("secure-session-registration").iter();
    let offer = offers.next()?.to_str().unwrap();
    assert!(offers.next().is_none(), "two offers");
    let rest = offer.strip_prefix(r#"(ES256 RS256);path="/auth/device/register";challenge=""#).expect(offer);
    Some(rest.strip_suffix('"').expect(offer).to_owned())
}

/// The challenge for the next proof in a response.
pub fn challenge(response: &Response<Bytes>) -> Option<String> {
    let value = response.headers().get("secure-session-challenge")?.to_str().unwrap();
    Some(value.strip_prefix('"').and_then(|rest| rest.split_once('"')).expect(value).0.to_owned())
}

/// Whether the access token says that a device has proved its session.
pub fn is_bound(access: &str) -> bool {
    super::mint::claims(access)["dbsc"] == json!(true)
}

/// The access token that the response sets.
pub fn new_access(response: &Response<Bytes>) -> Option<String> {
    set_cookie(response, super::browser::ACCESS)
}
