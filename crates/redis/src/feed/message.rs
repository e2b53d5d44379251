//! The messages on the channel of the feed.
//!
//! ```text
//!  0      1        17         25
//!  | 1    | handle | ended at | what a later version adds …         a session ended
//!  | 2    | handle | outdated at | epoch | what a later version adds …   claims with a lower epoch are outdated
//!  0      1        17            25      29
//! ```
//! Messages of other kinds, and what follows, are ignored, so that a later version can add both. Each store sends an empty message
//! when it is opened, to find out whether its user may publish.

use tower_refresh_core::{SessionHandle, Timestamp};

const ENDED: u8 = 1;
const OUTDATED: u8 = 2;

pub(super) enum Message {
    Ended(SessionHandle, Timestamp),
    Outdated(SessionHandle, Timestamp, u32),
}

pub(crate) fn ended(handle: SessionHandle, at: Timestamp) -> [u8; 25] {
    encode(ENDED, handle, at)
}

/// The script appends the epoch.
pub(crate) fn outdated_without_epoch(handle: SessionHandle, at: Timestamp) -> [u8; 25] {
    encode(OUTDATED, handle, at)
}

fn encode(kind: u8, handle: SessionHandle, at: Timestamp) -> [u8; 25] {
    let mut message = [kind; 25];
    message[1..17].copy_from_slice(handle.as_bytes());
    message[17..].copy_from_slice(&at.as_millis().to_be_bytes());
    message
}

/// `None` if a later version sent it, or somebody else.
pub(super) fn decode(message: &[u8]) -> Option<Message> {
    let (&[kind], rest) = message.split_first_chunk()?;
    let (&handle, rest) = rest.split_first_chunk()?;
    let (&at, rest) = rest.split_first_chunk()?;
    let (handle, at) = (SessionHandle::from_bytes(handle), Timestamp::from_millis(u64::from_be_bytes(at)));
    match kind {
        ENDED => Some(Message::Ended(handle, at)),
        OUTDATED => {
            let (&epoch, _) = rest.split_first_chunk()?;
            Some(Message::Outdated(handle, at, u32::from_be_bytes(epoch)))
        }
        _ => None,
    }
}
