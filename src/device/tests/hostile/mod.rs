//! Proofs that are rejected, each with the reason.

use super::{
    ProofError::{
        BadSignature, DuplicateMember, InvalidKey, Malformed, MissingChallenge, MissingKey, SeveralHeaders,
        TooLarge, UnexpectedKey, UnsupportedHeader, UnsupportedKey, WrongAlgorithm, WrongType,
    },
    *,
};

mod header;
mod key;
mod payload;
mod shape;
mod signature;

/// Why, the values of the header, and the error.
type Case = (&'static str, Vec<Vec<u8>>, ProofError);

fn one(reason: &'static str, value: impl Into<Vec<u8>>, error: ProofError) -> Case {
    (reason, vec![value.into()], error)
}

#[test]
fn hostile_proofs_are_rejected_at_registration_and_refresh() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for mode in MODES {
        let mut cases = [
            shape::values(mode),
            shape::shapes(mode),
            header::headers(mode),
            signature::signatures(mode),
            payload::payloads(mode),
        ]
        .concat();
        match mode {
            Mode::Register => cases.extend(key::keys()),
            Mode::Refresh => cases.extend(key::other_keys()),
        }
        for (reason, values, error) in cases {
            let seen = mode.verify(&values);
            if seen != Err(error) {
                wrong.push(format!("{mode:?}: {reason}: {seen:?} in place of {error:?}"));
            }
            checked += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked >= 150, "{checked}");
}

#[test]
fn a_proof_that_does_not_verify_is_not_malformed() {
    let well_formed = [WrongAlgorithm, UnsupportedKey, BadSignature];
    let malformed = [
        SeveralHeaders,
        TooLarge,
        Malformed,
        DuplicateMember,
        UnsupportedHeader,
        WrongType,
        MissingKey,
        UnexpectedKey,
        InvalidKey,
        MissingChallenge,
    ];
    assert!(well_formed.iter().all(|error| !error.is_malformed()));
    assert!(malformed.iter().all(|error| error.is_malformed()));
    let names: std::collections::BTreeSet<_> =
        well_formed.iter().chain(&malformed).map(|error| error.as_str()).collect();
    assert_eq!(names.len(), 13);
}
