//! The messages on the channel of ended sessions: handle and time.

use tower_refresh_core::{SessionHandle, Timestamp};

pub(crate) fn encode(handle: SessionHandle, at: Timestamp) -> [u8; 24] {
    let mut message = [0; 24];
    message[..16].copy_from_slice(handle.as_bytes());
    message[16..].copy_from_slice(&at.as_millis().to_be_bytes());
    message
}

pub(super) fn decode(message: &[u8]) -> Option<(SessionHandle, Timestamp)> {
    let (handle, at) = message.split_first_chunk()?;
    let at = u64::from_be_bytes(at.try_into().ok()?);
    Some((SessionHandle::from_bytes(*handle), Timestamp::from_millis(at)))
}
