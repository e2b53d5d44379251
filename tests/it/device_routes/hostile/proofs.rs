//! Proofs that are malformed or do not verify, with the right challenge.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::rust_crypto::DEFAULT_PROVIDER};
use serde_json::{Value, json};

use super::{Proof, scene::Scene};
use crate::support::device::Device;

pub(super) fn of_registrations(scene: &Scene) -> Vec<Proof> {
    let header = json!({"alg": "ES256", "jwk": scene.bound.device.jwk, "typ": "dbsc+jwt"});
    all(&Parts { device: &scene.bound.device, header, payload: json!({"jti": scene.offer}) })
}

/// With those that bring a key.
pub(super) fn of_refreshes(scene: &Scene) -> Vec<Proof> {
    let challenge = scene.challenge();
    let header = json!({"alg": "ES256", "typ": "dbsc+jwt"});
    let parts = Parts { device: &scene.bound.device, header, payload: json!({"jti": challenge}) };
    let mut rows = all(&parts);
    rows.extend([
        Proof::malformed("it brings its own key", scene.bound.device.registration(&challenge)),
        Proof::malformed("it brings another key", scene.other.device.registration(&challenge)),
        Proof::malformed("its jwk is null", parts.sign(r#"{"alg":"ES256","jwk":null,"typ":"dbsc+jwt"}"#)),
        Proof::unverified("the other device signed it", scene.other.device.proof(&challenge)),
    ]);
    rows
}

/// The parts of a good proof.
struct Parts<'a> {
    device: &'a Device,
    header: Value,
    payload: Value,
}

impl Parts<'_> {
    fn good(&self) -> String {
        self.device.sign(&self.header, &self.payload)
    }

    fn with_header(&self, changes: Value) -> String {
        self.device.sign(&but(&self.header, changes), &self.payload)
    }

    fn with_payload(&self, payload: &str) -> String {
        self.device.sign_text(&self.header.to_string(), payload)
    }

    fn sign(&self, header: &str) -> String {
        self.device.sign_text(header, &self.payload.to_string())
    }

    /// The header with another member at its beginning.
    fn with_member(&self, member: &str) -> String {
        self.sign(&self.header.to_string().replacen('{', &format!("{{{member},"), 1))
    }

    /// Signed by another algorithm, which the header names, or names not.
    fn signed_by(&self, algorithm: Algorithm, key: &EncodingKey, alg: &str) -> String {
        let header = but(&self.header, json!({"alg": alg}));
        let message = format!("{}.{}", encode(header.to_string()), encode(self.payload.to_string()));
        let signer = (DEFAULT_PROVIDER.signer_factory)(&algorithm, key).unwrap();
        format!("{message}.{}", encode(signer.sign(message.as_bytes())))
    }

    /// With a signature of these bytes.
    fn with_signature(&self, changes: Value, signature: &[u8]) -> String {
        let header = but(&self.header, changes).to_string();
        format!("{}.{}.{}", encode(header), encode(self.payload.to_string()), encode(signature))
    }
}

fn all(parts: &Parts<'_>) -> Vec<Proof> {
    let rows = [values(parts), shapes(parts), headers(parts), signatures(parts), payloads(parts)];
    rows.into_iter().flatten().collect()
}

/// The header `Secure-Session-Response`.
fn values(parts: &Parts<'_>) -> Vec<Proof> {
    let good = parts.good();
    let bytes = || good.clone().into_bytes();
    let around = |before: &str, after: &str| format!("{before}{good}{after}");
    vec![
        Proof::several("two headers", vec![bytes(), bytes()]),
        Proof::several("two headers, the first one empty", vec![Vec::new(), bytes()]),
        Proof::several("two headers, the second one empty", vec![bytes(), Vec::new()]),
        Proof::malformed("empty", ""),
        Proof::malformed("a blank", " "),
        Proof::malformed("an empty string", "\"\""),
        Proof::malformed("half a string", around("\"", "")),
        Proof::malformed("the other half", around("", "\"")),
        Proof::malformed("text after the string", around("\"", "\"x")),
        Proof::malformed("an escape", around("\"\\", "\"")),
        Proof::malformed("an escaped quote", around("\"\\\"", "\"")),
        Proof::malformed("joined by a comma", format!("{good}, {good}")),
        Proof::malformed("strings that are joined by a comma", format!("\"{good}\", \"{good}\"")),
        Proof::malformed("a comma after it", around("", ",")),
        Proof::malformed("a parameter of a bare one", around("", ";a=b")),
        Proof::malformed("bytes of RFC 9651", format!(":{}:", STANDARD.encode(&good))),
        Proof::malformed("a list", around("(\"", "\")")),
        Proof::malformed("a display string", around("%\"", "\"")),
        Proof::malformed("8-bit after it", [good.as_bytes(), b"\xff"].concat()),
        Proof::malformed("8-bit in a string", [b"\"", good.as_bytes(), b"\xe9\""].concat()),
        Proof::malformed("a tab within", good.replacen('.', "\t.", 1)),
        Proof::malformed("a scheme", around("Bearer ", "")),
        Proof::malformed("longer than 8192 bytes", around("", &"A".repeat(8192))),
        Proof::malformed("far longer", "A".repeat(60_000)),
    ]
}

fn shapes(parts: &Parts<'_>) -> Vec<Proof> {
    let good = parts.good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    vec![
        Proof::malformed("one segment", "proof"),
        Proof::malformed("two segments", message),
        Proof::malformed("four segments", format!("{good}.")),
        Proof::malformed("five segments", format!("{good}.AAAA.AAAA")),
        Proof::malformed("dots", ".."),
        Proof::malformed("a dot before it", format!(".{good}")),
        Proof::malformed("padded", format!("{good}==")),
        Proof::malformed("percent-encoded", good.replace('.', "%2E")),
        Proof::malformed(
            "JSON serialisation",
            json!({"payload": message, "signature": signature}).to_string(),
        ),
        Proof::unverified("one character more", format!("{good}A")),
        Proof::unverified("no signature", format!("{message}.")),
    ]
}

fn headers(parts: &Parts<'_>) -> Vec<Proof> {
    let header = |changes| parts.with_header(changes);
    vec![
        Proof::malformed("no typ", header(json!({"typ": null}))),
        Proof::malformed("typ of a JWT", header(json!({"typ": "JWT"}))),
        Proof::malformed("typ of an access token", header(json!({"typ": "at+jwt"}))),
        Proof::malformed("typ of DPoP", header(json!({"typ": "dpop+jwt"}))),
        Proof::malformed("typ with a blank", header(json!({"typ": " dbsc+jwt"}))),
        Proof::malformed("typ a list", header(json!({"typ": ["dbsc+jwt"]}))),
        Proof::malformed("crit", header(json!({"crit": ["jti"]}))),
        Proof::malformed("crit empty", header(json!({"crit": []}))),
        Proof::malformed("crit null", parts.with_member(r#""crit":null"#)),
        Proof::malformed("b64 false", header(json!({"b64": false}))),
        Proof::malformed("b64 and crit", header(json!({"b64": false, "crit": ["b64"]}))),
        Proof::malformed("alg twice", parts.with_member(r#""alg":"none""#)),
        Proof::malformed("alg twice, once escaped", parts.with_member(r#""\u0061lg":"none""#)),
        Proof::malformed("typ twice", parts.with_member(r#""typ":"dbsc+jwt""#)),
        Proof::malformed("a nested member twice", parts.with_member(r#""a":{"b":[{"c":1,"c":1}]}"#)),
        Proof::malformed("no JSON", parts.sign("header")),
        Proof::malformed("a list", parts.sign("[]")),
        Proof::malformed("null", parts.sign("null")),
        Proof::malformed(
            "nested too deep",
            parts.with_member(&format!(r#""a":{}{}"#, "[".repeat(500), "]".repeat(500))),
        ),
        Proof::malformed("a byte order mark", parts.sign(&format!("\u{feff}{}", parts.header))),
        Proof::malformed("alg a number", header(json!({"alg": 256}))),
    ]
}

fn signatures(parts: &Parts<'_>) -> Vec<Proof> {
    let alg = |alg: &str| parts.with_header(json!({"alg": alg}));
    let good = parts.good();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = signature.split_at(32);
    let ec = EncodingKey::from_ec_pem(include_bytes!("../../../keys/es384.pem")).unwrap();
    let ed = EncodingKey::from_ed_pem(include_bytes!("../../../keys/ed25519.pem")).unwrap();
    let rsa = EncodingKey::from_rsa_pem(include_bytes!("../../../keys/rsa.pem")).unwrap();
    let pem = include_bytes!("../../../keys/es256.pub.pem").as_slice();
    let jwk = parts.device.jwk.to_string();
    let point =
        ["x", "y"].map(|name| URL_SAFE_NO_PAD.decode(parts.device.jwk[name].as_str().unwrap()).unwrap());
    let hmac = |secret: &[u8]| {
        parts.signed_by(Algorithm::HS256, &EncodingKey::from_secret(secret).unwrap(), "HS256")
    };
    vec![
        Proof::unverified("no alg", parts.with_header(json!({"alg": null}))),
        Proof::unverified("alg none", alg("none")),
        Proof::unverified("alg None", alg("None")),
        Proof::unverified("alg none without a signature", parts.with_signature(json!({"alg": "none"}), b"")),
        Proof::unverified("alg in another case", alg("es256")),
        Proof::unverified("alg empty", alg("")),
        Proof::unverified("HS256 with the point", hmac(&point.concat())),
        Proof::unverified(
            "HS256 with the point and its form",
            hmac(&[&[4], point.concat().as_slice()].concat()),
        ),
        Proof::unverified("HS256 with the PEM", hmac(pem)),
        Proof::unverified("HS256 with the JWK", hmac(jwk.as_bytes())),
        Proof::unverified("HS256 with zeros", hmac(&[0; 32])),
        Proof::unverified("ES384", parts.signed_by(Algorithm::ES384, &ec, "ES384")),
        Proof::unverified("P-384 that says ES256", parts.signed_by(Algorithm::ES384, &ec, "ES256")),
        Proof::unverified("ES256K", alg("ES256K")),
        Proof::unverified("EdDSA", parts.signed_by(Algorithm::EdDSA, &ed, "EdDSA")),
        Proof::unverified("Ed25519 that says ES256", parts.signed_by(Algorithm::EdDSA, &ed, "ES256")),
        Proof::unverified("RS256 with this key", parts.signed_by(Algorithm::RS256, &rsa, "RS256")),
        Proof::unverified("RS256 that says ES256", parts.signed_by(Algorithm::RS256, &rsa, "ES256")),
        Proof::unverified("PS256", parts.signed_by(Algorithm::PS256, &rsa, "PS256")),
        Proof::unverified("a signature of zeros", parts.with_signature(json!({}), &[0; 64])),
        Proof::unverified("r is zero", parts.with_signature(json!({}), &[&[0; 32], s].concat())),
        Proof::unverified("r and s change places", format!("{message}.{}", encode([s, r].concat()))),
        Proof::unverified("a short signature", format!("{message}.{}", encode(&signature[..63]))),
        Proof::unverified(
            "a long signature",
            format!("{message}.{}", encode([signature.as_slice(), &[0]].concat())),
        ),
        Proof::unverified(
            "the signature of another message",
            parts.with_signature(json!({"a": 1}), &signature),
        ),
    ]
}

fn payloads(parts: &Parts<'_>) -> Vec<Proof> {
    let jti = parts.payload["jti"].as_str().unwrap();
    let with = |payload: Value| parts.with_payload(&payload.to_string());
    vec![
        Proof::malformed("no jti", with(json!({}))),
        Proof::malformed("jti null", with(json!({"jti": null}))),
        Proof::malformed("jti empty", with(json!({"jti": ""}))),
        Proof::malformed("jti a list", with(json!({"jti": [jti]}))),
        Proof::malformed("jti within another member", with(json!({"sub": {"jti": jti}}))),
        Proof::malformed("jti in another case", with(json!({"Jti": jti}))),
        Proof::malformed("jti twice", parts.with_payload(&format!(r#"{{"jti":"{jti}","jti":"{jti}"}}"#))),
        Proof::malformed(
            "jti twice, once escaped",
            parts.with_payload(&format!(r#"{{"jti":"a","\u006ati":"{jti}"}}"#)),
        ),
        Proof::malformed("the challenge alone", parts.with_payload(jti)),
        Proof::malformed("a list", with(json!([{"jti": jti}]))),
        Proof::malformed("empty", parts.with_payload("")),
        Proof::malformed("text after it", parts.with_payload(&format!(r#"{{"jti":"{jti}"}}x"#))),
    ]
}

pub(super) fn encode(content: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(content)
}

/// An object with some members replaced, or removed by null.
pub(super) fn but(object: &Value, changes: Value) -> Value {
    let mut members = object.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    members.into()
}
