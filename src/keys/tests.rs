use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{public::PublicKey, *};

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../tests/keys/", $name, ".pem"))
    };
}

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SECRET_256: &[u8] = b"0123456789abcdef0123456789abcdef";

type Read<T> = fn(&str) -> Result<T, KeyError>;

fn signing_keys() -> Vec<(&'static str, SigningKey, VerifyingKey)> {
    let rsa = pem!("rsa");
    let rsa_public = pem!("rsa.pub");
    vec![
        ("EdDSA", SigningKey::ed25519_pem(pem!("ed25519")), VerifyingKey::ed25519_pem(pem!("ed25519.pub"))),
        ("ES256", SigningKey::es256_pem(pem!("es256")), VerifyingKey::es256_pem(pem!("es256.pub"))),
        ("ES384", SigningKey::es384_pem(pem!("es384")), VerifyingKey::es384_pem(pem!("es384.pub"))),
        ("RS256", SigningKey::rs256_pem(rsa), VerifyingKey::rs256_pem(rsa_public)),
        ("PS256", SigningKey::ps256_pem(rsa), VerifyingKey::ps256_pem(rsa_public)),
        ("HS256", SigningKey::hs256(SECRET), VerifyingKey::hs256(SECRET)),
        ("HS384", SigningKey::hs384(SECRET), VerifyingKey::hs384(SECRET)),
        ("HS512", SigningKey::hs512(SECRET), VerifyingKey::hs512(SECRET)),
    ]
    .into_iter()
    .map(|(name, signing, verifying)| (name, signing.unwrap(), verifying.unwrap()))
    .collect()
}

#[test]
fn every_algorithm_signs_what_its_public_key_verifies() {
    for (name, signing, verifying) in signing_keys() {
        assert_eq!(signing.algorithm(), name);
        assert_eq!(signing.kid(), verifying.kid(), "{name}");
        let ring = KeyRing::new(signing).prepare().unwrap();
        let signature = ring.sign(b"message").unwrap();
        assert!(verifying.accepts(b"message", &signature), "{name}");
        assert!(!verifying.accepts(b"massage", &signature), "{name}");
        for byte in [0, signature.len() / 2, signature.len() - 1] {
            let mut forged = signature.clone();
            forged[byte] ^= 1;
            assert!(!verifying.accepts(b"message", &forged), "{name} with byte {byte} changed");
        }
        assert!(!verifying.accepts(b"message", &[]), "{name} with no signature");
    }
}

#[test]
fn keys_of_every_library_are_read() {
    let keys: &[(&str, Read<KeyRing>)] = &[
        (pem!("ed25519.aws-lc-rs"), |pem| KeyRing::ed25519_pem(pem)),
        (pem!("ed25519.rust_crypto"), |pem| KeyRing::ed25519_pem(pem)),
        (pem!("es256.aws-lc-rs"), |pem| KeyRing::es256_pem(pem)),
        (pem!("es256.rust_crypto"), |pem| KeyRing::es256_pem(pem)),
        (pem!("es256.nopublic"), |pem| KeyRing::es256_pem(pem)),
        (pem!("es384.aws-lc-rs"), |pem| KeyRing::es384_pem(pem)),
        (pem!("es384.rust_crypto"), |pem| KeyRing::es384_pem(pem)),
        (pem!("rsa.aws-lc-rs"), |pem| KeyRing::rs256_pem(pem)),
        (pem!("rsa.rust_crypto"), |pem| KeyRing::ps256_pem(pem)),
        (pem!("rsa.pkcs1"), |pem| KeyRing::rs256_pem(pem)),
    ];
    for (index, (pem, read)) in keys.iter().enumerate() {
        assert_eq!(read(pem).and_then(KeyRing::prepare).err(), None, "key {index}");
    }
}

#[test]
fn both_forms_of_an_rsa_key_are_one_key() {
    let kid = SigningKey::rs256_pem(pem!("rsa")).unwrap().kid().to_owned();
    assert_eq!(SigningKey::rs256_pem(pem!("rsa.pkcs1")).unwrap().kid(), kid);
    assert_eq!(VerifyingKey::rs256_pem(pem!("rsa.pkcs1.pub")).unwrap().kid(), kid);
}

#[test]
fn other_private_keys_are_refused_with_the_reason() {
    let cases: &[(&str, &str, Read<SigningKey>, KeyError)] = &[
        ("SEC1", pem!("es256.sec1"), |pem| SigningKey::es256_pem(pem), KeyError::Sec1),
        ("encrypted", pem!("es256.encrypted"), |pem| SigningKey::es256_pem(pem), KeyError::Encrypted),
        ("encrypted", pem!("rsa.encrypted.pkcs1"), |pem| SigningKey::rs256_pem(pem), KeyError::Encrypted),
        ("short", pem!("rsa1024"), |pem| SigningKey::rs256_pem(pem), KeyError::RsaTooShort),
        ("other curve", pem!("es256"), |pem| SigningKey::es384_pem(pem), KeyError::WrongKind),
        ("other curve", pem!("es384"), |pem| SigningKey::es256_pem(pem), KeyError::WrongKind),
        ("other curve", pem!("secp256k1"), |pem| SigningKey::es256_pem(pem), KeyError::WrongKind),
        ("other curve", pem!("ed448"), |pem| SigningKey::ed25519_pem(pem), KeyError::WrongKind),
        ("RSA for EC", pem!("rsa"), |pem| SigningKey::es256_pem(pem), KeyError::WrongKind),
        ("EC for RSA", pem!("es256"), |pem| SigningKey::rs256_pem(pem), KeyError::WrongKind),
        ("EC for Ed25519", pem!("es256"), |pem| SigningKey::ed25519_pem(pem), KeyError::WrongKind),
        ("public", pem!("rsa.pub"), |pem| SigningKey::rs256_pem(pem), KeyError::WrongKind),
        ("public", pem!("rsa.pkcs1.pub"), |pem| SigningKey::rs256_pem(pem), KeyError::WrongKind),
        ("public", pem!("ed25519.pub"), |pem| SigningKey::ed25519_pem(pem), KeyError::WrongKind),
        ("certificate", pem!("es256.cert"), |pem| SigningKey::es256_pem(pem), KeyError::WrongKind),
        ("no PEM", "secret", |pem| SigningKey::ed25519_pem(pem), KeyError::NotPem),
        ("empty", "", |pem| SigningKey::ed25519_pem(pem), KeyError::NotPem),
        ("no end", "-----BEGIN PRIVATE KEY", |pem| SigningKey::ed25519_pem(pem), KeyError::NotPem),
        (
            "damaged",
            "-----BEGIN PRIVATE KEY-----\nMC4\n",
            |pem| SigningKey::ed25519_pem(pem),
            KeyError::WrongKind,
        ),
    ];
    for (name, pem, read, expected) in cases {
        assert_eq!(read(pem).err(), Some(*expected), "{name}");
    }
}

#[test]
fn other_public_keys_are_refused_with_the_reason() {
    let cases: &[(&str, &str, Read<VerifyingKey>, KeyError)] = &[
        (
            "compressed",
            pem!("es256.compressed.pub"),
            |pem| VerifyingKey::es256_pem(pem),
            KeyError::CompressedPoint,
        ),
        ("short", pem!("rsa1024.pub"), |pem| VerifyingKey::rs256_pem(pem), KeyError::RsaTooShort),
        ("not on the curve", pem!("secp256k1.pub"), |pem| VerifyingKey::es256_pem(pem), KeyError::Unusable),
        ("other curve", pem!("es384.pub"), |pem| VerifyingKey::es256_pem(pem), KeyError::WrongKind),
        ("EC for RSA", pem!("es256.pub"), |pem| VerifyingKey::ps256_pem(pem), KeyError::WrongKind),
        ("RSA for EC", pem!("rsa.pub"), |pem| VerifyingKey::es256_pem(pem), KeyError::WrongKind),
        ("EC for Ed25519", pem!("es256.pub"), |pem| VerifyingKey::ed25519_pem(pem), KeyError::WrongKind),
        ("private", pem!("rsa"), |pem| VerifyingKey::rs256_pem(pem), KeyError::WrongKind),
        ("certificate", pem!("es256.cert"), |pem| VerifyingKey::es256_pem(pem), KeyError::WrongKind),
        // 31 bytes: RustCrypto's factory would panic on them.
        (
            "cut",
            "-----BEGIN PUBLIC KEY-----\nMCkwBQYDK2VwAyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n-----END PUBLIC KEY-----",
            |pem| VerifyingKey::ed25519_pem(pem),
            KeyError::WrongKind,
        ),
    ];
    for (name, pem, read, expected) in cases {
        assert_eq!(read(pem).err(), Some(*expected), "{name}");
    }
}

#[test]
fn an_rsa_modulus_is_measured_to_the_bit() {
    let key = |version: &[u8], first: u8| {
        let modulus = [&[0x02, 0x82, 1, 1, 0, first][..], &[1; 255]].concat();
        let body = [version, &modulus, &[0x02, 1, 3]].concat();
        let [high, low] = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[0x30, 0x82, high, low], &body[..]].concat()
    };
    for version in [&[][..], &[0x02, 1, 0]] {
        assert_eq!(der::modulus_bits(&key(version, 0x80)), Some(2048));
        assert_eq!(der::modulus_bits(&key(version, 0x7f)), Some(2047));
        assert_eq!(der::modulus_bits(&key(version, 0x00)), Some(2033));
    }
    let whole = key(&[], 0x80);
    for length in 0..whole.len() {
        assert_eq!(der::modulus_bits(&whole[..length]), None, "{length}");
    }
}

#[test]
fn secrets_are_at_least_as_long_as_their_hash() {
    assert_eq!(SigningKey::hs256(&SECRET[..31]).err(), Some(KeyError::SecretTooShort));
    assert_eq!(SigningKey::hs384(&SECRET[..47]).err(), Some(KeyError::SecretTooShort));
    assert_eq!(SigningKey::hs512(&SECRET[..63]).err(), Some(KeyError::SecretTooShort));
    assert_eq!(VerifyingKey::hs256(&SECRET[..31]).err(), Some(KeyError::SecretTooShort));
    assert!(SigningKey::hs256(&SECRET[..32]).is_ok());
    assert!(SigningKey::hs384(&SECRET[..48]).is_ok());
    assert!(SigningKey::hs512(&SECRET[..64]).is_ok());
}

#[test]
fn the_thumbprint_is_that_of_the_rfcs() {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    // RFC 7638 §3.1
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3\
             oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA\
             ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-\
             kEgU8awapJzKnqDKgw";
    let rsa = PublicKey::Rsa { n: decode(n), e: decode("AQAB") };
    assert_eq!(rsa.thumbprint().unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    // RFC 8037, appendix A.3
    let ed25519 = PublicKey::Ed25519 { x: decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo") };
    assert_eq!(ed25519.thumbprint().unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn the_jwks_has_every_public_key_and_no_secret() {
    let ring = KeyRing::ed25519_pem(pem!("ed25519"))
        .unwrap()
        .accept(VerifyingKey::es256_pem(pem!("es256.pub")).unwrap())
        .accept(VerifyingKey::rs256_pem(pem!("rsa.pub")).unwrap().with_kid("a \"kid\""))
        .retire(SigningKey::hs256(SECRET).unwrap())
        .prepare()
        .unwrap();
    let jwks: Value = serde_json::from_str(&ring.jwks().to_string()).unwrap();
    assert_eq!(jwks, serde_json::to_value(ring.jwks()).unwrap());
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    let by_alg = |alg: &str| keys.iter().find(|key| key["alg"] == alg).unwrap();
    let names = |key: &Value| {
        let mut names: Vec<_> = key.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };

    let ed25519 = by_alg("EdDSA");
    assert_eq!(names(ed25519), "alg crv kid kty use x");
    assert_eq!(
        (&ed25519["kty"], &ed25519["crv"], &ed25519["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("sig"))
    );
    assert_eq!(ed25519["kid"], SigningKey::ed25519_pem(pem!("ed25519")).unwrap().kid());
    let es256 = by_alg("ES256");
    assert_eq!(names(es256), "alg crv kid kty use x y");
    assert_eq!((&es256["kty"], &es256["crv"]), (&json!("EC"), &json!("P-256")));
    let rs256 = by_alg("RS256");
    assert_eq!(names(rs256), "alg e kid kty n use");
    assert_eq!(
        (&rs256["kty"], &rs256["e"], &rs256["kid"]),
        (&json!("RSA"), &json!("AQAB"), &json!("a \"kid\""))
    );
    // 2048 bits without a leading zero byte (RFC 7518 §6.3.1.1)
    assert_eq!(URL_SAFE_NO_PAD.decode(rs256["n"].as_str().unwrap()).unwrap().len(), 256);

    let secret = KeyRing::hs256(SECRET).unwrap().prepare().unwrap();
    assert_eq!(secret.jwks().to_string(), r#"{"keys":[]}"#);
}

#[test]
fn derived_ids_and_keys_never_change() {
    // Computed by another HMAC implementation. A change would log everybody out.
    let ring = KeyRing::hs256(SECRET_256).unwrap().prepare().unwrap();
    assert!(ring.verifier("4no0BNyhlU41GzosSsgPEg").is_some());
    let (id, mac) = ring.active_mac();
    assert_eq!(id, 227);
    assert_eq!(
        URL_SAFE_NO_PAD.encode(mac.mac(&[b"message"]).unwrap()),
        "JdNg5RcbKl_aOSqhzrPIs8LmTly1It0YXULvva4QVBE"
    );
}

#[test]
fn a_rotation_in_steps_keeps_every_token_good() {
    let old = || SigningKey::es256_pem(pem!("es256")).unwrap();
    let new = || SigningKey::ed25519_pem(pem!("ed25519")).unwrap();
    let first = KeyRing::new(old())
        .accept(new().verifying_key())
        .accept_refresh_key(RefreshKey::derive(&new()).unwrap())
        .prepare()
        .unwrap();
    let then = KeyRing::new(new()).retire(old()).prepare().unwrap();

    for (signer, verifier) in [(&first, &then), (&then, &first)] {
        let signature = signer.sign(b"message").unwrap();
        let key = verifier.verifier_by_header(signer.header().as_bytes()).unwrap();
        assert!(key.accepts(b"message", &signature));
        let (id, mac) = signer.active_mac();
        assert_eq!(verifier.mac(id).unwrap().mac(&[b"message"]), mac.mac(&[b"message"]));
    }
    assert_ne!(first.active_mac().0, then.active_mac().0);
    assert_eq!(first.jwks().to_string(), then.jwks().to_string());
}

#[test]
fn an_explicit_refresh_key_takes_the_place_of_the_derived_one() {
    let signing = || SigningKey::hs256(SECRET).unwrap();
    let derived = KeyRing::new(signing()).prepare().unwrap().active_mac().0;
    let ring =
        KeyRing::new(signing()).refresh_key(RefreshKey::from_bytes([7; 32]).with_id(9)).prepare().unwrap();
    assert_eq!(ring.active_mac().0, 9);
    assert!(ring.mac(9).is_some());
    assert!(ring.mac(derived).is_none());
}

#[test]
fn clashing_ids_and_keys_for_two_algorithms_are_refused() {
    let ring = || KeyRing::ed25519_pem(pem!("ed25519")).unwrap();
    let other = || VerifyingKey::es256_pem(pem!("es256.pub")).unwrap();
    let own = ring().prepare().unwrap().active_mac().0;
    let cases = [
        (
            "same key",
            ring().accept(VerifyingKey::ed25519_pem(pem!("ed25519.pub")).unwrap()),
            KeyError::DuplicateKeyId,
        ),
        (
            "same kid",
            ring().accept(other().with_kid("a")).accept(VerifyingKey::hs256(SECRET).unwrap().with_kid("a")),
            KeyError::DuplicateKeyId,
        ),
        (
            "one RSA key for two algorithms",
            KeyRing::rs256_pem(pem!("rsa"))
                .unwrap()
                .accept(VerifyingKey::ps256_pem(pem!("rsa.pub")).unwrap().with_kid("a")),
            KeyError::TwoAlgorithms,
        ),
        (
            "a retired RSA key for another algorithm",
            KeyRing::ps256_pem(pem!("rsa"))
                .unwrap()
                .retire(SigningKey::rs256_pem(pem!("rsa")).unwrap().with_kid("a")),
            KeyError::TwoAlgorithms,
        ),
        (
            "one secret for two hashes",
            ring()
                .accept(VerifyingKey::hs256([7; 48]).unwrap())
                .accept(VerifyingKey::hs384([7; 48]).unwrap().with_kid("a")),
            KeyError::TwoAlgorithms,
        ),
        ("no kid", ring().accept(other().with_kid("")), KeyError::KeyId),
        ("a long kid", ring().accept(other().with_kid("k".repeat(257))), KeyError::KeyId),
        (
            "refresh keys",
            ring().accept_refresh_key(RefreshKey::from_bytes([1; 32]).with_id(own)),
            KeyError::RefreshKeyIdClash,
        ),
        (
            "refresh keys by themselves",
            ring()
                .accept_refresh_key(RefreshKey::from_bytes([5; 32]))
                .accept_refresh_key(RefreshKey::from_bytes([20; 32])),
            KeyError::RefreshKeyIdClash,
        ),
    ];
    for (name, ring, expected) in cases {
        assert_eq!(ring.prepare().err(), Some(expected), "{name}");
    }
    let same = ring()
        .accept_refresh_key(RefreshKey::derive(&SigningKey::ed25519_pem(pem!("ed25519")).unwrap()).unwrap());
    assert_eq!(same.prepare().err(), None);
    let renamed = ring().accept(VerifyingKey::ed25519_pem(pem!("ed25519.pub")).unwrap().with_kid("a"));
    assert_eq!(renamed.prepare().err(), None, "a key may change its name");
}

#[test]
fn nothing_shows_a_secret() {
    let ring = KeyRing::hs256(SECRET).unwrap().refresh_key(RefreshKey::from_bytes([b'r'; 32]));
    let shown = format!("{ring:?}");
    assert!(!shown.contains("0123") && !shown.contains("48, 49") && !shown.contains("114"), "{shown}");
    let keys = format!("{:?}", ring.prepare().unwrap());
    assert!(!keys.contains("0123") && !keys.contains("48, 49") && !keys.contains("114"), "{keys}");
}
