//! Which keys are read, and why others are rejected.

use super::{super::*, SECRET, pem};

#[test]
fn keys_of_every_library_are_read() {
    let keys = [
        (pem!("ed25519.aws-lc-rs"), Algorithm::EdDsa),
        (pem!("ed25519.rust_crypto"), Algorithm::EdDsa),
        (pem!("es256.aws-lc-rs"), Algorithm::Es256),
        (pem!("es256.rust_crypto"), Algorithm::Es256),
        (pem!("es256.nopublic"), Algorithm::Es256),
        (pem!("es384.aws-lc-rs"), Algorithm::Es384),
        (pem!("es384.rust_crypto"), Algorithm::Es384),
        (pem!("rsa.aws-lc-rs"), Algorithm::Rs256),
        (pem!("rsa.rust_crypto"), Algorithm::Ps256),
        (pem!("rsa.pkcs1"), Algorithm::Rs256),
    ];
    for (index, (pem, algorithm)) in keys.into_iter().enumerate() {
        let ring = SigningKey::from_pem(algorithm, pem).map(KeyRing::new);
        assert_eq!(ring.and_then(KeyRing::prepare).err(), None, "key {index}");
    }
}

#[test]
fn line_breaks_may_be_escaped_as_in_an_environment_variable() {
    let keys = [
        (pem!("ed25519"), pem!("ed25519.pub"), Algorithm::EdDsa),
        (pem!("es256"), pem!("es256.pub"), Algorithm::Es256),
        (pem!("rsa"), pem!("rsa.pub"), Algorithm::Rs256),
        (pem!("rsa.pkcs1"), pem!("rsa.pkcs1.pub"), Algorithm::Rs256),
    ];
    for (private, public, algorithm) in keys {
        let kid = SigningKey::from_pem(algorithm, private).unwrap().kid().to_owned();
        for line_break in ["\\n", "\\r\\n"] {
            let escaped = |pem: &str| pem.replace('\n', line_break);
            let read = SigningKey::from_pem(algorithm, escaped(private)).map(|key| key.kid().to_owned());
            assert_eq!(read, Ok(kid.clone()), "{line_break:?}");
            let read = VerifyingKey::from_pem(algorithm, escaped(public)).map(|key| key.kid().to_owned());
            assert_eq!(read, Ok(kid.clone()), "{line_break:?}");
        }
    }
    let encrypted = pem!("rsa.encrypted.pkcs1").replace('\n', "\\n");
    assert_eq!(SigningKey::from_pem(Algorithm::Rs256, encrypted).err(), Some(KeyError::EncryptedKey));
    let backslash = pem!("ed25519").replacen('M', "\\M", 1);
    assert_eq!(SigningKey::from_pem(Algorithm::EdDsa, backslash).err(), Some(KeyError::WrongKeyType));
}

#[test]
fn both_forms_of_an_rsa_key_are_one_key() {
    let kid = SigningKey::from_pem(Algorithm::Rs256, pem!("rsa")).unwrap().kid().to_owned();
    assert_eq!(SigningKey::from_pem(Algorithm::Rs256, pem!("rsa.pkcs1")).unwrap().kid(), kid);
    assert_eq!(VerifyingKey::from_pem(Algorithm::Rs256, pem!("rsa.pkcs1.pub")).unwrap().kid(), kid);
}

#[test]
fn other_private_keys_are_rejected_with_the_reason() {
    let cases: &[(&str, &str, Algorithm, KeyError)] = &[
        ("SEC1", pem!("es256.sec1"), Algorithm::Es256, KeyError::Sec1Key),
        ("encrypted", pem!("es256.encrypted"), Algorithm::Es256, KeyError::EncryptedKey),
        ("encrypted", pem!("rsa.encrypted.pkcs1"), Algorithm::Rs256, KeyError::EncryptedKey),
        ("OpenSSH", pem!("ed25519.openssh"), Algorithm::EdDsa, KeyError::OpenSshKey),
        ("OpenSSH", pem!("es256.openssh"), Algorithm::Es256, KeyError::OpenSshKey),
        ("a bit short", pem!("rsa2047"), Algorithm::Rs256, KeyError::ShortRsaKey),
        ("short", pem!("rsa1024"), Algorithm::Rs256, KeyError::ShortRsaKey),
        ("other curve", pem!("es256"), Algorithm::Es384, KeyError::WrongKeyType),
        ("other curve", pem!("es384"), Algorithm::Es256, KeyError::WrongKeyType),
        ("other curve", pem!("secp256k1"), Algorithm::Es256, KeyError::WrongKeyType),
        ("other curve", pem!("ed448"), Algorithm::EdDsa, KeyError::WrongKeyType),
        ("RSA for EC", pem!("rsa"), Algorithm::Es256, KeyError::WrongKeyType),
        ("EC for RSA", pem!("es256"), Algorithm::Rs256, KeyError::WrongKeyType),
        ("EC for Ed25519", pem!("es256"), Algorithm::EdDsa, KeyError::WrongKeyType),
        ("public", pem!("rsa.pub"), Algorithm::Rs256, KeyError::WrongKeyType),
        ("public", pem!("rsa.pkcs1.pub"), Algorithm::Rs256, KeyError::WrongKeyType),
        ("public", pem!("ed25519.pub"), Algorithm::EdDsa, KeyError::WrongKeyType),
        ("certificate", pem!("es256.cert"), Algorithm::Es256, KeyError::WrongKeyType),
        ("not PEM", "secret", Algorithm::EdDsa, KeyError::InvalidPem),
        ("empty", "", Algorithm::EdDsa, KeyError::InvalidPem),
        ("no end", "-----BEGIN PRIVATE KEY", Algorithm::EdDsa, KeyError::InvalidPem),
        ("damaged", "-----BEGIN PRIVATE KEY-----\nMC4\n", Algorithm::EdDsa, KeyError::WrongKeyType),
    ];
    for (name, pem, algorithm, expected) in cases {
        assert_eq!(SigningKey::from_pem(*algorithm, pem).err(), Some(*expected), "{name}");
    }
}

#[test]
fn other_public_keys_are_rejected_with_the_reason() {
    let cases: &[(&str, &str, Algorithm, KeyError)] = &[
        ("compressed", pem!("es256.compressed.pub"), Algorithm::Es256, KeyError::CompressedPoint),
        ("OpenSSH", pem!("ed25519.openssh.pub"), Algorithm::EdDsa, KeyError::OpenSshKey),
        ("OpenSSH", pem!("es256.openssh.pub"), Algorithm::Es256, KeyError::OpenSshKey),
        ("private, OpenSSH", pem!("es256.openssh"), Algorithm::Es256, KeyError::PrivateKey),
        ("a bit short", pem!("rsa2047.pub"), Algorithm::Rs256, KeyError::ShortRsaKey),
        ("short", pem!("rsa1024.pub"), Algorithm::Rs256, KeyError::ShortRsaKey),
        ("not on the curve", pem!("secp256k1.pub"), Algorithm::Es256, KeyError::UnusableKey),
        ("other curve", pem!("es384.pub"), Algorithm::Es256, KeyError::WrongKeyType),
        ("EC for RSA", pem!("es256.pub"), Algorithm::Ps256, KeyError::WrongKeyType),
        ("RSA for EC", pem!("rsa.pub"), Algorithm::Es256, KeyError::WrongKeyType),
        ("EC for Ed25519", pem!("es256.pub"), Algorithm::EdDsa, KeyError::WrongKeyType),
        ("private", pem!("rsa"), Algorithm::Rs256, KeyError::PrivateKey),
        ("private, PKCS#1", pem!("rsa.pkcs1"), Algorithm::Rs256, KeyError::PrivateKey),
        ("private, SEC1", pem!("es256.sec1"), Algorithm::Es256, KeyError::PrivateKey),
        ("private, encrypted", pem!("es256.encrypted"), Algorithm::Es256, KeyError::PrivateKey),
        ("private, Ed25519", pem!("ed25519"), Algorithm::EdDsa, KeyError::PrivateKey),
        ("private, of another type", pem!("rsa"), Algorithm::EdDsa, KeyError::PrivateKey),
        ("certificate", pem!("es256.cert"), Algorithm::Es256, KeyError::WrongKeyType),
        (
            "the neutral element of Ed25519, for which everybody can sign",
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n-----END PUBLIC KEY-----",
            Algorithm::EdDsa,
            KeyError::UnusableKey,
        ),
        // 31 bytes instead of 32.
        (
            "cut",
            "-----BEGIN PUBLIC KEY-----\nMCkwBQYDK2VwAyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n-----END PUBLIC KEY-----",
            Algorithm::EdDsa,
            KeyError::WrongKeyType,
        ),
    ];
    for (name, pem, algorithm, expected) in cases {
        assert_eq!(VerifyingKey::from_pem(*algorithm, pem).err(), Some(*expected), "{name}");
    }
}

#[test]
fn secrets_are_at_least_as_long_as_their_hash() {
    assert_eq!(SigningKey::from_secret(Algorithm::Hs256, &SECRET[..31]).err(), Some(KeyError::ShortSecret));
    assert_eq!(SigningKey::from_secret(Algorithm::Hs384, &SECRET[..47]).err(), Some(KeyError::ShortSecret));
    assert_eq!(SigningKey::from_secret(Algorithm::Hs512, &SECRET[..63]).err(), Some(KeyError::ShortSecret));
    assert_eq!(VerifyingKey::from_secret(Algorithm::Hs256, &SECRET[..31]).err(), Some(KeyError::ShortSecret));
    assert!(SigningKey::from_secret(Algorithm::Hs256, &SECRET[..32]).is_ok());
    assert!(SigningKey::from_secret(Algorithm::Hs384, &SECRET[..48]).is_ok());
    assert!(SigningKey::from_secret(Algorithm::Hs512, &SECRET[..64]).is_ok());
}

#[test]
fn a_key_of_the_other_form_than_the_algorithm_needs_is_rejected() {
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let (private, public) = (pem!("ed25519"), pem!("ed25519.pub"));
        let expected = Some(KeyError::SymmetricAlgorithm);
        assert_eq!(SigningKey::from_pem(algorithm, private).err(), expected, "{algorithm}");
        assert_eq!(VerifyingKey::from_pem(algorithm, public).err(), expected, "{algorithm}");
        assert_eq!(VerifyingKey::from_pem(algorithm, SECRET).err(), expected, "{algorithm}");
    }
    let with_key_pairs =
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256];
    for algorithm in with_key_pairs {
        let expected = Some(KeyError::AsymmetricAlgorithm);
        assert_eq!(SigningKey::from_secret(algorithm, SECRET).err(), expected, "{algorithm}");
        assert_eq!(VerifyingKey::from_secret(algorithm, SECRET).err(), expected, "{algorithm}");
        assert_eq!(VerifyingKey::from_secret(algorithm, "").err(), expected, "{algorithm}");
    }
}
