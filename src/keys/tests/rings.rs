//! Which rings are valid, and how keys are rotated.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{super::*, SECRET, pem};

#[test]
fn derived_ids_and_keys_never_change() {
    // Computed by another HMAC implementation. A change would end every session.
    let ring = KeyRing::hs256(&SECRET[..32]).unwrap().prepare().unwrap();
    assert!(ring.verifiers().by_id("4no0BNyhlU41GzosSsgPEg").is_some());
    let (id, mac) = ring.active_mac();
    assert_eq!(id, 227);
    assert_eq!(
        URL_SAFE_NO_PAD.encode(mac.mac(&[b"message"]).unwrap()),
        "JdNg5RcbKl_aOSqhzrPIs8LmTly1It0YXULvva4QVBE"
    );
}

#[test]
fn a_rotation_in_steps_keeps_every_token_valid() {
    let old = || SigningKey::from_pem(Algorithm::Es256, pem!("es256")).unwrap();
    let new = || SigningKey::from_pem(Algorithm::EdDsa, pem!("ed25519")).unwrap();
    let first = KeyRing::new(old())
        .accept(new().verifying_key())
        .accept_refresh_key(RefreshKey::derive(&new()).unwrap())
        .prepare()
        .unwrap();
    let then = KeyRing::new(new()).retire(old()).prepare().unwrap();

    for (signer, verifier) in [(&first, &then), (&then, &first)] {
        let signature = signer.sign(b"message").unwrap();
        let key = verifier.verifiers().by_header(signer.header().as_bytes()).unwrap();
        assert!(key.accepts(b"message", signature.as_ref()));
        let (id, mac) = signer.active_mac();
        assert_eq!(verifier.mac(id).unwrap().mac(&[b"message"]), mac.mac(&[b"message"]));
    }
    assert_ne!(first.active_mac().0, then.active_mac().0);
    assert_eq!(first.jwks().to_string(), then.jwks().to_string());
}

#[test]
fn an_explicit_refresh_key_replaces_the_derived_one() {
    let signing = || SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
    let derived = KeyRing::new(signing()).prepare().unwrap().active_mac().0;
    let ring =
        KeyRing::new(signing()).refresh_key(RefreshKey::from_bytes([7; 32]).with_id(9)).prepare().unwrap();
    assert_eq!(ring.active_mac().0, 9);
    assert!(ring.mac(9).is_some());
    assert!(ring.mac(derived).is_none());
}

#[test]
fn clashing_ids_and_keys_for_two_algorithms_are_rejected() {
    let ring = || KeyRing::ed25519_pem(pem!("ed25519")).unwrap();
    let other = || VerifyingKey::from_pem(Algorithm::Es256, pem!("es256.pub")).unwrap();
    let own = ring().prepare().unwrap().active_mac().0;
    let cases = [
        (
            "same key",
            ring().accept(VerifyingKey::from_pem(Algorithm::EdDsa, pem!("ed25519.pub")).unwrap()),
            KeyError::DuplicateKeyId,
        ),
        (
            "same kid",
            ring()
                .accept(other().with_kid("a"))
                .accept(VerifyingKey::from_secret(Algorithm::Hs256, SECRET).unwrap().with_kid("a")),
            KeyError::DuplicateKeyId,
        ),
        (
            "one RSA key for two algorithms",
            KeyRing::rs256_pem(pem!("rsa"))
                .unwrap()
                .accept(VerifyingKey::from_pem(Algorithm::Ps256, pem!("rsa.pub")).unwrap().with_kid("a")),
            KeyError::MultipleAlgorithms,
        ),
        (
            "a retired RSA key for another algorithm",
            KeyRing::new(SigningKey::from_pem(Algorithm::Ps256, pem!("rsa")).unwrap())
                .retire(SigningKey::from_pem(Algorithm::Rs256, pem!("rsa")).unwrap().with_kid("a")),
            KeyError::MultipleAlgorithms,
        ),
        (
            "one secret for two hashes",
            ring()
                .accept(VerifyingKey::from_secret(Algorithm::Hs256, [7; 48]).unwrap())
                .accept(VerifyingKey::from_secret(Algorithm::Hs384, [7; 48]).unwrap().with_kid("a")),
            KeyError::MultipleAlgorithms,
        ),
        ("no kid", ring().accept(other().with_kid("")), KeyError::InvalidKeyId),
        ("a long kid", ring().accept(other().with_kid("k".repeat(257))), KeyError::InvalidKeyId),
        (
            "refresh keys",
            ring().accept_refresh_key(RefreshKey::from_bytes([1; 32]).with_id(own)),
            KeyError::DuplicateRefreshKeyId,
        ),
        (
            "refresh keys by themselves",
            ring()
                .accept_refresh_key(RefreshKey::from_bytes([5; 32]))
                .accept_refresh_key(RefreshKey::from_bytes([20; 32])),
            KeyError::DuplicateRefreshKeyId,
        ),
    ];
    for (name, ring, expected) in cases {
        assert_eq!(ring.prepare().err(), Some(expected), "{name}");
    }
    let same = ring().accept_refresh_key(
        RefreshKey::derive(&SigningKey::from_pem(Algorithm::EdDsa, pem!("ed25519")).unwrap()).unwrap(),
    );
    assert_eq!(same.prepare().err(), None);
    let renamed =
        ring().accept(VerifyingKey::from_pem(Algorithm::EdDsa, pem!("ed25519.pub")).unwrap().with_kid("a"));
    assert_eq!(renamed.prepare().err(), None, "a key may change its name");
}

#[test]
fn a_key_that_does_not_verify_its_own_signatures_is_rejected() {
    let secret = |byte| SigningKey::from_secret(Algorithm::Hs256, [byte; 32]).unwrap();
    let torn = || {
        let mut key = secret(1);
        key.verifying = secret(2).verifying;
        key
    };
    assert_eq!(KeyRing::new(torn()).prepare().err(), Some(KeyError::UnusableKey));
    let retired = KeyRing::new(secret(1)).retire(torn().with_kid("other"));
    assert_eq!(retired.prepare().err(), Some(KeyError::UnusableKey));
}
