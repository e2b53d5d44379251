//! Access tokens from a proof of the device, made with the server's secret.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::support::{Browser, browser::ACCESS, hmac::hmac_sha256, mint, world::SECRET};

/// The access token with other claims, signed anew.
pub(super) fn with_claims(access: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = mint::claims(access);
    change(&mut claims);
    let header = access.split('.').next().unwrap();
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac_sha256(SECRET, message.as_bytes())))
}

/// Replaces the access token by the same one from a proof of the device.
pub(super) fn prove(browser: &mut Browser) {
    let proven = with_claims(browser.access().unwrap(), |claims| claims["dbsc"] = true.into());
    browser.cookies.insert(ACCESS.to_owned(), proven);
}
