//! The messages on the channel of ended sessions.
//!
//! ```text
//!  0      1        17         25
//!  | kind | handle | ended at | what a later version adds …
//! ```
//! The kind of a session end is 1. Messages of other kinds, and what follows the time, are ignored, so that a later version can add
//! both. Each store sends an empty message when it is opened, to find out whether its user may publish.

use tower_refresh_core::{SessionHandle, Timestamp};

const ENDED: u8 = 1;

pub(crate) fn encode(handle: SessionHandle, at: Timestamp) -> [u8; 25] {
    let mut message = [ENDED; 25];
    message[1..17].copy_from_slice(handle.as_bytes());
    message[17..].copy_from_slice(&at.as_millis().to_be_bytes());
    message
}

pub(super) fn decode(message: &[u8]) -> Option<(SessionHandle, Timestamp)> {
    let (&[kind], rest) = message.split_first_chunk()?;
    let (handle, rest) = rest.split_first_chunk()?;
    let (at, _) = rest.split_first_chunk()?;
    let at = Timestamp::from_millis(u64::from_be_bytes(*at));
    (kind == ENDED).then(|| (SessionHandle::from_bytes(*handle), at))
}
