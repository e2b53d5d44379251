//! The payload.

use super::*;

/// The payload of a proof whose signature is valid.
pub(super) fn payloads(mode: Mode) -> Vec<Case> {
    let with = |payload: &str| signed(&mode.header().to_string(), payload);
    let huge = json!({"jti": "x".repeat(8192)}).to_string();
    vec![
        one("no jti", with("{}"), MissingChallenge),
        one("jti elsewhere", with(r#"{"a":{"jti":"the-challenge"}}"#), MissingChallenge),
        one("jti in another case", with(r#"{"JTI":"the-challenge"}"#), MissingChallenge),
        one("jti empty", with(r#"{"jti":""}"#), MissingChallenge),
        one("jti null", with(r#"{"jti":null}"#), MissingChallenge),
        one("jti a number", with(r#"{"jti":1}"#), MissingChallenge),
        one("jti a list", with(r#"{"jti":["the-challenge"]}"#), MissingChallenge),
        one("jti an object", with(r#"{"jti":{"the-challenge":1}}"#), MissingChallenge),
        one("jti huge", with(&huge), TooLarge),
        one("jti with half a surrogate pair", with(r#"{"jti":"\ud800"}"#), Malformed),
        one("jti twice", with(r#"{"jti":"the-challenge","jti":"another"}"#), DuplicateMember),
        one(
            "jti twice, with an escape",
            with(r#"{"jti":"the-challenge","jt\u0069":"another"}"#),
            DuplicateMember,
        ),
        one("another member twice", with(r#"{"jti":"the-challenge","a":1,"a":1}"#), DuplicateMember),
        one("a nested member twice", with(r#"{"jti":"the-challenge","a":[{"b":1,"b":1}]}"#), DuplicateMember),
        one("empty", with(""), Malformed),
        one("no JSON", with("the-challenge"), Malformed),
        one("a string", with("\"the-challenge\""), Malformed),
        one("a list", with("[\"the-challenge\"]"), Malformed),
        one("two objects", with(r#"{"jti":"the-challenge"}{}"#), Malformed),
        one(
            "nested too deep",
            with(&format!(r#"{{"jti":"a","x":{}{}}}"#, "[".repeat(127), "]".repeat(127))),
            Malformed,
        ),
    ]
}
