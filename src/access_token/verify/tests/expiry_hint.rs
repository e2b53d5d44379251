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
        ("two exp", token(r#"{"exp":1,"exp":2}"#), false),
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
