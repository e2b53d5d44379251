//! Keys that no registration may bring.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::{
    Proof,
    proofs::{but, encode},
    scene::Scene,
};

/// The end of a public key: the last bytes before `after` others.
fn end_of(pem: &str, len: usize, after: usize) -> Vec<u8> {
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(der).unwrap();
    der[der.len() - len - after..der.len() - after].to_vec()
}

/// The modulus, before the exponent 65537.
fn rsa(pem: &str, len: usize) -> Value {
    json!({"kty": "RSA", "n": encode(end_of(pem, len, 5)), "e": "AQAB"})
}

fn curve(crv: &str, pem: &str, len: usize) -> Value {
    let point = end_of(pem, 2 * len, 0);
    json!({"kty": "EC", "crv": crv, "x": encode(&point[..len]), "y": encode(&point[len..])})
}

pub(super) fn all(scene: &Scene) -> Vec<Proof> {
    let device = &scene.bound.device;
    let payload = json!({"jti": scene.offer});
    let with =
        |alg: &str, jwk: &Value| device.sign(&json!({"alg": alg, "jwk": jwk, "typ": "dbsc+jwt"}), &payload);
    let text = |jwk: &str| {
        device.sign_text(&format!(r#"{{"alg":"ES256","jwk":{jwk},"typ":"dbsc+jwt"}}"#), &payload.to_string())
    };
    let changed = |changes| with("ES256", &but(&device.jwk, changes));
    let own = device.jwk.to_string();
    let x = URL_SAFE_NO_PAD.decode(device.jwk["x"].as_str().unwrap()).unwrap();
    let weak = rsa(include_str!("../../../keys/rsa1024.pub.pem"), 128);
    let short = rsa(include_str!("../../../keys/rsa2047.pub.pem"), 256);
    let good = rsa(include_str!("../../../keys/rsa.pub.pem"), 256);
    let p384 = curve("P-384", include_str!("../../../keys/es384.pub.pem"), 48);
    let k256 = curve("secp256k1", include_str!("../../../keys/secp256k1.pub.pem"), 32);
    vec![
        Proof::malformed("no key", device.proof(&scene.offer)),
        Proof::malformed(
            "a key in the payload alone",
            device.sign(
                &json!({"alg": "ES256", "typ": "dbsc+jwt"}),
                &json!({"jti": scene.offer, "jwk": device.jwk}),
            ),
        ),
        Proof::malformed("the key is null", text("null")),
        Proof::malformed("the key is a string", text("\"key\"")),
        Proof::malformed("the key is a list", text(&format!("[{own}]"))),
        Proof::malformed("the key twice", text(&format!(r#"{own},"jwk":{own}"#))),
        Proof::malformed("x twice", text(&own.replacen('{', r#"{"x":"AA","#, 1))),
        Proof::malformed("a private key", changed(json!({"d": "AAAA"}))),
        Proof::malformed("a private RSA key", with("RS256", &but(&good, json!({"d": "AQAB"})))),
        Proof::malformed("a symmetric key", text(r#"{"kty":"oct","k":"AAAA"}"#)),
        Proof::malformed("for encryption", changed(json!({"use": "enc"}))),
        Proof::malformed("for signing only", changed(json!({"key_ops": ["sign"]}))),
        Proof::malformed("no x", changed(json!({"x": null}))),
        Proof::malformed("x too short", changed(json!({"x": encode(&x[1..])}))),
        Proof::malformed(
            "x with a zero before it",
            changed(json!({"x": encode([&[0], x.as_slice()].concat())})),
        ),
        Proof::malformed("not on the curve", changed(json!({"y": device.jwk["x"]}))),
        Proof::malformed("at infinity", changed(json!({"x": encode([0; 32]), "y": encode([0; 32])}))),
        Proof::malformed("an exponent of 1", with("RS256", &but(&good, json!({"e": "AQ"})))),
        Proof::malformed("an even exponent", with("RS256", &but(&good, json!({"e": "AQAA"})))),
        Proof::unverified("no members", text("{}")),
        Proof::unverified("a set of keys", text(&format!(r#"{{"keys":[{own}]}}"#))),
        Proof::unverified("P-384", with("ES256", &p384)),
        Proof::unverified("P-384 under its own alg", with("ES384", &p384)),
        Proof::unverified("secp256k1", with("ES256", &k256)),
        Proof::unverified("secp256k1 under its own alg", with("ES256K", &k256)),
        Proof::unverified("Ed25519", text(r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#)),
        Proof::unverified("RSA of 1024 bits", with("RS256", &weak)),
        Proof::unverified("RSA of 2047 bits", with("RS256", &short)),
        Proof::unverified("RSA under ES256", with("ES256", &good)),
        Proof::unverified("a point under RS256", with("RS256", &device.jwk)),
        Proof::unverified("the key of another device", with("ES256", &scene.other.device.jwk)),
        Proof::unverified("the key of RSA, signed by the point's", with("RS256", &good)),
    ]
}
