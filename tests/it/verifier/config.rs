//! Invalid settings are errors of the builder.

use std::time::Duration;

use tower_refresh::{
    ConfigError, MemoryStore, Verifier, VerifierBuilder,
    keys::{Algorithm, KeyError, VerifyingKey},
};

use super::issuer::{AUDIENCE, Endpoint, ISSUER, Key};

const SECOND: Duration = Duration::from_secs(1);

/// Complete but for the keys.
fn without_keys() -> VerifierBuilder<()> {
    Verifier::builder().issuer(ISSUER).audience(AUDIENCE)
}

fn with_jwks() -> VerifierBuilder<()> {
    let endpoint = Endpoint::new(&[Key::Ed]);
    without_keys().jwks(move || endpoint.fetch())
}

fn secret() -> VerifyingKey {
    VerifyingKey::from_secret(Algorithm::Hs256, [1; 32]).unwrap()
}

#[test]
fn each_invalid_setting_is_an_error_of_the_builder() {
    assert!(with_jwks().build().is_ok());
    assert!(without_keys().keys([Key::Ed.verifying(), secret()]).build().is_ok());

    type Case = (&'static str, VerifierBuilder<()>, fn(&ConfigError) -> bool);
    let cases: Vec<Case> = vec![
        ("no issuer", Verifier::builder().audience("x"), |e| matches!(e, ConfigError::InvalidIssuer)),
        ("an issuer with a line break", with_jwks().issuer("a\nb"), |e| {
            matches!(e, ConfigError::InvalidIssuer)
        }),
        ("a long issuer", with_jwks().issuer("a".repeat(1025)), |e| matches!(e, ConfigError::InvalidIssuer)),
        ("no audience", Verifier::builder().issuer("x"), |e| matches!(e, ConfigError::InvalidAudience)),
        ("an empty audience", with_jwks().audience(""), |e| matches!(e, ConfigError::InvalidAudience)),
        ("no keys", without_keys(), |e| matches!(e, ConfigError::MissingKeys)),
        ("an empty list of keys", without_keys().keys([]), |e| matches!(e, ConfigError::MissingKeys)),
        ("both sources of keys", with_jwks().keys([Key::Ed.verifying()]), |e| {
            matches!(e, ConfigError::TwoKeySources)
        }),
        ("a key twice", without_keys().keys([Key::Ed.verifying(), Key::Ed.verifying()]), |e| {
            matches!(e, ConfigError::InvalidKey(KeyError::DuplicateKeyId))
        }),
        ("an empty kid", without_keys().keys([Key::Ed.verifying().with_kid("")]), |e| {
            matches!(e, ConfigError::InvalidKey(KeyError::InvalidKeyId))
        }),
        ("no algorithm", with_jwks().algorithms([]), |e| matches!(e, ConfigError::NoAlgorithm)),
        ("a symmetric algorithm for a set", with_jwks().algorithms([Algorithm::Hs256]), |e| {
            matches!(e, ConfigError::SymmetricJwksAlgorithm)
        }),
        (
            "a key of another algorithm",
            without_keys().keys([Key::Ed.verifying()]).algorithms([Algorithm::Es256]),
            |e| matches!(e, ConfigError::KeyOfOtherAlgorithm),
        ),
        ("no time for a fetch", with_jwks().fetch_timeout(Duration::ZERO), |e| {
            matches!(e, ConfigError::InvalidFetchTimeout)
        }),
        ("too much time for a fetch", with_jwks().fetch_timeout(31 * SECOND), |e| {
            matches!(e, ConfigError::InvalidFetchTimeout)
        }),
        ("fetches all the time", with_jwks().refresh_every(29 * SECOND), |e| {
            matches!(e, ConfigError::InvalidKeyAge)
        }),
        ("stale before they are fetched again", with_jwks().stale_for(599 * SECOND), |e| {
            matches!(e, ConfigError::InvalidKeyAge)
        }),
        ("a long leeway", with_jwks().leeway(61 * SECOND), |e| matches!(e, ConfigError::InvalidLeeway)),
        ("no life", with_jwks().access_lifetime(Duration::ZERO), |e| {
            matches!(e, ConfigError::InvalidAccessLifetime)
        }),
        ("an empty typ", with_jwks().accept_typ(""), |e| matches!(e, ConfigError::InvalidTyp)),
        ("an empty scope claim", with_jwks().scope_claims([""]), |e| {
            matches!(e, ConfigError::InvalidScopeClaim)
        }),
        ("a scope claim with another meaning", with_jwks().scope_claims(["sub"]), |e| {
            matches!(e, ConfigError::InvalidScopeClaim)
        }),
        (
            "ended sessions that no token names",
            with_jwks().ended_sessions(MemoryStore::new()).without_session_id(),
            |e| matches!(e, ConfigError::EndedSessionsWithoutSessionId),
        ),
        ("an empty cookie name", with_jwks().access_cookie(""), |e| {
            matches!(e, ConfigError::InvalidCookieName)
        }),
        ("a prefix without a name", with_jwks().access_cookie("__Host-"), |e| {
            matches!(e, ConfigError::InvalidCookieName)
        }),
        ("a cookie name with a space", with_jwks().access_cookie("a b"), |e| {
            matches!(e, ConfigError::InvalidCookieName)
        }),
        ("an origin with a path", with_jwks().trusted_origin("https://a.example/"), |e| {
            matches!(e, ConfigError::InvalidTrustedOrigin { .. })
        }),
        ("a cache of everything", with_jwks().token_cache_capacity((1 << 24) + 1), |e| {
            matches!(e, ConfigError::InvalidTokenCacheCapacity)
        }),
    ];
    for (what, builder, is_expected) in cases {
        let error = builder.build().err().unwrap_or_else(|| panic!("no error: {what}"));
        assert!(is_expected(&error), "{what}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn the_limits_themselves_are_valid() {
    let builders = [
        with_jwks().fetch_timeout(30 * SECOND),
        with_jwks().refresh_every(30 * SECOND).stale_for(30 * SECOND),
        with_jwks().leeway(60 * SECOND),
        with_jwks().access_cookie("__Host-access").trusted_origin("https://app.example.com"),
        with_jwks().access_cookie("access"),
        with_jwks().token_cache_capacity(1 << 24),
        without_keys().keys([secret()]).algorithms([Algorithm::Hs256]),
    ];
    for builder in builders {
        builder.build().unwrap();
    }
}
