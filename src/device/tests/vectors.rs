//! Proofs and headers of other implementations, and of Chromium.

use super::*;

macro_rules! vectors {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../tests/vectors/dbsc/", $name, ".json")))
            .unwrap()
    };
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// A registration, and a refresh with the same key.
fn pairs() -> Vec<(String, Value, Value, Value)> {
    let (registration, refresh) = (vectors!("registration"), vectors!("refresh"));
    assert_eq!(registration["publicKeyJwk"], refresh["storedPublicKeyJwk"]);
    let proof = |jwt: &Value, challenge: &Value| json!({"jwt": jwt, "challenge": challenge});
    let mut pairs = vec![(
        "dbsc-toolkit".to_owned(),
        registration["publicKeyJwk"].clone(),
        proof(&registration["secureSessionResponse"], &registration["challenge"]),
        proof(&refresh["secureSessionResponse"], &refresh["expectedResult"]["jti"]),
    )];
    for (number, recording) in vectors!("chromium-156").as_array().unwrap().iter().enumerate() {
        let of = |name: &str| {
            let recorded = &recording[name];
            proof(&recorded["secure_session_response"], &recorded["payload"]["jti"])
        };
        let name = format!("Chromium {number} {}", text(recording, "alg"));
        pairs.push((name, recording["key"].clone(), of("registration"), of("refresh")));
    }
    pairs
}

#[test]
fn the_proofs_of_other_implementations_and_of_chromium_are_valid_and_with_any_byte_changed_they_are_not() {
    let pairs = pairs();
    assert_eq!(pairs.len(), 4);
    for (name, jwk, registration, refresh) in pairs {
        let registered = proof::register(text(&registration, "jwt").as_bytes()).unwrap();
        assert_eq!(registered.challenge, text(&registration, "challenge"), "{name}");
        assert_eq!(registered.key, DeviceKey::from_jwk(&jwk).unwrap(), "{name}");
        let stored = DeviceKey::from_bytes(&registered.key.to_bytes()).unwrap();
        let refreshed = proof::refresh(text(&refresh, "jwt").as_bytes(), &stored).unwrap();
        assert_eq!(refreshed.challenge, text(&refresh, "challenge"), "{name}");

        for jwt in [&registration, &refresh].map(|proof| text(proof, "jwt").as_bytes().to_vec()) {
            assert!(proof::refresh(&jwt, &device_key()).is_err(), "{name}: another key");
            for at in 0..jwt.len() {
                let mut changed = jwt.clone();
                changed[at] ^= 1;
                assert!(proof::register(&changed).is_err(), "{name}: byte {at} changed");
                assert!(proof::refresh(&changed, &stored).is_err(), "{name}: byte {at} changed");
            }
        }
        assert_eq!(proof::register(text(&refresh, "jwt").as_bytes()), Err(ProofError::MissingKey), "{name}");
        let as_refresh = proof::refresh(text(&registration, "jwt").as_bytes(), &stored);
        assert_eq!(as_refresh, Err(ProofError::UnexpectedKey), "{name}");
    }
}

#[test]
fn a_proof_of_one_device_is_none_of_another() {
    let pairs = pairs();
    for (name, _, _, refresh) in &pairs {
        for (other, jwk, _, _) in pairs.iter().filter(|(other, ..)| other != name) {
            let key = DeviceKey::from_jwk(jwk).unwrap();
            assert!(proof::refresh(text(refresh, "jwt").as_bytes(), &key).is_err(), "{name} {other}");
        }
    }
}

#[test]
fn the_private_key_of_a_vector_is_rejected() {
    let registration = vectors!("registration");
    assert_eq!(DeviceKey::from_jwk(&registration["privateKeyJwk"]), Err(ProofError::InvalidKey));
}

/// Ours offers RS256 too.
#[test]
fn headers_are_written_as_other_implementations_write_them() {
    let vectors = vectors!("registration-header");
    let (inputs, expected) = (&vectors["inputs"], &vectors["expected"]);
    let challenge = text(inputs, "challenge");
    let registration = headers::registration(text(inputs, "registrationPath"), challenge).unwrap();
    let theirs = text(expected, "Secure-Session-Registration").replacen("(ES256)", "(ES256 RS256)", 1);
    assert_eq!(registration, theirs);
    let with_id = headers::challenge(challenge, text(inputs, "sessionId")).unwrap();
    assert_eq!(with_id, text(expected, "Secure-Session-Challenge (with id)"));
}
