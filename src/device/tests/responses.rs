//! The response headers.

use super::*;

#[test]
fn a_registration_is_offered_as_the_draft_writes_it_and_its_value_is_sensitive() {
    let value = headers::registration("/auth/device/register", "c-1_").unwrap();
    assert_eq!(value, "(ES256 RS256);path=\"/auth/device/register\";challenge=\"c-1_\"");
    assert!(value.is_sensitive());
}

#[test]
fn a_challenge_names_its_session() {
    let value = headers::challenge("c-1_", "id_2-").unwrap();
    assert_eq!(value, "\"c-1_\";id=\"id_2-\"");
}

#[test]
fn strings_are_quoted_as_rfc_9651_requires() {
    let cases = [
        ("/a b", Some("\"/a b\"")),
        ("/\"a\"", Some("\"/\\\"a\\\"\"")),
        ("/a\\", Some("\"/a\\\\\"")),
        ("", Some("\"\"")),
        ("/ä", None),
        ("/\t", None),
        ("/\r\nset-cookie: a=b", None),
        ("/\u{7f}", None),
        ("/\0", None),
    ];
    for (path, expected) in cases {
        let expected = expected.map(|path| format!("(ES256 RS256);path={path};challenge=\"c\""));
        let value = headers::registration(path, "c").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(value, expected, "{path:?}");
        assert_eq!(headers::registration("/", path).is_some(), expected.is_some(), "{path:?}");
        assert_eq!(headers::challenge(path, "id").is_some(), expected.is_some(), "{path:?}");
        assert_eq!(headers::challenge("c", path).is_some(), expected.is_some(), "{path:?}");
    }
}
