//! Why a key of a JWK set is not used.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::super::{Algorithm, VerifyingKey, jwk::UnusableJwk, key_of_jwk};

fn reason(jwk: &Value) -> Option<UnusableJwk> {
    key_of_jwk(jwk, &[Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256]).err()
}

fn ed25519(x: [u8; 32]) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(x)})
}

fn rsa(bytes: usize, e: &str) -> Value {
    json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(vec![0xff; bytes]), "e": e})
}

#[test]
fn each_reason_has_its_name() {
    let mut small_order = [0; 32];
    assert_eq!(reason(&ed25519(small_order)), Some(UnusableJwk::Weak));
    small_order[0] = 1;
    assert_eq!(reason(&ed25519(small_order)), Some(UnusableJwk::Weak));
    // The sign of `x`.
    small_order[31] = 0x80;
    assert_eq!(reason(&ed25519(small_order)), Some(UnusableJwk::Weak));
    for exponent in ["AQ", "AAE"] {
        assert_eq!(reason(&rsa(256, exponent)), Some(UnusableJwk::Weak), "{exponent}");
    }
    assert_eq!(reason(&rsa(256, "AQAB")), None);
    assert_eq!(reason(&rsa(255, "AQAB")), Some(UnusableJwk::ShortRsaKey));
    assert_eq!(reason(&rsa(1025, "AQAB")), Some(UnusableJwk::LongRsaKey));
    assert_eq!(reason(&rsa(256, "")), Some(UnusableJwk::Malformed));
    let off_curve = URL_SAFE_NO_PAD.encode([1; 32]);
    let point = json!({"kty": "EC", "crv": "P-256", "x": off_curve, "y": off_curve});
    assert_eq!(reason(&point), Some(UnusableJwk::Malformed));
    let long = json!("k".repeat(VerifyingKey::LONGEST_KID + 1));
    for (name, value, expected) in [
        ("d", json!("AA"), UnusableJwk::Secret),
        ("use", json!("enc"), UnusableJwk::ForOtherUse),
        ("alg", json!("RS512"), UnusableJwk::Unsupported),
        ("kid", long, UnusableJwk::Malformed),
    ] {
        let mut jwk = rsa(256, "AQAB");
        jwk[name] = value;
        assert_eq!(reason(&jwk), Some(expected), "{name}");
    }
    assert!(!UnusableJwk::Weak.to_string().contains("malformed"));
}
