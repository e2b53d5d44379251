//! The signature.

use super::{ProofError::BadSignature, *};

/// The signature.
pub(super) fn signatures(mode: Mode) -> Vec<Case> {
    let good = signed(&mode.header().to_string(), &payload());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (_, payload_part) = message.split_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = bytes.split_at(32);
    let with = |signature: &[u8]| format!("{message}.{}", base64(signature));
    let zero = [0; 32];
    let flipped = |at: usize| {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        with(&changed)
    };
    let other_payload = base64(json!({"jti": "another"}).to_string());
    let other_header = base64(mode.header_but(json!({"x": 1})));
    let mut cases = vec![
        one("of another key", signed_with(OTHER_ES256, &mode.header().to_string(), &payload()), BadSignature),
        one("of another algorithm", signed_with(RS256, &mode.header().to_string(), &payload()), BadSignature),
        one("of another curve", signed_with(ES384, &mode.header().to_string(), &payload()), BadSignature),
        one(
            "of another payload",
            format!("{}.{other_payload}.{signature}", message.split_once('.').unwrap().0),
            BadSignature,
        ),
        one("of another header", format!("{other_header}.{payload_part}.{signature}"), BadSignature),
        one("in DER", with(&der(r, s)), BadSignature),
        one("its halves swapped", with(&[s, r].concat()), BadSignature),
        one("r and s zero", with(&[zero, zero].concat()), BadSignature),
        one("r zero", with(&[&zero, s].concat()), BadSignature),
        one("s zero", with(&[r, &zero].concat()), BadSignature),
        one("r and s the order of the group", with(&[ORDER, ORDER].concat()), BadSignature),
        one("r and s as large as they fit", with(&[0xff; 64]), BadSignature),
        one("a byte less", with(&bytes[..63]), BadSignature),
        one("a byte more", with(&[&bytes[..], &[0]].concat()), BadSignature),
        one("a zero before it", with(&[&[0], &bytes[..]].concat()), BadSignature),
        one("the first half", with(r), BadSignature),
        one("twice", with(&[&bytes[..], &bytes].concat()), BadSignature),
        one(
            "the payload in the other case",
            good.replace(payload_part, &payload_part.to_lowercase()),
            BadSignature,
        ),
    ];
    cases.extend((0..64).map(|at| one("one bit changed", flipped(at), BadSignature)));
    cases
}

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let number = &number[number.iter().position(|byte| *byte != 0).unwrap()..];
        let sign: &[u8] = if number[0] >= 0x80 { &[0] } else { &[] };
        [&[2, u8::try_from(sign.len() + number.len()).unwrap()], sign, number].concat()
    };
    let numbers = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(numbers.len()).unwrap()], &numbers[..]].concat()
}
