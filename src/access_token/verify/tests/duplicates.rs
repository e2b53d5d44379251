//! Duplicate members and deep nesting are rejected.

use super::*;
use crate::access_token::verify::duplicates::reject;

#[test]
fn a_member_may_not_occur_twice_at_any_depth() {
    let cases = [
        (r#"{"a":1,"b":2}"#, Ok(())),
        (r#"{"a":1,"a":1}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"{"a":1,"b":2,"a":3}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"{"a":1,"\u0061":1}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"{"":1,"":1}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"{"a":1,"A":1}"#, Ok(())),
        (r#"{"a":{"a":{"a":1}},"b":{"a":1}}"#, Ok(())),
        (r#"{"a":{"b":1,"b":2}}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"{"a":[1,[{"b":1,"b":2}]]}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"[{"a":1},{"a":1}]"#, Ok(())),
        (r#"{"a":{"x":1},"b":2,"a":{"y":1}}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"{"a":{"b":{"c":1}},"b":1,"c":1}"#, Ok(())),
        (r#"{"a":"a","b":["a","b","a"],"c":{"a":"b"}}"#, Ok(())),
        (r#"{"a":[1],"b":[{"a":1},2],"a":1}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"{"a":",{\"b\":1,\"b\":","b":"}"}"#, Ok(())),
        (r#"{"a\\":1,"a\"":2,"a\\\"":3}"#, Ok(())),
        (r#"{"a\\":1,"a\u005c":2}"#, Err(InvalidTokenReason::DuplicateMember)),
        (r#"{ "a" : 1 , "a" : 2 }"#, Err(InvalidTokenReason::DuplicateMember)),
        ("{\"é\":1,\"\\u00e9\":2}", Err(InvalidTokenReason::DuplicateMember)),
        ("[null,true,false,1,-1,1.5,1e3,\"text\"]", Ok(())),
    ];
    for (json, expected) in cases {
        assert_eq!(reject(json), expected, "{json}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(reject(&nested(127)), Ok(()));
    assert_eq!(reject(&nested(128)), Err(InvalidTokenReason::Malformed));
    assert_eq!(reject(&"{\"a\":".repeat(1500)), Err(InvalidTokenReason::Malformed));
}

#[test]
fn text_that_is_not_json_is_left_to_the_parser() {
    let valid_json = claims().to_string();
    let open = valid_json.strip_suffix('}').unwrap();
    for payload in [
        open.to_owned(),
        format!("{valid_json}}}"),
        format!("{valid_json}x"),
        format!("{open},"),
        format!("{open},}}"),
        format!("{open},\"a\"}}"),
        format!("{open},\"a\":}}"),
        format!("{open},\"a\":1]"),
        format!("{open},\"a\":[1}}"),
        format!("{open},\"a\":\"\\\"}}"),
        format!("{open},\"a\\u00\":1}}"),
        format!("{open},\"a\\ud800\":1}}"),
        format!("{open},\"a\":{}}}", "[".repeat(4000)),
        format!("{open},\"a\":{}1{}}}", "[".repeat(127), "]".repeat(127)),
    ] {
        assert_eq!(word(&verify_payload::<()>(&payload, at(NOW))), "malformed", "{payload}");
        assert_eq!(word(&verify_payload::<Value>(&payload, at(NOW))), "malformed", "{payload}");
    }
}

#[test]
fn every_text_of_a_small_grammar_is_judged_as_by_a_parser() {
    /// Collects the members of objects by serde_json, which unescapes and delimits by itself.
    struct Reference;
    impl<'de> Deserialize<'de> for Reference {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Reference)
        }
    }
    impl<'de> serde::de::Visitor<'de> for Reference {
        type Value = Self;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self, E> {
            Ok(self)
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
            while seq.next_element::<Self>()?.is_some() {}
            Ok(self)
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            let mut names = std::collections::HashSet::new();
            let mut twice = false;
            while let Some((name, Self)) = map.next_entry::<String, Self>()? {
                twice |= !names.insert(name);
            }
            if twice { Err(serde::de::Error::custom("twice")) } else { Ok(self) }
        }
    }
    const PARTS: [&str; 8] = ["{", "}", "[", "]", ",", r#""a":"#, r#""\u0061":"#, r#""a""#];
    let (mut valid_json, mut twice) = (0, 0);
    for mut number in 0..8_u32.pow(6) {
        let mut text = String::from(r#"{"a":["#);
        while number > 0 {
            text.push_str(PARTS[number as usize % 8]);
            number /= 8;
        }
        text.push_str(r#""a"}]}"#);
        match serde_json::from_str::<Reference>(&text) {
            Ok(Reference) => {
                assert_eq!(reject(&text), Ok(()), "{text}");
                valid_json += 1;
            }
            Err(error) if error.is_data() => {
                assert_eq!(reject(&text), Err(InvalidTokenReason::DuplicateMember), "{text}");
                twice += 1;
            }
            Err(_) => {}
        }
    }
    assert!(valid_json > 10 && twice > 50, "{valid_json} {twice}");
}

#[test]
fn tokens_with_a_member_twice_are_rejected_whatever_the_member_is() {
    let valid_json = claims().to_string();
    let twice = |member: &str| valid_json.replacen('{', &format!("{{{member},"), 1);
    for member in
        [r#""sub":"alice""#, r#""iss":"other""#, r#""exp":1"#, r#""a":{"b":1,"b":1}"#, r#""a":1,"a":2"#]
    {
        let verdict = verify_payload::<HashMap<String, Value>>(&twice(member), at(NOW));
        assert_eq!(word(&verdict), "duplicate_member", "{member}");
    }
}

#[test]
fn of_many_members_one_that_occurs_twice_is_found_and_else_none() {
    let valid_json = claims().to_string();
    let many: String = (0..300).map(|number| format!(",\"member{number}\":{number}")).collect();
    let open = valid_json.strip_suffix('}').unwrap();
    let differ = verify_payload::<HashMap<String, Value>>(&format!("{open}{many}}}"), at(NOW));
    assert_eq!(word(&differ), "valid");
    let twice = verify_payload::<HashMap<String, Value>>(&format!("{open}{many},\"member150\":0}}"), at(NOW));
    assert_eq!(word(&twice), "duplicate_member");
}

#[test]
fn arrays_are_read_as_deep_as_the_parser_reads_them() {
    let valid_json = claims().to_string();
    let open = valid_json.strip_suffix('}').unwrap();
    for (depth, expected) in [(126, "valid"), (127, "malformed")] {
        let payload = format!("{open},\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(word(&verify_payload::<()>(&payload, at(NOW))), expected, "{depth}");
    }
}
