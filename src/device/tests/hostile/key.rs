//! The keys that proofs bring.

use super::*;

/// The key of a registration.
pub(super) fn keys() -> Vec<Case> {
    let proof = |pem: &str, alg: &str, jwk: Value| {
        let header = json!({"alg": alg, "typ": "dbsc+jwt", "jwk": jwk}).to_string();
        signed_with(pem, &header, &payload())
    };
    let es = |changes| proof(ES256, "ES256", but(jwk(ES256), changes));
    let rs = |changes| proof(RS256, "RS256", but(jwk(RS256), changes));
    let raw = |jwk: &str| signed(&format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{jwk}}}"#), &payload());
    let text = jwk(ES256).to_string();
    let x = jwk(ES256)["x"].as_str().unwrap().to_owned();
    let n = URL_SAFE_NO_PAD.decode(jwk(RS256)["n"].as_str().unwrap()).unwrap();
    let even = [&n[..n.len() - 1], &[n[n.len() - 1] & 0xfe]].concat();
    let mut cases = vec![
        one("no jwk", signed(&Mode::Refresh.header().to_string(), &payload()), MissingKey),
        one("jwk null", raw("null"), InvalidKey),
        one("jwk a string", raw("\"key\""), InvalidKey),
        one("jwk a list", raw(&format!("[{text}]")), InvalidKey),
        one("jwk empty", raw("{}"), UnsupportedKey),
        one("a set of keys", raw(&format!(r#"{{"keys":[{text}]}}"#)), UnsupportedKey),
        one(
            "jwk in the payload only",
            signed(&Mode::Refresh.header().to_string(), &json!({"jti": "a", "key": jwk(ES256)}).to_string()),
            MissingKey,
        ),
        one("x twice", raw(&text.replacen('{', r#"{"x":"AA","#, 1)), DuplicateMember),
        one("jwk twice", raw(&format!(r#"{text},"jwk":{text}"#)), DuplicateMember),
        one("the private key of a point", es(json!({"d": "AAAA"})), InvalidKey),
        one("a symmetric key beside", es(json!({"k": "AAAA"})), InvalidKey),
        one("a symmetric key", raw(r#"{"kty":"oct","k":"AAAA"}"#), InvalidKey),
        one("a symmetric key without its value", raw(r#"{"kty":"oct"}"#), UnsupportedKey),
        one("no kty", es(json!({"kty": null})), UnsupportedKey),
        one("kty of RSA", es(json!({"kty": "RSA"})), InvalidKey),
        one("kty in another case", es(json!({"kty": "ec"})), UnsupportedKey),
        one("kty a number", es(json!({"kty": 1})), InvalidKey),
        one("no crv", es(json!({"crv": null})), UnsupportedKey),
        one("crv of another curve", es(json!({"crv": "P-384"})), UnsupportedKey),
        one("crv of secp256k1", es(json!({"crv": "secp256k1"})), UnsupportedKey),
        one("crv by its other name", es(json!({"crv": "secp256r1"})), UnsupportedKey),
        one("a key on P-384", proof(ES384, "ES384", jwk(ES384)), WrongAlgorithm),
        one("a key on P-384 under another alg", proof(ES384, "ES256", jwk(ES384)), UnsupportedKey),
        one(
            "a key of Ed25519",
            raw(&format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)),
            UnsupportedKey,
        ),
        one("no x", es(json!({"x": null})), InvalidKey),
        one("no y", es(json!({"y": null})), InvalidKey),
        one("x a number", es(json!({"x": 1})), InvalidKey),
        one("x padded", es(json!({"x": format!("{x}=")})), InvalidKey),
        one("x too short", es(json!({"x": base64([1; 31])})), InvalidKey),
        one(
            "x with a zero before it",
            es(json!({"x": base64([[0].as_slice(), &URL_SAFE_NO_PAD.decode(&x).unwrap()].concat())})),
            InvalidKey,
        ),
        one("no point of the curve", es(json!({"y": x})), InvalidKey),
        one("the point at infinity", es(json!({"x": base64([0; 32]), "y": base64([0; 32])})), InvalidKey),
        one("coordinates above the prime", es(json!({"x": base64([0xff; 32])})), InvalidKey),
        one(
            "the key of somebody else",
            es(json!({"x": jwk(OTHER_ES256)["x"], "y": jwk(OTHER_ES256)["y"]})),
            BadSignature,
        ),
        one("for encryption", es(json!({"use": "enc"})), InvalidKey),
        one("use a list", es(json!({"use": ["sig"]})), InvalidKey),
        one("for signing only", es(json!({"key_ops": ["sign"]})), InvalidKey),
        one("for nothing", es(json!({"key_ops": []})), InvalidKey),
        one("key_ops a string", es(json!({"key_ops": "verify"})), InvalidKey),
        one("with another algorithm", es(json!({"alg": "ES384"})), UnsupportedKey),
        one("with the algorithm of RSA", es(json!({"alg": "RS256"})), UnsupportedKey),
        one("a point under the alg of RSA", proof(ES256, "RS256", jwk(ES256)), WrongAlgorithm),
        one("an RSA key under the alg of a point", proof(RS256, "ES256", jwk(RS256)), WrongAlgorithm),
        one("an RSA key under PSS", proof(RS256, "PS256", jwk(RS256)), WrongAlgorithm),
        one("an RSA key for PSS", rs(json!({"alg": "PS256"})), UnsupportedKey),
        one("an RSA key of 1024 bits", rs(json!({"n": base64([0xff; 128])})), UnsupportedKey),
        one(
            "an RSA key of 2047 bits",
            rs(json!({"n": base64([[0x7f].as_slice(), &[0xff; 255]].concat())})),
            UnsupportedKey,
        ),
        one(
            "an RSA key of 2047 bits with zeros",
            rs(json!({"n": base64([[0, 0, 0x7f].as_slice(), &[0xff; 255]].concat())})),
            UnsupportedKey,
        ),
        one("an RSA key of 8200 bits", rs(json!({"n": base64([0xff; 1025])})), UnsupportedKey),
        one("an even modulus", rs(json!({"n": base64(even)})), InvalidKey),
        one("another RSA key", rs(json!({"n": base64([0xff; 256])})), BadSignature),
        one("an exponent of 0", rs(json!({"e": "AA"})), InvalidKey),
        one("an exponent of 1", rs(json!({"e": "AQ"})), InvalidKey),
        one("an exponent of 2", rs(json!({"e": "Ag"})), InvalidKey),
        one("an even exponent", rs(json!({"e": base64([1, 0, 0])})), InvalidKey),
        one("an exponent of 48 bits", rs(json!({"e": base64([0xff; 6])})), InvalidKey),
        one("another exponent", rs(json!({"e": "Aw"})), BadSignature),
        one("no exponent", rs(json!({"e": null})), InvalidKey),
        one("an empty exponent", rs(json!({"e": ""})), InvalidKey),
        one("an empty modulus", rs(json!({"n": ""})), UnsupportedKey),
        one("a modulus in standard base64", rs(json!({"n": "+".repeat(342)})), InvalidKey),
    ];
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        cases.push(one("a private member of an RSA key", rs(json!({member: "AQAB"})), InvalidKey));
    }
    cases
}

/// Keys of a refresh, which must bring none.
pub(super) fn other_keys() -> Vec<Case> {
    let header = |jwk: Value| json!({"alg": "ES256", "typ": "dbsc+jwt", "jwk": jwk}).to_string();
    let null = r#"{"alg":"ES256","typ":"dbsc+jwt","jwk":null}"#;
    let rsa = json!({"alg": "RS256", "typ": "dbsc+jwt"}).to_string();
    vec![
        one("the session's own key", signed(&header(jwk(ES256)), &payload()), UnexpectedKey),
        one(
            "a key of one's own",
            signed_with(OTHER_ES256, &header(jwk(OTHER_ES256)), &payload()),
            UnexpectedKey,
        ),
        one("jwk null", signed(null, &payload()), UnexpectedKey),
        one("the algorithm of another key", signed_with(RS256, &rsa, &payload()), WrongAlgorithm),
    ]
}
