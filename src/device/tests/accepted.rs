//! Proofs that are unusual and valid.

use super::*;

#[test]
fn a_proof_may_have_any_form_that_the_standards_allow() {
    for mode in MODES {
        let header = |changes| mode.header_but(changes);
        let plain = signed(&header(json!({})), &payload());
        let cases = [
            ("as Chromium sends it: bare", plain.clone()),
            ("as the draft requires: a quoted string", format!("\"{plain}\"")),
            ("parameters are ignored", format!("\"{plain}\";a;b=\"x,\\\"\";c=?1;d=-1.5;e=:YQ==:;f=tok/en;g=@1;h=%\"%c3\"")),
            ("spaces before a parameter", format!("\"{plain}\";  a=1")),
            ("blanks around the value", format!(" \t{plain}\t ")),
            ("a media type has no case", signed(&header(json!({"typ": "DBSC+JWT"})), &payload())),
            ("a whole media type", signed(&header(json!({"typ": "Application/dbsc+jwt"})), &payload())),
            ("b64 with its default", signed(&header(json!({"b64": true})), &payload())),
            (
                "keys elsewhere, which are not read",
                signed(&header(json!({"kid": "1", "jku": "https://evil", "x5u": "https://evil", "x5c": ["?"]})), &payload()),
            ),
            ("an unknown member of the header", signed(&header(json!({"cty": "json", "x": {"y": [1]}})), &payload())),
            ("blanks in the header", signed(&format!(" {} \r\n", header(json!({}))), &payload())),
            ("blanks in the payload", signed(&header(json!({})), "\t{\n\"jti\" : \"the-challenge\" } ")),
            ("an escape in the payload", signed(&header(json!({})), r#"{"jti":"the\u002dchallenge"}"#)),
            (
                "the members of older versions of Chromium",
                signed(
                    &header(json!({})),
                    &json!({"aud": "https://host/path", "jti": CHALLENGE, "iat": 1_725_579_055, "key": jwk(ES256), "authorization": "ac", "sub": 1}).to_string(),
                ),
            ),
            ("the same name at two depths", signed(&header(json!({})), r#"{"jti":"the-challenge","a":{"jti":"b"}}"#)),
        ];
        for (reason, value) in cases {
            assert_eq!(mode.verify(&[value.into_bytes()]), Ok(CHALLENGE.to_owned()), "{mode:?}: {reason}");
        }
    }
}

#[test]
fn a_key_may_have_other_members_that_do_not_contradict() {
    let cases = [
        ("for signatures", json!({"use": "sig"})),
        ("for verifying, among others", json!({"key_ops": ["verify", "sign"]})),
        ("with the algorithm", json!({"alg": "ES256"})),
        ("with a name", json!({"kid": "1"})),
        ("with members of other specifications", json!({"ext": true, "x5t": 1, "n": 1})),
    ];
    for (reason, changes) in cases {
        let header = Mode::Register.header_but(json!({"jwk": but(jwk(ES256), changes)}));
        let value = signed(&header, &payload());
        assert_eq!(Mode::Register.verify(&[value.into_bytes()]), Ok(CHALLENGE.to_owned()), "{reason}");
    }
}

#[test]
fn a_proof_of_an_rsa_key_is_accepted_at_registration_and_refresh() {
    let header = json!({"alg": "RS256", "typ": "dbsc+jwt", "jwk": jwk(RS256)}).to_string();
    let registered = proof::register(signed_with(RS256, &header, &payload()).as_bytes()).unwrap();
    assert_eq!((registered.challenge.as_str(), registered.key.algorithm()), (CHALLENGE, Algorithm::Rs256));
    let header = json!({"alg": "RS256", "typ": "dbsc+jwt"}).to_string();
    let jwt = signed_with(RS256, &header, &payload());
    assert_eq!(proof::refresh(jwt.as_bytes(), &registered.key).unwrap().challenge, CHALLENGE);
    assert_eq!(proof::refresh(jwt.as_bytes(), &device_key()), Err(ProofError::WrongAlgorithm));
}

/// With the key in the header and, as older versions of Chromium send it, in the payload too.
#[test]
fn the_longest_proof_fits() {
    let key = json!({"kty": "RSA", "e": "AQAB", "n": base64([0xff; 1024])});
    let header = json!({"alg": "RS256", "typ": "dbsc+jwt", "jwk": key}).to_string();
    let now = json!({"jti": "x".repeat(63)}).to_string();
    let older = json!({"jti": "x".repeat(63), "iat": 1_725_579_055, "aud": "https://a.host.example/auth/device/register", "key": key});
    let expected =
        if cfg!(feature = "aws_lc_rs") { ProofError::BadSignature } else { ProofError::InvalidKey };
    for (payload, len) in [(now, 3381), (older.to_string(), 5345)] {
        let jwt = format!("{}.{}.{}", base64(&header), base64(payload), base64([1; 1024]));
        assert_eq!(jwt.len(), len);
        assert_eq!(Mode::Register.verify(&[jwt.into_bytes()]), Err(expected));
    }
}

#[test]
fn a_request_without_the_header_has_no_proof() {
    assert_eq!(proof::read_response(&HeaderMap::new()), Ok(None));
}
