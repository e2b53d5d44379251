//! Each header parameter, and the form of a token.

use super::*;

fn kid() -> String {
    SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap().kid().to_owned()
}

fn verify_header(header: &str) -> &'static str {
    word(&verify_text::<()>(&signed(header, &claims().to_string()), at(NOW)))
}

#[test]
fn headers_are_judged_one_by_one() {
    let kid = kid();
    let cases = [
        ("ours", json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}), "valid"),
        ("other case", json!({"alg": "HS256", "typ": "AT+JWT", "kid": kid}), "valid"),
        ("with application/", json!({"alg": "HS256", "typ": "Application/at+jwt", "kid": kid}), "valid"),
        (
            "harmless",
            json!({"alg": "HS256", "typ": "at+jwt", "kid": kid, "cty": "x", "other": [{}]}),
            "valid",
        ),
        ("b64 true", json!({"alg": "HS256", "typ": "at+jwt", "kid": kid, "b64": true}), "valid"),
        (
            "b64 false",
            json!({"alg": "HS256", "typ": "at+jwt", "kid": kid, "b64": false}),
            "unsupported_header",
        ),
        ("b64 null", json!({"alg": "HS256", "typ": "at+jwt", "kid": kid, "b64": null}), "unsupported_header"),
        ("crit", json!({"alg": "HS256", "typ": "at+jwt", "kid": kid, "crit": ["exp"]}), "unsupported_header"),
        (
            "crit empty",
            json!({"alg": "HS256", "typ": "at+jwt", "kid": kid, "crit": []}),
            "unsupported_header",
        ),
        (
            "crit null",
            json!({"alg": "HS256", "typ": "at+jwt", "kid": kid, "crit": null}),
            "unsupported_header",
        ),
        ("no typ", json!({"alg": "HS256", "kid": kid}), "wrong_type"),
        ("typ JWT", json!({"alg": "HS256", "typ": "JWT", "kid": kid}), "wrong_type"),
        ("typ with space", json!({"alg": "HS256", "typ": " at+jwt", "kid": kid}), "wrong_type"),
        ("typ text/", json!({"alg": "HS256", "typ": "text/at+jwt", "kid": kid}), "wrong_type"),
        ("typ a number", json!({"alg": "HS256", "typ": 1, "kid": kid}), "malformed"),
        ("no kid", json!({"alg": "HS256", "typ": "at+jwt"}), "unknown_key"),
        ("other kid", json!({"alg": "HS256", "typ": "at+jwt", "kid": "x"}), "unknown_key"),
        ("kid a list", json!({"alg": "HS256", "typ": "at+jwt", "kid": [kid]}), "malformed"),
        ("no alg", json!({"typ": "at+jwt", "kid": kid}), "wrong_algorithm"),
        ("alg none", json!({"alg": "none", "typ": "at+jwt", "kid": kid}), "wrong_algorithm"),
        ("alg HS512", json!({"alg": "HS512", "typ": "at+jwt", "kid": kid}), "wrong_algorithm"),
        ("alg in other case", json!({"alg": "hs256", "typ": "at+jwt", "kid": kid}), "wrong_algorithm"),
        ("no object", json!(["HS256", "at+jwt", kid]), "malformed"),
    ];
    for (name, header, expected) in cases {
        assert_eq!(verify_header(&header.to_string()), expected, "{name}");
    }
    for broken in [format!("{} x", header()), header().replace('}', ""), String::from("{")] {
        assert_eq!(verify_header(&broken), "malformed", "{broken}");
    }
    let twice = header().replacen('{', r#"{"alg":"none","#, 1);
    assert_eq!(verify_header(&twice), "duplicate_member");
    let nested = header().replacen('{', r#"{"jwk":{"k":1,"k":1},"#, 1);
    assert_eq!(verify_header(&nested), "duplicate_member");
}

#[test]
fn a_token_never_brings_its_own_key() {
    let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode([1; 32]), "kid": "mine"});
    let header =
        json!({"alg": "HS256", "typ": "at+jwt", "kid": kid(), "jwk": jwk, "jku": "https://evil"}).to_string();
    assert_eq!(verify_header(&header), "valid", "still signed by ours");

    let stranger = KeyRing::new(SigningKey::from_secret(Algorithm::Hs256, [1; 32]).unwrap().with_kid(kid()))
        .prepare()
        .unwrap();
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims().to_string()));
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(stranger.sign(message.as_bytes()).unwrap()));
    assert_eq!(word(&verify_text::<()>(&token, at(NOW))), "bad_signature");
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    let public = include_str!("../../../../tests/keys/rsa.pub.pem");
    let ring = KeyRing::rs256_pem(include_str!("../../../../tests/keys/rsa.pem")).unwrap().prepare().unwrap();
    let kid = VerifyingKey::from_pem(Algorithm::Rs256, public).unwrap().kid().to_owned();
    let forger = KeyRing::new(SigningKey::from_secret(Algorithm::Hs256, public).unwrap().with_kid(&kid))
        .prepare()
        .unwrap();
    for alg in ["HS256", "RS256"] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid}).to_string();
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims().to_string()));
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(forger.sign(message.as_bytes()).unwrap()));
        let expected = if alg == "HS256" { "wrong_algorithm" } else { "bad_signature" };
        assert_eq!(word(&verify_with::<()>(token.as_bytes(), &ring, at(NOW))), expected);
    }
}

#[test]
fn a_token_has_three_canonical_segments() {
    let token = signed(&header(), &claims().to_string());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let last = signature.chars().last().unwrap();
    // 32 bytes leave four bits of nothing in the last character.
    let not_canonical = char::from(last as u8 + 1);
    let cases = [
        (token.clone(), "valid"),
        (String::new(), "malformed"),
        (".".into(), "malformed"),
        ("..".into(), "malformed"),
        ("...".into(), "malformed"),
        (format!("{header}.{payload}"), "malformed"),
        (format!("{header}.{payload}."), "malformed"),
        (format!(".{payload}.{signature}"), "malformed"),
        (format!("{header}..{signature}"), "malformed"),
        (format!("{token}."), "malformed"),
        (format!(".{token}"), "malformed"),
        (format!("{token}.{signature}"), "malformed"),
        (format!("{token}="), "malformed"),
        (format!("{token} "), "malformed"),
        (format!("{header}=.{payload}.{signature}"), "malformed"),
        (format!("{header}.{payload}.{}{not_canonical}", &signature[..signature.len() - 1]), "malformed"),
        (format!("{header}.{payload}.{}", &signature[..40]), "bad_signature"),
        (format!("{header}.{payload}A.{signature}"), "bad_signature"),
        ("a".repeat(MAX_TOKEN_LEN + 1), "too_large"),
        (".".repeat(MAX_TOKEN_LEN + 1), "too_large"),
        (".".repeat(MAX_TOKEN_LEN), "malformed"),
    ];
    for (token, expected) in cases {
        assert_eq!(word(&verify_text::<()>(&token, at(NOW))), expected, "{token}");
    }
    assert_eq!(word(&verify_with::<()>(b"\xff.\xff.\xff", &keys(), at(NOW))), "malformed");
}
