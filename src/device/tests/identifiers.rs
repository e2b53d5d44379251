//! Identifiers of bound sessions.

use tower_refresh_core::SessionHandle;

use super::*;
use crate::device::identifier;

const HANDLE: SessionHandle = SessionHandle::from_bytes([7; 16]);
const OTHER: SessionHandle = SessionHandle::from_bytes([8; 16]);

#[test]
fn an_identifier_is_the_same_on_every_server_and_reads_back() {
    let text = identifier::encode(HANDLE, &ring(&[1]), &context()).unwrap();
    assert_eq!(text.len(), 44);
    assert_eq!(identifier::encode(HANDLE, &ring(&[1, 2]), &context()).unwrap(), text);
    assert_ne!(identifier::encode(OTHER, &ring(&[1]), &context()).unwrap(), text);
    assert_eq!(identifier::decode(text.as_bytes(), &ring(&[1]), &context()), Some(HANDLE));
}

#[test]
fn after_the_keys_are_rotated_the_browsers_text_names_the_session() {
    let text = identifier::encode(HANDLE, &ring(&[1, 2]), &context()).unwrap();
    let rotated = ring(&[2, 1]);
    assert_ne!(identifier::encode(HANDLE, &rotated, &context()).unwrap(), text);
    assert_eq!(identifier::decode(text.as_bytes(), &rotated, &context()), Some(HANDLE));
}

#[test]
fn an_identifier_of_a_removed_key_names_its_session_and_proves_nothing() {
    let text = identifier::encode(HANDLE, &ring(&[1]), &context()).unwrap();
    assert_eq!(identifier::decode(text.as_bytes(), &ring(&[2]), &context()), None);
    assert_eq!(identifier::decode_unverified(text.as_bytes()), Some(HANDLE));
    assert_eq!(identifier::decode_unverified(&text.as_bytes()[1..]), None);
    assert_eq!(identifier::decode_unverified(HANDLE.to_string().as_bytes()), None, "without a MAC");
}

#[test]
fn forged_identifiers_are_rejected() {
    let (keys, context) = (ring(&[1]), context());
    let text = identifier::encode(HANDLE, &keys, &context).unwrap();
    for changed in with_one_bit_flipped(&text) {
        assert_eq!(identifier::decode(changed.as_bytes(), &keys, &context), None, "{changed}");
    }
    let other_issuer = identifier::encode(HANDLE, &keys, &DeviceContext::new("https://other")).unwrap();
    let other_key = identifier::encode(HANDLE, &ring(&[2]), &context).unwrap();
    for (reason, value) in [
        ("empty", String::new()),
        ("the handle alone", HANDLE.to_string()),
        ("of another issuer", other_issuer),
        ("of another key", other_key),
        ("a character less", text[..43].to_owned()),
        ("a character more", format!("{text}A")),
        ("padded", format!("{text}=")),
        ("two joined by a proxy", format!("\"{text}\", \"{text}\"")),
        ("two bare ones joined by a proxy", format!("{text}, {text}")),
        ("an unfinished string", format!("\"{text}")),
        ("an escape", format!("\"\\\"{text}\"")),
    ] {
        assert_eq!(identifier::decode(value.as_bytes(), &keys, &context), None, "{reason}");
    }
    assert_eq!(identifier::decode(&[0xff; 44], &keys, &context), None);
}
