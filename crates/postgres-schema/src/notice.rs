//! The notices of the feed.
//!
//! A notification's payload is fields, separated by spaces, to which a later version may append others:
//!
//! - `<handle> <time in milliseconds>`: the session ended.
//! - `stale <handle> <epoch>`: claims of the session with a lower epoch are outdated.
//!
//! Notices of other kinds begin with the name of the kind, which is not as long as a handle, and are ignored, as is what other
//! users of the database send to the channel.

use tower_refresh_core::{FeedWatcher, SessionHandle, Timestamp};

/// The name of the kind of a notice of outdated claims.
pub(crate) const OUTDATED_CLAIMS: &str = "stale";

/// A notice of the feed, sent on [`Statements::channel`](crate::Statements::channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The session ended at the time.
    Ended(SessionHandle, Timestamp),
    /// Claims of the session with an epoch below this one are outdated.
    Outdated(SessionHandle, u32),
}

impl Notice {
    /// Parses the payload of a notification. `None` if it is a notice of a kind that this version does not know, or none at all:
    /// every user of the database may send to the channel.
    pub fn parse(payload: &str) -> Option<Self> {
        let mut fields = payload.split(' ');
        let first = fields.next()?;
        if first == OUTDATED_CLAIMS {
            let (session, epoch) = (fields.next()?, fields.next()?);
            return Some(Self::Outdated(session.parse().ok()?, epoch.parse().ok()?));
        }
        let at = Timestamp::from_millis(fields.next()?.parse().ok()?);
        Some(Self::Ended(first.parse().ok()?, at))
    }

    /// Reports the payload of a notification to the watcher.
    pub fn report(payload: &str, watcher: &dyn FeedWatcher) {
        match Self::parse(payload) {
            Some(Self::Ended(session, at)) => watcher.ended(session, at),
            Some(Self::Outdated(session, epoch)) => watcher.outdated(session, epoch),
            None => watcher.unknown_notice(),
        }
    }
}
