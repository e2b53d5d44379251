//! Each standard claim, and how its errors are reported.

use super::*;

#[test]
fn standard_claims_are_judged_one_by_one() {
    let handle = SessionHandle::from_bytes([7; 16]).to_string();
    let cases = [
        ("unchanged", json!({}), "valid"),
        ("iss other", json!({"iss": "https://issuer/"}), "wrong_issuer"),
        ("iss in other case", json!({"iss": "HTTPS://issuer"}), "wrong_issuer"),
        ("iss missing", json!({"iss": null}), "bad_claims"),
        ("iss a list", json!({"iss": ["https://issuer"]}), "bad_claims"),
        ("aud list with ours", json!({"aud": ["other", "web", "more"]}), "valid"),
        ("aud list without", json!({"aud": ["other", "web2"]}), "wrong_audience"),
        ("aud other", json!({"aud": "we"}), "wrong_audience"),
        ("aud empty list", json!({"aud": []}), "bad_claims"),
        ("aud list with a number", json!({"aud": ["web", 1]}), "bad_claims"),
        ("aud nested list", json!({"aud": [["web"]]}), "bad_claims"),
        ("aud an object", json!({"aud": {"web": 1}}), "bad_claims"),
        ("aud missing", json!({"aud": null}), "bad_claims"),
        ("sub missing", json!({"sub": null}), "bad_claims"),
        ("sub empty", json!({"sub": ""}), "bad_claims"),
        ("sub a number", json!({"sub": 1}), "bad_claims"),
        ("jti missing", json!({"jti": null}), "bad_claims"),
        ("jti empty", json!({"jti": ""}), "bad_claims"),
        ("jti a number", json!({"jti": 1}), "bad_claims"),
        ("sid missing", json!({"sid": null}), "bad_claims"),
        ("sid short", json!({"sid": &handle[1..]}), "bad_claims"),
        ("sid padded", json!({"sid": format!("{handle}==")}), "bad_claims"),
        // The last character has two unused bits.
        ("sid not canonical", json!({"sid": format!("{}x", &handle[..21])}), "bad_claims"),
        ("scope", json!({"scope": "user admin"}), "valid"),
        ("scope a list", json!({"scope": ["user"]}), "bad_claims"),
        ("exp missing", json!({"exp": null}), "bad_claims"),
        ("exp a string", json!({"exp": "1700000600"}), "bad_claims"),
        ("exp negative", json!({"exp": -1}), "bad_claims"),
        ("exp true", json!({"exp": true}), "bad_claims"),
        ("exp far", json!({"exp": u64::MAX / 1000}), "valid"),
        ("exp too far", json!({"exp": u64::MAX / 1000 + 1}), "bad_claims"),
        ("exp too far, as a fraction", json!({"exp": 1e17}), "bad_claims"),
        ("iat missing", json!({"iat": null}), "bad_claims"),
        ("iat a string", json!({"iat": "0"}), "bad_claims"),
        ("iat negative", json!({"iat": -0.5}), "bad_claims"),
        ("iat as far ahead as clocks differ", json!({"iat": NOW + 60}), "valid"),
        ("iat further in the future", json!({"iat": NOW + 61}), "valid but expired"),
        ("nbf now", json!({"nbf": NOW}), "valid"),
        ("nbf in the future", json!({"nbf": NOW + 1}), "not_yet_valid"),
        ("nbf a string", json!({"nbf": "0"}), "bad_claims"),
        ("nbf too far", json!({"nbf": u64::MAX}), "bad_claims"),
        ("auth_time in the past", json!({"auth_time": 0}), "valid"),
        ("auth_time in the future", json!({"auth_time": NOW + 3600}), "valid"),
        ("auth_time a string", json!({"auth_time": "0"}), "bad_claims"),
        ("auth_time negative", json!({"auth_time": -1}), "bad_claims"),
        ("epoch zero", json!({"epoch": 0}), "valid"),
        ("epoch largest", json!({"epoch": u32::MAX}), "valid"),
        ("epoch too large", json!({"epoch": u64::from(u32::MAX) + 1}), "bad_claims"),
        ("epoch negative", json!({"epoch": -1}), "bad_claims"),
        ("epoch with a fraction", json!({"epoch": 1.5}), "bad_claims"),
        ("epoch a string", json!({"epoch": "1"}), "bad_claims"),
    ];
    for (name, changes, expected) in cases {
        let verdict = verify_payload::<()>(&claims_but(&changes), at(NOW));
        assert_eq!(word(&verdict), expected, "{name}");
    }
}

#[test]
fn null_is_no_claim() {
    for name in ["iss", "aud", "sub", "jti", "sid", "exp", "iat", "nbf", "scope", "auth_time", "epoch"] {
        let mut claims = claims();
        claims[name] = Value::Null;
        assert_eq!(word(&verify_payload::<()>(&claims.to_string(), at(NOW))), "bad_claims", "{name}");
    }
}

#[test]
fn dates_have_every_form_of_a_json_number() {
    let cases = [
        ("1700000000.5", "valid"),
        ("1.7000006e9", "valid"),
        ("17000006E+2", "valid"),
        ("1700000600000e-3", "valid"),
        ("1699999999.999", "valid but expired"),
        ("0", "valid but expired"),
        ("-0", "valid but expired"),
        ("0.0", "valid but expired"),
        ("1e-400", "valid but expired"),
        ("18446744073709551616", "bad_claims"),
        ("1e300", "bad_claims"),
        ("-1e-3", "bad_claims"),
        // Not representable: rejected as JSON.
        ("1e400", "malformed"),
        ("NaN", "malformed"),
        ("Infinity", "malformed"),
        ("01", "malformed"),
        ("+1", "malformed"),
        ("1.", "malformed"),
        (".5", "malformed"),
        ("0x10", "malformed"),
    ];
    for (number, expected) in cases {
        let payload = claims_but(&json!({"exp": 123_456_789})).replace("123456789", number);
        assert_eq!(word(&verify_payload::<()>(&payload, at(NOW))), expected, "{number}");
    }
}

#[test]
fn fractions_count_to_the_millisecond() {
    let payload = claims_but(&json!({"exp": NOW as f64 + 0.25, "iat": NOW as f64 - 0.5}));
    let token = valid(verify_payload::<()>(&payload, at(NOW)));
    assert_eq!(token.expires_at, Timestamp::from_millis(NOW * 1000 + 250));
    assert_eq!(token.issued_at, Timestamp::from_millis(NOW * 1000 - 500));
    assert_eq!(word(&verify_payload::<()>(&payload, Timestamp::from_millis(NOW * 1000 + 249))), "valid");
    assert_eq!(
        word(&verify_payload::<()>(&payload, Timestamp::from_millis(NOW * 1000 + 250))),
        "valid but expired"
    );
}

#[test]
fn a_token_ends_with_its_exp_or_the_configured_lifetime() {
    let by_exp = claims_but(&json!({"exp": NOW + 100}));
    assert_eq!(word(&verify_payload::<()>(&by_exp, at(NOW + 99))), "valid");
    assert_eq!(word(&verify_payload::<()>(&by_exp, at(NOW + 100))), "valid but expired");

    let by_lifetime = claims_but(&json!({"exp": NOW + 10_000}));
    assert_eq!(word(&verify_payload::<()>(&by_lifetime, at(NOW + 599))), "valid");
    assert_eq!(word(&verify_payload::<()>(&by_lifetime, at(NOW + 600))), "valid but expired");
}

#[test]
fn only_a_token_that_is_valid_otherwise_is_reported_as_expired() {
    #[derive(Deserialize)]
    struct Custom {
        #[serde(rename = "name")]
        _name: String,
    }
    let late = at(NOW + 10_000);
    let valid_claims = json!({"name": "Alice"});
    match verify_payload::<Custom>(&claims_but(&valid_claims), late) {
        Verdict::Expired { session } => assert_eq!(session, SessionHandle::from_bytes([7; 16])),
        other => panic!("{}", word(&other)),
    }
    let cases = [
        ("iss", json!({"name": "Alice", "iss": "other"}), "wrong_issuer"),
        ("aud", json!({"name": "Alice", "aud": "other"}), "wrong_audience"),
        ("sub", json!({"name": "Alice", "sub": null}), "bad_claims"),
        ("nbf", json!({"name": "Alice", "nbf": NOW + 20_000}), "not_yet_valid"),
        ("custom", json!({"name": 1}), "bad_custom_claims"),
    ];
    for (name, changes, expected) in cases {
        assert_eq!(word(&verify_payload::<Custom>(&claims_but(&changes), late)), expected, "{name}");
    }
}

#[test]
fn the_reason_does_not_depend_on_the_order_of_the_members() {
    #[derive(Deserialize)]
    struct Custom {
        #[serde(rename = "name")]
        _name: String,
    }
    let payload = |first: &str, last: &str| {
        let valid_claims = claims_but(&json!({"iss": null}));
        format!("{{{first},{},{last}}}", valid_claims.trim_matches(['{', '}']))
    };
    for (one, other) in [(r#""iss":"other""#, r#""name":1"#), (r#""name":1"#, r#""iss":"other""#)] {
        assert_eq!(word(&verify_payload::<Custom>(&payload(one, other), at(NOW))), "wrong_issuer");
    }
    for (one, other) in [(r#""iss":1"#, r#""name":1"#), (r#""name":1"#, r#""iss":1"#)] {
        assert_eq!(word(&verify_payload::<Custom>(&payload(one, other), at(NOW))), "bad_claims");
    }
}

#[test]
fn a_payload_is_one_object() {
    let cases = [
        ("[]", "bad_claims"),
        ("null", "bad_claims"),
        ("1", "bad_claims"),
        ("\"text\"", "bad_claims"),
        ("{}", "bad_claims"),
        ("{", "malformed"),
        ("", "malformed"),
        ("{} {}", "malformed"),
        ("\u{feff}{}", "malformed"),
        ("{\"iss\":\"\\ud800\"}", "malformed"),
        ("{\"a\":\"\u{1}\"}", "malformed"),
        ("{\"a\":1,}", "malformed"),
    ];
    for (payload, expected) in cases {
        // An empty payload is an empty segment.
        assert_eq!(word(&verify_payload::<()>(payload, at(NOW))), expected, "{payload}");
    }
}

#[test]
fn escaped_names_are_the_same_names() {
    let payload = claims().to_string().replace("\"sub\"", "\"\\u0073ub\"");
    assert_eq!(valid(verify_payload::<HashMap<String, Value>>(&payload, at(NOW))).custom, HashMap::new());
}
