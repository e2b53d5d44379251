//! An application that uses jsonwebtoken, in its own version and with its own backend, in one build with tower-refresh.
//!
//! Cargo unifies the features of a dependency within a build. If tower-refresh enabled a backend of jsonwebtoken, and the
//! application the other one, then jsonwebtoken would find two and panic in the application's `encode`.

#![cfg(test)]
#![cfg(any(feature = "ours_aws_lc_rs", feature = "ours_rust_crypto"))]
// With both of its backends, an application must choose one itself.
#![cfg(any(
    all(feature = "application_aws_lc_rs", not(feature = "application_rust_crypto")),
    all(feature = "application_rust_crypto", not(feature = "application_aws_lc_rs")),
))]

use std::{io, time::SystemTime};

use serde::{Deserialize, Serialize};
use tower_refresh::{Auth, Identity, KeyRing, MemoryStore};

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/keys/", $name, ".pem"))
    };
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

/// Builds an [`Auth`] with a key of each type, which signs and verifies with each of them once.
fn use_tower_refresh() {
    let rings = [
        KeyRing::ephemeral(),
        KeyRing::ed25519_pem(pem!("ed25519")),
        KeyRing::es256_pem(pem!("es256")),
        KeyRing::rs256_pem(pem!("rsa")),
    ];
    for ring in rings {
        Auth::builder(ring.unwrap())
            .issuer("https://api.example.com")
            .audience("compat")
            .store(MemoryStore::new())
            .claims(|_, _| async { Ok::<_, io::Error>(Some(Identity::new(()))) })
            .build()
            .unwrap();
    }
}

/// The application signs and verifies as in the documentation of jsonwebtoken. The first call selects the backend.
macro_rules! application {
    ($name:ident, $jsonwebtoken:ident, $secret:expr) => {
        #[test]
        fn $name() {
            use $jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};

            use_tower_refresh();
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
            let claims = Claims { sub: "alice".into(), exp: now + 3600 };
            let (signing, verifying) = $secret;
            let keys = [
                (Algorithm::HS256, signing, verifying),
                (
                    Algorithm::EdDSA,
                    EncodingKey::from_ed_pem(pem!("ed25519")).unwrap(),
                    DecodingKey::from_ed_pem(pem!("ed25519.pub")).unwrap(),
                ),
            ];
            for (algorithm, signing, verifying) in keys {
                let token = encode(&Header::new(algorithm), &claims, &signing).unwrap();
                let read = decode::<Claims>(&token, &verifying, &Validation::new(algorithm)).unwrap();
                assert_eq!(read.claims, claims, "{algorithm:?}");
            }
            use_tower_refresh();
        }
    };
}

const SECRET: &[u8] = b"a secret of the application, 32 bytes or more";

application!(jsonwebtoken_11_works_in_the_application, jsonwebtoken_11, {
    (EncodingKey::from_secret(SECRET), DecodingKey::from_secret(SECRET))
});
application!(jsonwebtoken_12_works_in_the_application, jsonwebtoken_12, {
    (EncodingKey::from_secret(SECRET).unwrap(), DecodingKey::from_secret(SECRET).unwrap())
});
