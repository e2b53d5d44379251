//! Device-bound sessions (W3C draft "Device Bound Session Credentials"): what a browser and this server say to each other. The caller
//! has the session's row, the time and the request.
//!
//! 1. The response to a login offers a registration ([`headers::registration`]), with a [`Challenge`].
//! 2. The browser makes a key, and sends it with a proof ([`proof::register`]). The [`instructions`] say when it is to prove the key
//!    again.
//! 3. When the access cookie is missing, the browser proves that it has the key ([`proof::refresh`]) by signing another
//!    [`Challenge`].

mod challenge;
mod error;
mod failures;
pub(crate) mod headers;
pub(crate) mod identifier;
mod instructions;
mod key;
mod offers;
pub(crate) mod proof;
mod sealed;
mod structured;
#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod tests;

use http::HeaderMap;

pub(crate) use self::{
    challenge::{Challenge, ChallengeError},
    failures::Failures,
    instructions::{Origin, forget, instructions},
    key::DeviceKey,
    offers::{Offers, is_offer_possible, may_second_offer_be_due},
    sealed::DeviceContext,
};
use crate::settings::Settings;

/// Whether a browser registers its device or proves it. No script can send the first header, and one that sends the second one is
/// anonymous.
pub(crate) fn is_device_request(settings: &Settings, headers: &HeaderMap) -> bool {
    settings.device.is_some()
        && (headers.contains_key(headers::SESSION_ID) || headers.contains_key(headers::RESPONSE))
}
