//! Signatures, thumbprints, the JWK set, and what `Debug` shows.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    super::{public::PublicKey, *},
    SECRET, pem,
};

fn signing_keys() -> Vec<(&'static str, SigningKey, VerifyingKey)> {
    let pairs = [
        ("EdDSA", Algorithm::EdDsa, pem!("ed25519"), pem!("ed25519.pub")),
        ("ES256", Algorithm::Es256, pem!("es256"), pem!("es256.pub")),
        ("ES384", Algorithm::Es384, pem!("es384"), pem!("es384.pub")),
        ("RS256", Algorithm::Rs256, pem!("rsa"), pem!("rsa.pub")),
        ("PS256", Algorithm::Ps256, pem!("rsa"), pem!("rsa.pub")),
    ]
    .map(|(name, algorithm, private, public)| {
        (name, SigningKey::from_pem(algorithm, private), VerifyingKey::from_pem(algorithm, public))
    });
    let secrets = [("HS256", Algorithm::Hs256), ("HS384", Algorithm::Hs384), ("HS512", Algorithm::Hs512)]
        .map(|(name, algorithm)| {
            (name, SigningKey::from_secret(algorithm, SECRET), VerifyingKey::from_secret(algorithm, SECRET))
        });
    pairs
        .into_iter()
        .chain(secrets)
        .map(|(name, signing, verifying)| (name, signing.unwrap(), verifying.unwrap()))
        .collect()
}

#[test]
fn every_algorithm_signs_what_its_public_key_verifies() {
    for (name, signing, verifying) in signing_keys() {
        assert_eq!(signing.algorithm().as_str(), name);
        assert_eq!(signing.kid(), verifying.kid(), "{name}");
        let ring = KeyRing::new(signing).prepare().unwrap();
        let signature = ring.sign(b"message").unwrap();
        let signature: &[u8] = signature.as_ref();
        assert!(verifying.accepts(b"message", signature), "{name}");
        assert!(!verifying.accepts(b"massage", signature), "{name}");
        for byte in [0, signature.len() / 2, signature.len() - 1] {
            let mut forged = signature.to_vec();
            forged[byte] ^= 1;
            assert!(!verifying.accepts(b"message", &forged), "{name} with byte {byte} changed");
        }
        assert!(!verifying.accepts(b"message", &[]), "{name} with no signature");
    }
}

#[test]
fn the_thumbprint_is_that_of_the_rfcs() {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    // RFC 7638 §3.1
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
             oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA\
             ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-\
             kEgU8awapJzKnqDKgw";
    let rsa = PublicKey::Rsa { n: decode(n), e: decode("AQAB") };
    assert_eq!(rsa.thumbprint().unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // RFC 8037, appendix A.3
    let ed25519 = PublicKey::Ed25519 { x: decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo") };
    assert_eq!(ed25519.thumbprint().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn the_jwks_has_every_public_key_and_no_secret() {
    let ring = KeyRing::ed25519_pem(pem!("ed25519"))
        .unwrap()
        .accept(VerifyingKey::from_pem(Algorithm::Es256, pem!("es256.pub")).unwrap())
        .accept(VerifyingKey::from_pem(Algorithm::Rs256, pem!("rsa.pub")).unwrap().with_kid("a \"kid\""))
        .retire(SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap())
        .prepare()
        .unwrap();
    let jwks: Value = serde_json::from_str(&ring.jwks().to_string()).unwrap();
    assert_eq!(jwks, serde_json::to_value(ring.jwks()).unwrap());
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    let by_alg = |alg: &str| keys.iter().find(|key| key["alg"] == alg).unwrap();
    let names = |key: &Value| {
        let mut names: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };

    let ed25519 = by_alg("EdDSA");
    assert_eq!(names(ed25519), "alg crv kid kty use x");
    assert_eq!(
        (&ed25519["kty"], &ed25519["crv"], &ed25519["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
    );
    assert_eq!(ed25519["kid"], SigningKey::from_pem(Algorithm::EdDsa, pem!("ed25519")).unwrap().kid());
    let es256 = by_alg("ES256");
    assert_eq!(names(es256), "alg crv kid kty use x y");
    assert_eq!((&es256["kty"], &es256["crv"]), (&json!("EC"), &json!("P-256")));
    let rs256 = by_alg("RS256");
    assert_eq!(names(rs256), "alg e kid kty n use");
    assert_eq!(
        (&rs256["kty"], &rs256["e"], &rs256["kid"]),
        (&json!("RSA"), &json!("AQAB"), &json!("a \"kid\""))
    );
    // 2048 bits without a leading zero byte (RFC 7518 §6.3.1.1)
    assert_eq!(URL_SAFE_NO_PAD.decode(rs256["n"].as_str().unwrap()).unwrap().len(), 256);

    let secret = KeyRing::hs256(SECRET).unwrap().prepare().unwrap();
    assert_eq!(secret.jwks().to_string(), r#"{"keys":[]}"#);
}

#[test]
fn nothing_shows_a_secret() {
    let ring = KeyRing::hs256(SECRET).unwrap().refresh_key(RefreshKey::from_bytes([b'r'; 32]));
    let shown = format!("{ring:?}");
    assert!(!shown.contains("0123") && !shown.contains("48, 49") && !shown.contains("114"), "{shown}");
    let keys = format!("{:?}", ring.prepare().unwrap());
    assert!(!keys.contains("0123") && !keys.contains("48, 49") && !keys.contains("114"), "{keys}");
}
