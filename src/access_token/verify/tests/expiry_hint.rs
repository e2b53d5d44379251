//! Which tokens count as expired before they are verified.

use super::*;
use crate::access_token::verify::is_expired_unverified;

#[test]
fn a_token_says_that_it_has_expired_only_by_an_exp_that_is_over() {
    let now = Timestamp::from_secs(NOW);
    let token = |payload: &str| format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(payload));
    let cases = [
        ("over", token(&json!({ "exp": NOW - 1 }).to_string()), true),
        ("over now", token(&json!({ "exp": NOW }).to_string()), true),
        ("among others", token(&json!({ "iss": "x", "exp": NOW - 1, "sub": ["y"] }).to_string()), true),
        ("not over", token(&json!({ "exp": NOW + 1 }).to_string()), false),
        ("no exp", token("{}"), false),
        ("exp that is no number", token(&json!({ "exp": "1" }).to_string()), false),
        ("two exp, the first of which counts", token(r#"{"exp":1,"exp":99999999999}"#), true),
        ("two exp, the first of which is not over", token(r#"{"exp":99999999999,"exp":1}"#), false),
        ("exp of another object", token(r#"{"x":{"exp":1},"exp":99999999999}"#), false),
        ("no JSON after it", token(r#"{"exp":1,"#), true),
        ("no JSON", token("exp"), false),
        ("no base64url", "e30.e30=.AA".to_owned(), false),
        ("no segments", "e30".to_owned(), false),
        ("nothing", String::new(), false),
        ("too long", token(&json!({ "exp": 1, "x": "x".repeat(MAX_TOKEN_LEN) }).to_string()), false),
    ];
    for (case, token, expected) in cases {
        assert_eq!(is_expired_unverified(token.as_bytes(), now), expected, "{case}");
    }
}

#[test]
fn wherever_the_exp_is_in_a_token_it_is_read_whole() {
    let now = Timestamp::from_secs(NOW);
    for before in 0..400 {
        for (exp, expected) in [(NOW - 1, true), (NOW + 1, false)] {
            let payload = json!({ "aud": "x".repeat(before), "exp": exp, "sub": "a,b" }).to_string();
            let token = format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(payload));
            assert_eq!(is_expired_unverified(token.as_bytes(), now), expected, "after {before} bytes");
        }
    }
}
