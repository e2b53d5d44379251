use super::*;
use crate::verify::duplicates::refuse;

#[test]
fn a_member_may_not_occur_twice_at_any_depth() {
    let cases = [
        (r#"{"a":1,"b":2}"#, Ok(())),
        (r#"{"a":1,"a":1}"#, Err(InvalidToken::DuplicateMember)),
        (r#"{"a":1,"b":2,"a":3}"#, Err(InvalidToken::DuplicateMember)),
        (r#"{"a":1,"\u0061":1}"#, Err(InvalidToken::DuplicateMember)),
        (r#"{"":1,"":1}"#, Err(InvalidToken::DuplicateMember)),
        (r#"{"a":1,"A":1}"#, Ok(())),
        (r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#, Ok(())),
        (r#"{"a":{"b":1,"b":2}}"#, Err(InvalidToken::DuplicateMember)),
        (r#"{"a":[1,[{"b":1,"b":2}]]}"#, Err(InvalidToken::DuplicateMember)),
        (r#"[{"a":1},{"a":1}]"#, Ok(())),
        (r#"{"a":{"x":1},"b":2,"a":{"y":1}}"#, Err(InvalidToken::DuplicateMember)),
        (r#"{"a":{"b":{"c":1}},"b":1,"c":1}"#, Ok(())),
        (r#"{"a":1,"a":"#, Err(InvalidToken::Malformed)),
        (r#"{"a":1} x"#, Err(InvalidToken::Malformed)),
        ("", Err(InvalidToken::Malformed)),
        ("[null,true,false,1,-1,1.5,1e3,\"text\"]", Ok(())),
    ];
    for (json, expected) in cases {
        assert_eq!(refuse(json), expected, "{json}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(refuse(&nested(127)), Ok(()));
    assert_eq!(refuse(&nested(128)), Err(InvalidToken::Malformed));
    assert_eq!(refuse(&"{\"a\":".repeat(1500)), Err(InvalidToken::Malformed));
}

#[test]
fn tokens_with_a_member_twice_are_refused_whatever_it_is() {
    let good = claims().to_string();
    let twice = |member: &str| good.replacen('{', &format!("{{{member},"), 1);
    for member in
        [r#""sub":"alice""#, r#""iss":"other""#, r#""exp":1"#, r#""a":{"b":1,"b":1}"#, r#""a":1,"a":2"#]
    {
        let verdict = verify_payload::<HashMap<String, Value>>(&twice(member), at(NOW));
        assert_eq!(word(&verdict), "duplicate_member", "{member}");
    }
}
