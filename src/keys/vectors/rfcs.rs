//! The examples of RFC 7515 appendix A, RFC 7520 §4 and RFC 8037 appendix A.
//!
//! Below the checks of a token: none of the examples is an access token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::super::{Algorithm, public::PublicKey, verifying::VerifyingKey};

macro_rules! vectors {
    ($name:literal) => {
        include_str!(concat!("../../../tests/vectors/", $name, ".json"))
    };
}

struct Example {
    alg: String,
    jwk: Value,
    /// What is signed. It has no header where that is not protected.
    message: String,
    signature: String,
}

#[test]
fn the_signatures_in_the_rfcs_are_valid_and_with_any_byte_changed_they_are_not() {
    let mut checked = Vec::new();
    let mut not_offered = Vec::new();
    for (name, example) in examples() {
        let signature = URL_SAFE_NO_PAD.decode(&example.signature).unwrap();
        let Some(key) = key(&example.alg, &example.jwk) else {
            not_offered.push(format!("{name} {}", example.alg));
            continue;
        };
        assert!(key.accepts(example.message.as_bytes(), &signature), "{name}");
        for byte in 0..signature.len() {
            let mut changed = signature.clone();
            changed[byte] ^= 1;
            assert!(!key.accepts(example.message.as_bytes(), &changed), "{name} with byte {byte} changed");
        }
        checked.push(format!("{name} {}", example.alg));
    }
    let expected = [
        "7515 A.1 HS256",
        "7515 A.2 RS256",
        "7515 A.3 ES256",
        "7520 4.1 RS256",
        "7520 4.4 HS256",
        "7520 4.5 HS256",
        "7520 4.6 HS256",
        "7520 4.7 HS256",
        "7520 4.8 RS256",
        "7520 4.8 HS256",
        "8037 A.4 EdDSA",
    ];
    assert_eq!(checked, expected);
    // P-521 and SHA-384 with RSA: for each there is an algorithm of the same strength that more libraries know.
    assert_eq!(not_offered, ["7515 A.4 ES512", "7520 4.2 PS384", "7520 4.3 ES512", "7520 4.8 ES512"]);
}

#[test]
fn a_ps384_signature_is_no_ps256_signature() {
    let (_, example) = examples().into_iter().find(|(_, example)| example.alg == "PS384").unwrap();
    let key = key("PS256", &example.jwk).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(&example.signature).unwrap();
    assert!(!key.accepts(example.message.as_bytes(), &signature));
}

fn examples() -> Vec<(String, Example)> {
    let rfc7515: Value = serde_json::from_str(vectors!("rfc7515")).unwrap();
    let mut examples: Vec<_> = rfc7515["tests"].as_array().unwrap().iter().map(compact).collect();
    for (name, example) in [
        ("7520 4.1", vectors!("rfc7520-4.1")),
        ("7520 4.2", vectors!("rfc7520-4.2")),
        ("7520 4.3", vectors!("rfc7520-4.3")),
        ("7520 4.4", vectors!("rfc7520-4.4")),
        ("7520 4.5", vectors!("rfc7520-4.5")),
        ("7520 4.6", vectors!("rfc7520-4.6")),
        ("7520 4.7", vectors!("rfc7520-4.7")),
        ("7520 4.8", vectors!("rfc7520-4.8")),
        ("8037 A.4", vectors!("rfc8037")),
    ] {
        let example: Value = serde_json::from_str(example).unwrap();
        let (input, signing) = (&example["input"], &example["signing"]);
        for (index, signing) in each(signing).enumerate() {
            let example = Example {
                alg: text(nth(&input["alg"], index)),
                jwk: nth(&input["key"], index).clone(),
                message: text(&signing["sig-input"]),
                signature: text(&signing["sig"]),
            };
            examples.push((name.to_owned(), example));
        }
    }
    examples
}

fn compact(test: &Value) -> (String, Example) {
    let token = text(&test["compact"]);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let example = Example {
        alg: text(&test["alg"]),
        jwk: test["jwk"].clone(),
        message: message.to_owned(),
        signature: signature.to_owned(),
    };
    (text(&test["id"]).replace("RFC", ""), example)
}

/// An example has one signature, or a list of them.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice).iter()
}

fn nth(value: &Value, index: usize) -> &Value {
    if value.is_array() { &value[index] } else { value }
}

/// The key of a JWK. There is no way to bring one from outside, so this is the way that our own JWKS goes, backwards.
fn key(alg: &str, jwk: &Value) -> Option<VerifyingKey> {
    let bytes = |member: &str| URL_SAFE_NO_PAD.decode(text(&jwk[member])).unwrap();
    let (algorithm, public) = match alg {
        "HS256" => return Some(VerifyingKey::from_secret(Algorithm::Hs256, bytes("k")).unwrap()),
        "RS256" => (Algorithm::Rs256, PublicKey::Rsa { n: bytes("n"), e: bytes("e") }),
        "PS256" => (Algorithm::Ps256, PublicKey::Rsa { n: bytes("n"), e: bytes("e") }),
        "ES256" => (Algorithm::Es256, PublicKey::Ec { curve: "P-256", x: bytes("x"), y: bytes("y") }),
        "EdDSA" => (Algorithm::EdDsa, PublicKey::Ed25519 { x: bytes("x") }),
        _ => return None,
    };
    Some(VerifyingKey::from_public(algorithm, public).unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
