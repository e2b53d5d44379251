//! The input of both decisions.

use crate::{SessionRow, Timestamp};

/// One use of a refresh token: the session's row, the presented generation and the time.
///
/// Build a new one for each decision, because the row and the time may have changed since the last one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The session's row, or `None` if the store has none.
    pub row: Option<&'a SessionRow>,
    /// Whether the session's handle is in this server's denylist, which counts as ended.
    pub denied: bool,
    /// The generation in the presented token. Its MAC must have been verified.
    pub generation: u32,
    /// Whether the request proves that it comes from the device to which the session is bound.
    pub proof: DeviceProof,
    /// The current time.
    pub now: Timestamp,
}

/// Whether a request proves that it comes from the device to which its session is bound, if the session is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceProof {
    /// Bindings are not enforced: the refresh token alone is enough.
    #[default]
    NotRequired,
    /// The request has none. In a session with a confirmed binding its refresh token does not authenticate.
    Missing,
    /// The request has a valid one, which [`prove`](super::prove) has accepted. The client is then the one that logged in, so a
    /// lost response costs no late budget.
    Given,
}

impl<'a> Attempt<'a> {
    /// An attempt to use the token of `generation` at `now`. The session is not in the denylist, and no device proof is
    /// required.
    pub const fn new(row: Option<&'a SessionRow>, generation: u32, now: Timestamp) -> Self {
        Self { row, denied: false, generation, proof: DeviceProof::NotRequired, now }
    }

    /// Sets whether the session's handle is in the denylist.
    #[must_use]
    pub const fn with_denied(self, denied: bool) -> Self {
        Self { denied, ..self }
    }

    /// Sets whether the request proves that it comes from the session's device.
    #[must_use]
    pub const fn with_proof(self, proof: DeviceProof) -> Self {
        Self { proof, ..self }
    }

    /// Whether the session requires a proof that the request does not have.
    pub(super) fn lacks_proof(&self) -> bool {
        let binding = self.row.and_then(|row| row.binding.as_ref());
        self.proof == DeviceProof::Missing && binding.is_some_and(|binding| binding.is_confirmed())
    }
}
