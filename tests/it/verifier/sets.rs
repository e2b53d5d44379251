//! Which keys of a set are used.

use serde_json::{Value, json};
use tower_refresh::{
    VerifierBuilder,
    event::{EventKind, JwksFailure},
    keys::Algorithm,
};

use super::{
    issuer::{Key, jwks},
    service::Service,
};
use crate::support::Claims;

/// The key with some members replaced, or removed by null.
fn but(key: Key, changes: Value) -> Value {
    let mut jwk = key.jwk();
    let members = jwk.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    jwk
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// How the fetch of a document ends, as the name of the failure.
async fn fetched(document: String) -> &'static str {
    let service = Service::new();
    service.endpoint.publish_document(document);
    let result = service.verifier.load().await;
    match service.take_events().as_slice() {
        [] if result.is_ok() => "ok",
        [EventKind::JwksFailed(reason)] if result.is_err() => reason.as_str(),
        events => panic!("{result:?} {events:?}"),
    }
}

#[tokio::test]
async fn each_key_is_judged_by_itself() {
    let (good, rs) = (Key::Ed2.jwk(), Key::Rs256.jwk());
    let n = rs["n"].as_str().unwrap();
    let cases = [
        ("as it is", Key::Ed, json!({}), true),
        ("no use", Key::Ed, json!({"use": null}), true),
        ("for encryption", Key::Ed, json!({"use": "enc"}), false),
        ("a use that is no string", Key::Ed, json!({"use": ["sig"]}), false),
        ("key_ops with verify", Key::Ed, json!({"key_ops": ["verify"]}), true),
        ("key_ops without", Key::Ed, json!({"key_ops": ["sign"]}), false),
        ("no key_ops", Key::Ed, json!({"key_ops": []}), false),
        ("key_ops that is no array", Key::Ed, json!({"key_ops": "verify"}), false),
        ("no alg", Key::Ed, json!({"alg": null}), true),
        ("the newer name", Key::Ed, json!({"alg": "Ed25519"}), true),
        ("another alg", Key::Ed, json!({"alg": "ES256"}), false),
        ("an alg that is not known", Key::Ed, json!({"alg": "Ed448"}), false),
        ("alg none", Key::Ed, json!({"alg": "none"}), false),
        ("alg of a secret", Key::Ed, json!({"alg": "HS256"}), false),
        ("another curve", Key::Ed, json!({"crv": "Ed448"}), false),
        ("a curve for agreement", Key::Ed, json!({"crv": "X25519"}), false),
        ("no curve", Key::Ed, json!({"crv": null}), false),
        ("another type", Key::Ed, json!({"kty": "EC"}), false),
        ("a symmetric type", Key::Ed, json!({"kty": "oct"}), false),
        ("a type that is not known", Key::Ed, json!({"kty": "AKP"}), false),
        ("no type", Key::Ed, json!({"kty": null}), false),
        ("private", Key::Ed, json!({"d": "AAAA"}), false),
        ("symmetric", Key::Ed, json!({"k": "AAAA"}), false),
        ("an RSA factor", Key::Rs256, json!({"p": "AAAA"}), false),
        ("x too short", Key::Ed, json!({"x": "AAAA"}), false),
        (
            "x with padding",
            Key::Ed,
            json!({"x": format!("{}=", Key::Ed.jwk()["x"].as_str().unwrap())}),
            false,
        ),
        ("no x", Key::Ed, json!({"x": null}), false),
        ("x that is no string", Key::Ed, json!({"x": 7}), false),
        ("a kid that is no string", Key::Ed, json!({"kid": 7}), false),
        ("an empty kid", Key::Ed, json!({"kid": ""}), false),
        ("a long kid", Key::Ed, json!({"kid": "k".repeat(257)}), false),
        ("members that are not known", Key::Ed, json!({"x5t": "x", "x5c": ["x"], "exp": 1}), true),
        ("P-256", Key::Es256, json!({}), true),
        ("P-256 without alg", Key::Es256, json!({"alg": null}), true),
        ("P-384", Key::Es384, json!({"alg": null}), true),
        ("a point that is not on the curve", Key::Es256, json!({"y": Key::Es256.jwk()["x"]}), false),
        ("no y", Key::Es256, json!({"y": null}), false),
        ("another curve", Key::Es256, json!({"crv": "P-521", "alg": null}), false),
        ("secp256k1", Key::Es256, json!({"crv": "secp256k1", "alg": "ES256K"}), false),
        ("RSA", Key::Rs256, json!({}), true),
        ("RSA without alg is RS256", Key::Rs256, json!({"alg": null}), true),
        ("RSA for another hash", Key::Rs256, json!({"alg": "RS512"}), false),
        ("RSA for encryption", Key::Rs256, json!({"alg": "RSA-OAEP"}), false),
        ("a leading zero", Key::Rs256, json!({"n": format!("AA{}", &reencoded(n))}), true),
        ("RSA of 2047 bits", Key::Rs256, json!({"n": short(n)}), false),
        ("an even exponent", Key::Rs256, json!({"e": "Ag"}), false),
        ("exponent one", Key::Rs256, json!({"e": "AQ"}), false),
        ("no exponent", Key::Rs256, json!({"e": ""}), false),
        ("no modulus", Key::Rs256, json!({"n": ""}), false),
    ];
    for (what, key, changes, is_used) in cases {
        let service = Service::new();
        service.endpoint.publish_document(set(&[but(key, changes), good.clone()]));
        assert_eq!(service.status(&key.valid()).await, if is_used { 200 } else { 401 }, "{what}");
        assert_eq!(service.status(&Key::Ed2.valid()).await, 200, "the other key beside {what}");
    }
}

/// The number with a leading zero, whose encoding this completes after `AA`.
fn reencoded(n: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let number = URL_SAFE_NO_PAD.decode(n).unwrap();
    let text = URL_SAFE_NO_PAD.encode([&[0, 0][..], &number].concat());
    text.strip_prefix("AA").unwrap().to_owned()
}

/// The number without its first bit.
fn short(n: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut number = URL_SAFE_NO_PAD.decode(n).unwrap();
    number.truncate(256);
    number[0] = number[0] & 0x7f | 0x40;
    URL_SAFE_NO_PAD.encode(number)
}

#[tokio::test]
async fn keys_that_share_an_id_are_refused_all_of_them() {
    let as_ed = |key: Key| but(key, json!({"kid": "ed"}));
    for others in [vec![as_ed(Key::Ed2)], vec![as_ed(Key::Ed)], vec![as_ed(Key::Es256), as_ed(Key::Rs256)]] {
        let service = Service::new();
        service.endpoint.publish_document(set(&[&[Key::Ed.jwk()], &others[..], &[Key::Ed2.jwk()]].concat()));
        assert_eq!(service.status(&Key::Ed.valid()).await, 401, "{others:?}");
        assert_eq!(service.status(&Key::Ed2.valid()).await, 200);
    }
    // One that is not used anyway makes nothing ambiguous.
    let service = Service::new();
    service
        .endpoint
        .publish_document(set(&[Key::Ed.jwk(), but(Key::Ed2, json!({"kid": "ed", "use": "enc"}))]));
    assert_eq!(service.status(&Key::Ed.valid()).await, 200);
    // The same key for two algorithms (RFC 8725 §3.1).
    let pss = but(Key::Rs256, json!({"kid": "pss", "alg": "PS256"}));
    let service = Service::new();
    service.endpoint.publish_document(set(&[Key::Rs256.jwk(), pss, Key::Ed.jwk()]));
    assert_eq!(service.status(&Key::Rs256.valid()).await, 401);
}

#[tokio::test]
async fn a_document_that_is_no_usable_set_is_a_failed_fetch() {
    let valid = jwks(&[Key::Ed]);
    let padded = |len: usize| format!("{}{}", &valid[..valid.len() - 1], " ".repeat(len - valid.len()) + "}");
    let many = |count: usize| {
        let keys: Vec<_> =
            (0..count).map(|number| but(Key::Ed, json!({"kid": number.to_string()}))).collect();
        set(&keys)
    };
    let cases = [
        ("a set", valid.clone(), "ok"),
        ("members that are not known", valid.replacen('{', "{\"x\":1,", 1), "ok"),
        ("64 KiB", padded(64 * 1024), "ok"),
        ("a byte more", padded(64 * 1024 + 1), "too_large"),
        ("64 keys", many(64), "ok"),
        ("65 keys", many(65), "too_many_keys"),
        ("nothing", String::new(), "malformed"),
        ("HTML", "<!doctype html>".into(), "malformed"),
        ("cut", valid[..valid.len() - 1].into(), "malformed"),
        ("something behind it", format!("{valid}x"), "malformed"),
        ("an array", "[]".into(), "malformed"),
        ("null", "null".into(), "malformed"),
        ("no keys", "{}".into(), "malformed"),
        ("keys that is no array", "{\"keys\":{}}".into(), "malformed"),
        ("an empty set", "{\"keys\":[]}".into(), "no_usable_key"),
        ("keys that are no objects", "{\"keys\":[1,\"x\",null,[]]}".into(), "no_usable_key"),
        ("keys twice", valid.replacen('{', "{\"keys\":[],", 1), "malformed"),
        ("a member twice", valid.replacen("\"kid\"", "\"x\":\"\",\"kid\"", 1), "malformed"),
        ("nested too deep", format!("{{\"keys\":{}{}}}", "[".repeat(200), "]".repeat(200)), "malformed"),
        ("an error document", "{\"error\":\"not_found\"}".into(), "malformed"),
    ];
    for (what, document, expected) in cases {
        assert_eq!(fetched(document).await, expected, "{what}");
    }
    let service = Service::new();
    assert_eq!(JwksFailure::NoUsableKey.to_string(), "the set has no usable key");
    assert!(!service.verifier.is_ready());
}

#[tokio::test]
async fn only_allowed_algorithms_are_used() {
    type Configure = fn(VerifierBuilder<Claims>) -> VerifierBuilder<Claims>;
    let only_ec: Configure = |builder| builder.algorithms([Algorithm::Es256]);
    let only_pss: Configure = |builder| builder.algorithms([Algorithm::Ps256, Algorithm::Es256]);
    let rs256_first: Configure = |builder| builder.algorithms([Algorithm::Rs256, Algorithm::Ps256]);
    let without_alg = but(Key::Rs256, json!({"alg": null}));
    let cases = [
        ("an allowed one", only_ec, Key::Es256.jwk(), Key::Es256, 200),
        ("another one", only_ec, Key::Rs256.jwk(), Key::Rs256, 401),
        ("another one without alg", only_ec, without_alg.clone(), Key::Rs256, 401),
        ("RSA without alg is PS256 if only that is allowed", only_pss, without_alg.clone(), Key::Rs256, 401),
        ("RSA without alg is the first that fits", rs256_first, without_alg, Key::Rs256, 200),
    ];
    for (what, configure, jwk, key, expected) in cases {
        let service = Service::with(configure);
        // So that the set has a usable key in any case.
        service.endpoint.publish_document(set(&[jwk, but(Key::Es256, json!({"kid": "other"})), ps256()]));
        assert_eq!(service.status(&key.valid()).await, expected, "{what}");
    }
}

/// Another RSA key.
fn ps256() -> Value {
    let mut jwk = Key::Ps256.jwk();
    jwk["kid"] = "another".into();
    jwk
}
