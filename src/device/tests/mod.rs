//! Tests of proofs, challenges, identifiers, keys and headers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{DeviceContext, DeviceKey, error::ProofError, headers, proof};
use crate::keys::{Algorithm, KeyRing, PreparedKeys, SigningKey};

mod accepted;
mod challenges;
mod hostile;
mod identifiers;
mod keys;
mod random;
mod requests;
mod responses;
mod vectors;

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../../tests/keys/", $name, ".pem"))
    };
}

/// The device's key.
const ES256: &str = pem!("es256");
const OTHER_ES256: &str = pem!("es256.aws-lc-rs");
const ES384: &str = pem!("es384");
const RS256: &str = pem!("rsa");
const CHALLENGE: &str = "the-challenge";

/// What a proof is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Register,
    Refresh,
}

const MODES: [Mode; 2] = [Mode::Register, Mode::Refresh];

impl Mode {
    /// The header of a valid proof.
    fn header(self) -> Value {
        match self {
            Self::Register => json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk(ES256)}),
            Self::Refresh => json!({"alg": "ES256", "typ": "dbsc+jwt"}),
        }
    }

    fn header_but(self, changes: Value) -> String {
        but(self.header(), changes).to_string()
    }

    /// The challenge of the proof in these values of `Secure-Session-Response`.
    fn verify(self, values: &[Vec<u8>]) -> Result<String, ProofError> {
        let mut request = HeaderMap::new();
        for value in values {
            request.append(headers::RESPONSE, HeaderValue::from_bytes(value).unwrap());
        }
        let jwt = proof::read_response(&request)?.expect("there is a header");
        match self {
            Self::Register => proof::register(jwt).map(|proof| {
                assert_eq!(proof.key, device_key());
                proof.challenge
            }),
            Self::Refresh => proof::refresh(jwt, &device_key()).map(|proof| proof.challenge),
        }
    }
}

/// An object with some members replaced, or removed by null.
fn but(mut object: Value, changes: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    object
}

fn prepared(pem: &str) -> PreparedKeys {
    let algorithm = match pem {
        ES384 => Algorithm::Es384,
        RS256 => Algorithm::Rs256,
        _ => Algorithm::Es256,
    };
    KeyRing::new(SigningKey::from_pem(algorithm, pem).unwrap()).prepare().unwrap()
}

/// The public key, as browsers write it.
fn jwk(pem: &str) -> Value {
    let set: Value = serde_json::from_str(&prepared(pem).jwks().to_string()).unwrap();
    but(set["keys"][0].clone(), json!({"kid": null, "use": null, "alg": null}))
}

fn device_key() -> DeviceKey {
    DeviceKey::from_jwk(&jwk(ES256)).unwrap()
}

fn payload() -> String {
    json!({"jti": CHALLENGE}).to_string()
}

fn base64(content: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(content)
}

/// A token of any header and payload, signed with the key.
fn signed_with(pem: &str, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", base64(header), base64(payload));
    let signature = prepared(pem).sign(message.as_bytes()).unwrap();
    format!("{message}.{}", base64(signature))
}

fn signed(header: &str, payload: &str) -> String {
    signed_with(ES256, header, payload)
}

/// A ring whose refresh keys are these secrets; the first one is active.
fn ring(secrets: &[u8]) -> PreparedKeys {
    use crate::keys::RefreshKey;
    let (active, others) = secrets.split_first().unwrap();
    let key = |secret: u8| RefreshKey::from_bytes([secret; 32]).with_id(secret);
    let ring = KeyRing::ephemeral().unwrap().refresh_key(key(*active));
    others.iter().fold(ring, |ring, secret| ring.accept_refresh_key(key(*secret))).prepare().unwrap()
}

fn context() -> DeviceContext {
    DeviceContext::new("https://issuer")
}

/// The text with one bit of its content flipped, for each bit.
fn with_one_bit_flipped(text: &str) -> impl Iterator<Item = String> {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
    (0..8 * bytes.len()).map(move |bit| {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        base64(changed)
    })
}
