//! The checks of the settings.

use std::time::Duration;

use http::HeaderName;

use super::ConfigError;
use crate::{
    clock::MAX_CLOCK_SKEW,
    credentials::cross_site,
    middleware::is_caching_header,
    refresh_token::MacContext,
    settings::{DeviceSettings, Settings},
};

/// Short enough for a header, and for the context of refresh tokens.
const LONGEST_ISSUER: usize = 1024;
const _: () = assert!(LONGEST_ISSUER <= MacContext::LONGEST_ISSUER);

pub(crate) const LARGEST_CACHE: usize = 1 << 24;

/// A browser refreshes ahead when its cookie has 2 minutes left. What is left of 5 minutes after the jitter and the cookie's margin gives
/// it two and a half minutes between two refreshes, and it may sign once in 90 seconds.
const SHORTEST_DEVICE_BOUND_LIFETIME: Duration = Duration::from_secs(5 * 60);

const RESERVED_HEADERS: [&str; 9] = [
    "access-control-expose-headers",
    "authorization",
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "set-cookie",
    "transfer-encoding",
    "vary",
];

/// Checks every setting.
///
/// # Errors
/// The first one that is wrong.
pub(super) fn validate(settings: &Settings) -> Result<(), ConfigError> {
    settings.policy.validate()?;
    if !is_issuer(&settings.issuer) {
        return Err(ConfigError::InvalidIssuer);
    }
    if settings.audience.is_empty() {
        return Err(ConfigError::InvalidAudience);
    }
    let header = settings.transports.header.as_ref();
    if header.is_none() && !settings.transports.cookie {
        return Err(ConfigError::NoTransport);
    }
    if let Some(name) = header.filter(|name| is_reserved(name)) {
        return Err(ConfigError::InvalidAccessHeader { name: name.to_string() });
    }
    if let Some(origin) = settings.trusted_origins.iter().find(|origin| !cross_site::is_origin(origin)) {
        return Err(ConfigError::InvalidTrustedOrigin { origin: origin.clone() });
    }
    let [access, refresh] = &settings.cookies.base_names;
    if !is_cookie_name(access) || !is_cookie_name(refresh) || access == refresh {
        return Err(ConfigError::InvalidCookieName);
    }
    if settings.cookies.domain.as_deref().is_some_and(|domain| !is_host_name(domain)) {
        return Err(ConfigError::InvalidCookieDomain);
    }
    if settings.backend_timeout.is_zero() {
        return Err(ConfigError::InvalidBackendTimeout);
    }
    if settings.dead_session_retention < shortest_retention(settings) {
        return Err(ConfigError::InvalidDeadSessionRetention);
    }
    if settings.token_cache_capacity > LARGEST_CACHE {
        return Err(ConfigError::InvalidTokenCacheCapacity);
    }
    if settings.max_sessions == Some(0) {
        return Err(ConfigError::InvalidMaxSessions);
    }
    match &settings.device {
        Some(device) => validate_device(device, settings),
        None => Ok(()),
    }
}

fn validate_device(device: &DeviceSettings, settings: &Settings) -> Result<(), ConfigError> {
    if !settings.transports.cookie {
        return Err(ConfigError::DeviceBindingWithoutAccessCookie);
    }
    if !settings.cookies.secure {
        return Err(ConfigError::DeviceBindingWithInsecureCookies);
    }
    if settings.cookies.domain.is_some() {
        return Err(ConfigError::DeviceBindingWithCookieDomain);
    }
    if settings.policy.access_lifetime < SHORTEST_DEVICE_BOUND_LIFETIME {
        return Err(ConfigError::AccessLifetimeTooShortForDeviceBinding);
    }
    let excluded = device.excluded_paths.iter();
    let is_valid_exclusion = |path: &str| is_path(path.strip_suffix('/').unwrap_or(path));
    let invalid = (!is_path(&device.routes)).then_some(&device.routes);
    match invalid.or_else(|| excluded.into_iter().find(|path| !is_valid_exclusion(path))) {
        Some(path) => Err(ConfigError::InvalidDevicePath { path: path.clone() }),
        None => Ok(()),
    }
}

/// Whether it is an absolute path that browsers leave as it is, and that fits into a quoted string of a header: without empty segments,
/// so that no host is in it, and without those that are resolved. Without a wildcard, which browsers would take literally.
fn is_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"*\\?#<>^`{|}".contains(&byte);
    let is_dots =
        |segment: &str| matches!(&*segment.to_ascii_lowercase().replace("%2e", "."), "" | "." | "..");
    let is_segment = |segment: &str| !is_dots(segment) && segment.bytes().all(is_plain);
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment))
}

/// Whether it is printable, so that it fits into a challenge, and not too long.
pub(crate) fn is_issuer(text: &str) -> bool {
    let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    !text.is_empty() && is_printable && text.len() <= LONGEST_ISSUER
}

fn is_reserved(name: &HeaderName) -> bool {
    RESERVED_HEADERS.contains(&name.as_str()) || is_caching_header(name)
}

/// Other servers must still learn that a session has ended while its access tokens are unexpired.
fn shortest_retention(settings: &Settings) -> Duration {
    settings.policy.access_lifetime + MAX_CLOCK_SKEW
}

/// A token (RFC 9110 §5.6.2) without a prefix, to which browsers give a meaning whatever its case.
pub(crate) fn is_cookie_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with("__")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_host_name(domain: &str) -> bool {
    domain.len() <= 253
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}
