//! Headers of any bytes.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::device::{identifier, structured};

/// ECDSA signs with a random number, so two proofs of the same content differ.
static GOOD: LazyLock<String> = LazyLock::new(|| signed(&Mode::Refresh.header().to_string(), &payload()));

/// Pieces of structured values and of proofs, with a few random bytes.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<Vec<u8>> =
        ["\"", "\\", ";", ",", " ", "\t", "=", ".", "a", "A", "*", "%\"", "unreachable", "(", "1", ":", "?1"]
            .iter()
            .map(|piece| piece.as_bytes().to_vec())
            .chain([GOOD.clone().into_bytes(), GOOD.split('.').next().unwrap().into()])
            .collect();
    let piece = prop_oneof![
        4 => prop::sample::select(pieces),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

/// A valid proof with some bytes changed.
fn changed_proofs() -> impl Strategy<Value = (Mode, Vec<u8>, Vec<u8>)> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (prop::sample::select(MODES.as_slice()), prop::collection::vec(change, 1..4)).prop_map(
        |(mode, changes)| {
            let good = signed(&mode.header().to_string(), &payload()).into_bytes();
            let mut bytes = good.clone();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            (mode, good, bytes)
        },
    )
}

/// The string in a value, computed in another way than by a scanner: for values whose parameters have no quotes.
fn expected_string(value: &[u8]) -> Option<String> {
    let value = str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if !value.chars().all(|char| (' '..='~').contains(&char)) {
        return None;
    }
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.is_empty() && !value.contains(['"', '\\', ',', ';', ' '])).then(|| value.to_owned());
    };
    let (content, parameters) = rest.split_once('"')?;
    let is_parameter = |parameter: &str| {
        let (key, value) = parameter
            .trim_start_matches(' ')
            .split_once('=')
            .map_or((parameter.trim_start_matches(' '), None), |(key, value)| (key, Some(value)));
        key.starts_with(|first: char| first.is_ascii_lowercase() || first == '*')
            && key
                .chars()
                .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "_-.*".contains(char))
            && value.is_none_or(|value| {
                !value.is_empty()
                    && value
                        .chars()
                        .all(|char| char.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/@?=".contains(char))
            })
    };
    let parameters_are_valid = match parameters.strip_prefix(';') {
        Some(parameters) => parameters.split(';').all(is_parameter),
        None => parameters.is_empty(),
    };
    (parameters_are_valid && !content.is_empty() && !content.contains('\\')).then(|| content.to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strings_are_read_as_another_parser_reads_them(value in values()) {
        if HeaderValue::from_bytes(&value).is_err() {
            return Ok(());
        }
        let found = structured::string(&value).map(|found| String::from_utf8(found.to_vec()).unwrap());
        let has_quoted_parameter = value.iter().filter(|byte| **byte == b'"').count() > 2;
        if !has_quoted_parameter {
            prop_assert_eq!(&found, &expected_string(&value));
        }
        // What was found is read again as itself, bare and quoted.
        if let Some(found) = found {
            let quoted = structured::quote(&found).unwrap();
            prop_assert_eq!(structured::string(quoted.as_bytes()), Some(found.as_bytes()));
        }
    }

    #[test]
    fn quoted_text_reads_back(text in "[ -~]{1,40}") {
        let quoted = structured::quote(&text).unwrap();
        let expected = (!text.contains(['"', '\\'])).then_some(text.as_bytes());
        prop_assert_eq!(structured::string(quoted.as_bytes()), expected);
    }

    #[test]
    fn request_headers_of_any_bytes_are_no_proof(values in prop::collection::vec(values(), 0..3)) {
        let mut request = HeaderMap::new();
        for value in &values {
            let Ok(value) = HeaderValue::from_bytes(value) else { return Ok(()) };
            for name in [headers::RESPONSE, headers::SESSION_ID, headers::SKIPPED] {
                request.append(name, value.clone());
            }
        }
        if let Ok(Some(jwt)) = proof::read_response(&request) {
            prop_assert_eq!(values.len(), 1);
            prop_assert!(proof::register(jwt).is_err());
            prop_assert_eq!(proof::refresh(jwt, &device_key()).is_ok(), jwt == GOOD.as_bytes());
        }
        if let Some(id) = headers::session_id(&request) {
            prop_assert_eq!(identifier::decode(id, &ring(&[1]), &context()), None);
        }
        let mentions = values.iter().any(|value| value.windows(11).any(|part| part == b"unreachable"));
        prop_assert!(mentions || headers::skipped(&request) != Some(crate::event::DeviceRefreshSkipped::Unreachable));
    }

    #[test]
    fn a_changed_proof_is_rejected((mode, good, changed) in changed_proofs()) {
        if HeaderValue::from_bytes(&changed).is_ok() {
            prop_assert_eq!(mode.verify(std::slice::from_ref(&changed)).is_ok(), changed.trim_ascii() == good);
        }
    }

    #[test]
    fn stored_keys_of_any_bytes_are_read_only_in_their_own_form(bytes in prop::collection::vec(any::<u8>(), 0..300), algorithm in 0..4_u8) {
        let bytes = [&[algorithm], &bytes[..]].concat();
        if let Some(key) = DeviceKey::from_bytes(&bytes) {
            prop_assert_eq!(key.to_bytes(), bytes);
        }
    }
}
