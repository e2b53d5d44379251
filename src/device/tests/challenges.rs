//! Challenges: each is valid for one purpose, one issuer and the keys of the ring.

use tower_refresh_core::{SessionHandle, Timestamp};

use super::*;
use crate::{
    device::{Challenge, identifier},
    refresh_token::{MacContext, RefreshToken, RefreshTransport, SessionId},
};

const HANDLE: SessionHandle = SessionHandle::from_bytes([7; 16]);

fn register(issued_at: u64, from_elsewhere: bool) -> Challenge {
    Challenge::Register { handle: HANDLE, issued_at: Timestamp::from_secs(issued_at), from_elsewhere }
}

fn refresh(counter: u32) -> Challenge {
    Challenge::Refresh { handle: HANDLE, counter }
}

fn samples() -> [Challenge; 6] {
    [
        register(1_700_000_000, false),
        register(1_700_000_000, true),
        register(0, false),
        register((1 << 40) - 1, true),
        refresh(0),
        refresh(u32::MAX),
    ]
}

#[test]
fn a_challenge_reads_back_with_every_key_of_the_ring() {
    let context = context();
    for challenge in samples() {
        let text = challenge.encode(&ring(&[1]), &context).unwrap();
        let len = if matches!(challenge, Challenge::Register { .. }) { 63 } else { 50 };
        assert_eq!(text.len(), len);
        for keys in [ring(&[1]), ring(&[2, 1]), ring(&[1, 2]), ring(&[3, 2, 1])] {
            assert_eq!(Challenge::decode(text.as_bytes(), &keys, &context).as_ref(), Some(&challenge));
        }
        assert_eq!(Challenge::decode(text.as_bytes(), &ring(&[2]), &context), None, "another key");
        assert_eq!(Challenge::decode(text.as_bytes(), &ring(&[2, 3]), &context), None, "other keys");
    }
}

#[test]
fn the_active_key_issues() {
    let text = refresh(1).encode(&ring(&[2, 1]), &context()).unwrap();
    assert!(Challenge::decode(text.as_bytes(), &ring(&[2]), &context()).is_some());
    assert!(Challenge::decode(text.as_bytes(), &ring(&[1]), &context()).is_none());
}

#[test]
fn a_key_with_the_id_of_another_does_not_verify() {
    let text = refresh(1).encode(&ring(&[1]), &context()).unwrap();
    let key = crate::keys::RefreshKey::from_bytes([2; 32]).with_id(1);
    let keys = KeyRing::ephemeral().unwrap().refresh_key(key).prepare().unwrap();
    assert_eq!(Challenge::decode(text.as_bytes(), &keys, &context()), None);
}

#[test]
fn a_challenge_is_rejected_with_any_bit_changed() {
    let (keys, context) = (ring(&[1]), context());
    for challenge in samples() {
        let text = challenge.encode(&keys, &context).unwrap();
        for changed in with_one_bit_flipped(&text) {
            assert_eq!(
                Challenge::decode(changed.as_bytes(), &keys, &context),
                None,
                "{challenge:?}: {changed}"
            );
        }
    }
}

#[test]
fn a_challenge_is_rejected_in_any_other_form() {
    let (keys, context) = (ring(&[1]), context());
    for challenge in samples() {
        let text = challenge.encode(&keys, &context).unwrap();
        let last = text.len() - 1;
        // 30 bytes of a registration leave two bits of the last character unused, 20 of a refresh four.
        let next = char::from(text.as_bytes()[last] + 1);
        for (reason, other) in [
            ("empty", String::new()),
            ("a character less", text[..last].to_owned()),
            ("a character more", format!("{text}A")),
            ("padded", format!("{text}=")),
            ("quoted", format!("\"{text}\"")),
            ("a blank", format!("{text} ")),
            ("trailing bits", format!("{}{next}", &text[..last])),
            ("twice", format!("{text}{text}")),
            ("zeros", "A".repeat(text.len())),
            ("not base64url", "!".repeat(text.len())),
        ] {
            assert_eq!(Challenge::decode(other.as_bytes(), &keys, &context), None, "{challenge:?}: {reason}");
        }
        assert_eq!(Challenge::decode(&vec![0xff; text.len()], &keys, &context), None);
    }
}

#[test]
fn a_challenge_of_another_issuer_is_rejected() {
    for challenge in samples() {
        for issuer in ["", "https://issue", "https://issuer/", "https://issuerr", "HTTPS://ISSUER"] {
            let text = challenge.encode(&ring(&[1]), &DeviceContext::new(issuer)).unwrap();
            assert_eq!(Challenge::decode(text.as_bytes(), &ring(&[1]), &context()), None, "{issuer}");
        }
    }
}

/// The body of each purpose, cut or filled to the length of each other, under the MAC of its own purpose: the MAC has to tell them
/// apart, not only the length.
#[test]
fn what_is_sealed_for_one_purpose_is_valid_for_no_other() {
    use crate::device::sealed::{Purpose, open, seal};
    let (keys, context) = (ring(&[1]), context());
    let purposes = [Purpose::Registration, Purpose::Refresh, Purpose::Identifier];
    for sealed_for in purposes {
        for opened_for in purposes {
            let is_same = sealed_for == opened_for;
            let text = seal(&[7; 30], sealed_for, &keys, &context).unwrap();
            assert_eq!(open::<30>(text.as_bytes(), opened_for, &keys, &context).is_some(), is_same);
            let text = seal(&[7; 20], sealed_for, &keys, &context).unwrap();
            assert_eq!(open::<20>(text.as_bytes(), opened_for, &keys, &context).is_some(), is_same);
            let text = seal(&[7; 16], sealed_for, &keys, &context).unwrap();
            assert_eq!(open::<16>(text.as_bytes(), opened_for, &keys, &context).is_some(), is_same);
        }
    }
}

#[test]
fn identifiers_and_refresh_tokens_are_no_challenges_and_challenges_are_neither() {
    let (keys, context) = (ring(&[1]), context());
    let identifier = identifier::encode(HANDLE, &keys, &context).unwrap();
    let refresh_context = MacContext::new("https://issuer");
    let session = SessionId::random().unwrap();
    for transport in [RefreshTransport::Cookie, RefreshTransport::Body] {
        let token = RefreshToken::first(session.clone(), transport, Timestamp::from_secs(1)).unwrap();
        let token = token.encode(&keys, &refresh_context).unwrap();
        assert_eq!(Challenge::decode(token.as_bytes(), &keys, &context), None);
        assert_eq!(identifier::decode(token.as_bytes(), &keys, &context), None);
    }
    assert_eq!(Challenge::decode(identifier.as_bytes(), &keys, &context), None);
    for challenge in samples() {
        let text = challenge.encode(&keys, &context).unwrap();
        assert_eq!(identifier::decode(text.as_bytes(), &keys, &context), None);
    }
}

#[test]
fn two_registration_challenges_differ_and_two_of_a_refresh_do_not() {
    let (keys, context) = (ring(&[1]), context());
    let text = |challenge: &Challenge| challenge.encode(&keys, &context).unwrap();
    assert_ne!(text(&register(1, false)), text(&register(1, false)));
    assert_eq!(text(&refresh(1)), text(&refresh(1)));
    assert_ne!(text(&refresh(1)), text(&refresh(2)));
}

#[test]
fn a_registration_challenge_is_fresh_for_two_minutes() {
    let cases = [
        (0, "issued now", true),
        (120_000, "as old as allowed", true),
        (120_001, "older", false),
        (u64::MAX - 1_000_000_000, "much older", false),
    ];
    for (age, reason, expected) in cases {
        let now = Timestamp::from_millis(1_000_000_000 + age);
        assert_eq!(register(1_000_000, false).is_fresh(now), expected, "{reason}");
        assert_eq!(register(1_000_000, true).is_fresh(now), expected, "{reason}");
        assert!(refresh(0).is_fresh(now), "{reason}");
    }
    for (ahead, reason, expected) in [
        (60_000, "of a clock that is as far ahead as clocks differ", true),
        (60_001, "of a clock that is further ahead", false),
        (900_000_000, "of a clock that is days ahead", false),
    ] {
        let now = Timestamp::from_millis(1_000_000_000 - ahead);
        assert_eq!(register(1_000_000, false).is_fresh(now), expected, "{reason}");
    }
}

#[test]
fn the_time_of_a_challenge_is_a_whole_second_that_fits() {
    for (issued_at, read) in [(1_999, 1_000), (u64::MAX, ((1 << 40) - 1) * 1000)] {
        let challenge = Challenge::Register {
            handle: HANDLE,
            issued_at: Timestamp::from_millis(issued_at),
            from_elsewhere: false,
        };
        let text = challenge.encode(&ring(&[1]), &context()).unwrap();
        let expected = Challenge::Register {
            handle: HANDLE,
            issued_at: Timestamp::from_millis(read),
            from_elsewhere: false,
        };
        assert_eq!(Challenge::decode(text.as_bytes(), &ring(&[1]), &context()), Some(expected));
    }
}
