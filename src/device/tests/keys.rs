//! Keys as the session's row stores them.

use super::*;

fn keys() -> [DeviceKey; 2] {
    [device_key(), DeviceKey::from_jwk(&jwk(RS256)).unwrap()]
}

#[test]
fn a_stored_key_reads_back_and_verifies() {
    for (key, pem, len) in
        keys().into_iter().zip([ES256, RS256]).zip([65, 261]).map(|((key, pem), len)| (key, pem, len))
    {
        let bytes = key.to_bytes();
        assert_eq!(bytes.len(), len);
        let read = DeviceKey::from_bytes(&bytes).unwrap();
        assert_eq!((&read, read.to_bytes(), read.algorithm()), (&key, bytes, key.algorithm()));
        let signature = prepared(pem).sign(b"message").unwrap();
        assert!(read.accepts(b"message", signature.as_ref()));
        assert!(!read.accepts(b"other", signature.as_ref()));
    }
    let [point, rsa] = keys();
    assert_ne!(point, rsa);
    assert_ne!(point, DeviceKey::from_jwk(&jwk(OTHER_ES256)).unwrap());
}

#[test]
fn stored_bytes_are_checked_again() {
    for key in keys() {
        let bytes = key.to_bytes();
        for len in 0..bytes.len() {
            // Without the last bytes of an RSA key its modulus is too short.
            assert_eq!(DeviceKey::from_bytes(&bytes[..len]), None, "{key:?}: {len} bytes");
        }
        for algorithm in (0..=u8::MAX).filter(|algorithm| *algorithm != bytes[0]) {
            let changed = [&[algorithm], &bytes[1..]].concat();
            assert_eq!(DeviceKey::from_bytes(&changed), None, "{key:?}: algorithm {algorithm}");
        }
    }
    let [point, rsa] = keys().map(|key| key.to_bytes());
    let n = &rsa[5..];
    let rsa_of = |e: &[u8], n: &[u8]| [&[2, u8::try_from(e.len()).unwrap()], e, n].concat();
    assert!(DeviceKey::from_bytes(&rsa_of(&[1, 0, 1], n)).is_some());
    let cases = [
        ("empty", vec![]),
        ("a byte after the point", [&point[..], &[0]].concat()),
        ("no point of the curve", [&point[..64], &[point[64] ^ 1]].concat()),
        ("zeros", [&[1][..], &[0; 64]].concat()),
        ("an uncompressed point of SEC1", [&[1, 4], &point[1..]].concat()),
        ("a zero before the modulus", rsa_of(&[1, 0, 1], &[&[0], n].concat())),
        ("a zero before the exponent", rsa_of(&[0, 1, 0, 1], n)),
        ("no exponent", rsa_of(&[], n)),
        ("an exponent of 1", rsa_of(&[1], n)),
        ("an even exponent", rsa_of(&[4], n)),
        ("a modulus of 2047 bits", rsa_of(&[3], &[&[0x7f][..], &[0xff; 255]].concat())),
        ("an even modulus", rsa_of(&[3], &[&n[..255], &[n[255] & 0xfe]].concat())),
        ("a modulus of 8200 bits", rsa_of(&[3], &[0xff; 1025])),
        ("an exponent as long as the rest", [&[2, 255], n].concat()),
    ];
    for (reason, bytes) in cases {
        assert_eq!(DeviceKey::from_bytes(&bytes), None, "{reason}");
    }
}

#[test]
fn leading_zeros_in_a_jwk_make_no_other_key() {
    let n = URL_SAFE_NO_PAD.decode(jwk(RS256)["n"].as_str().unwrap()).unwrap();
    let changed = but(jwk(RS256), json!({"n": base64([&[0], &n[..]].concat()), "e": base64([0, 1, 0, 1])}));
    let [_, rsa] = keys();
    assert_eq!(DeviceKey::from_jwk(&changed), Ok(rsa));
}

#[test]
fn the_debug_output_shows_no_key() {
    assert_eq!(keys().map(|key| format!("{key:?}")), ["DeviceKey(ES256)", "DeviceKey(RS256)"]);
}
