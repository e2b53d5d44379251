//! The identifier of a bound session, by which the browser names it: the session's handle with a MAC, so that no store is asked for
//! a forged one. It is not secret and proves nothing.
//!
//! A browser ends a session whose refresh is answered with another identifier. So it is the same on every server at each time, and
//! after the refresh keys have been rotated the answer repeats the browser's text.

use tower_refresh_core::SessionHandle;

use super::sealed::{self, DeviceContext, Purpose};
use crate::{crypto::CryptoError, keys::PreparedKeys};

/// The identifier of a session that is about to be registered.
pub(crate) fn encode(
    handle: SessionHandle,
    keys: &PreparedKeys,
    context: &DeviceContext,
) -> Result<String, CryptoError> {
    sealed::seal(handle.as_bytes(), Purpose::Identifier, keys, context)
}

/// The session that the identifier names, if it is canonical and has a valid MAC of a key of the ring.
pub(crate) fn decode(text: &[u8], keys: &PreparedKeys, context: &DeviceContext) -> Option<SessionHandle> {
    Some(SessionHandle::from_bytes(sealed::open(text, Purpose::Identifier, keys, context)?))
}

/// The session that a canonical identifier names, whatever its MAC. It may be of a key that is no longer in the ring: the refresh
/// tokens of an active session have moved to the new key, and the browser's identifier has not.
pub(crate) fn decode_unverified(text: &[u8]) -> Option<SessionHandle> {
    sealed::body_unverified(text).map(SessionHandle::from_bytes)
}
