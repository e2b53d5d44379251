//! The checks of the settings.

use std::time::Duration;

use super::key_options::KeyOptions;
use crate::{
    auth::{
        ConfigError,
        validate::{LARGEST_CACHE, is_cookie_name, is_issuer},
    },
    credentials::cross_site,
    crypto,
    jwks::COOLDOWN,
    keys::{Algorithm, KeyError, VerifyingKey},
    verifier_inner::VerifierSettings,
};

/// More would let a stolen token live on for long.
const LONGEST_LEEWAY: Duration = Duration::from_secs(60);

/// Claims with another meaning.
const RESERVED_CLAIMS: [&str; 11] =
    ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "auth_time", "epoch", "dbsc"];

/// Checks every setting.
///
/// # Errors
/// The first one that is wrong.
pub(super) fn validate(
    settings: &VerifierSettings,
    keys: &KeyOptions,
    has_feed: bool,
) -> Result<(), ConfigError> {
    if !is_issuer(&settings.issuer) {
        return Err(ConfigError::InvalidIssuer);
    }
    if settings.audiences.is_empty() || settings.audiences.iter().any(String::is_empty) {
        return Err(ConfigError::InvalidAudience);
    }
    validate_keys(keys)?;
    if settings.profile.leeway > LONGEST_LEEWAY {
        return Err(ConfigError::InvalidLeeway);
    }
    if settings.access_lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
        return Err(ConfigError::InvalidAccessLifetime);
    }
    if settings.profile.other_types.iter().any(String::is_empty) {
        return Err(ConfigError::InvalidTyp);
    }
    let is_unfit = |name: &String| name.is_empty() || RESERVED_CLAIMS.contains(&name.as_str());
    if settings.profile.scope_claims.iter().any(is_unfit) {
        return Err(ConfigError::InvalidScopeClaim);
    }
    if settings.profile.without_session_id && has_feed {
        return Err(ConfigError::EndedSessionsWithoutSessionId);
    }
    if settings.access_cookie.as_deref().is_some_and(|name| !is_full_cookie_name(name)) {
        return Err(ConfigError::InvalidCookieName);
    }
    if let Some(origin) = settings.trusted_origins.iter().find(|origin| !cross_site::is_origin(origin)) {
        return Err(ConfigError::InvalidTrustedOrigin { origin: origin.clone() });
    }
    if settings.token_cache_capacity > LARGEST_CACHE {
        return Err(ConfigError::InvalidTokenCacheCapacity);
    }
    Ok(())
}

fn validate_keys(keys: &KeyOptions) -> Result<(), ConfigError> {
    match (&keys.fetch, &keys.fixed) {
        (Some(_), None) if !crypto::HAS_BACKEND => return Err(KeyError::NoBackend.into()),
        (Some(_), None) => {}
        (None, Some(keys)) if !keys.is_empty() => {}
        (None, _) => return Err(ConfigError::MissingKeys),
        (Some(_), Some(_)) => return Err(ConfigError::TwoKeySources),
    }
    if let Some(algorithms) = &keys.algorithms {
        check_algorithms(algorithms, keys.fixed.as_deref())?;
    }
    if keys.fetch_timeout.is_zero() || keys.fetch_timeout > COOLDOWN {
        return Err(ConfigError::InvalidFetchTimeout);
    }
    if keys.refresh_every < COOLDOWN || keys.stale_for < keys.refresh_every {
        return Err(ConfigError::InvalidKeyAge);
    }
    Ok(())
}

/// `keys` are those that are fixed.
fn check_algorithms(algorithms: &[Algorithm], keys: Option<&[VerifyingKey]>) -> Result<(), ConfigError> {
    if algorithms.is_empty() {
        return Err(ConfigError::NoAlgorithm);
    }
    match keys {
        Some(keys) if keys.iter().any(|key| !algorithms.contains(&key.algorithm())) => {
            Err(ConfigError::KeyOfOtherAlgorithm)
        }
        None if algorithms.iter().any(|algorithm| algorithm.is_hmac()) => {
            Err(ConfigError::SymmetricJwksAlgorithm)
        }
        _ => Ok(()),
    }
}

/// A cookie name with its prefix, if it has one.
fn is_full_cookie_name(name: &str) -> bool {
    let base = ["__Host-", "__Secure-"].iter().find_map(|prefix| name.strip_prefix(prefix));
    is_cookie_name(base.unwrap_or(name))
}
