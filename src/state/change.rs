//! What a handler does to the session of its request.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use tower_refresh_core::{SessionHandle, Subject};

use crate::tokens::Issued;

#[derive(Clone)]
pub(crate) enum Change {
    LoggedIn {
        session: SessionHandle,
        subject: Subject,
        issued: Issued,
    },
    /// The handler has the tokens, and sends them in the body.
    LoggedInNative {
        session: SessionHandle,
        subject: Subject,
    },
    Refreshed {
        issued: Issued,
    },
    LoggedOut,
}

/// The last change, until the response head seals the slot. Nearly every request goes from the first phase to the last without
/// a lock.
#[derive(Default)]
pub(super) struct ChangeSlot {
    phase: AtomicU8,
    change: Mutex<Option<Box<Change>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// The value of a new [`ChangeSlot`].
    Unchanged,
    /// There is a change in the slot.
    Changed,
    /// The response head is ready.
    Sealed,
}

impl ChangeSlot {
    pub(super) fn peek(&self) -> Option<Change> {
        self.lock().as_deref().cloned()
    }

    /// Returns whether the slot was not sealed.
    pub(super) fn set(&self, change: Change) -> bool {
        let mut slot = self.lock();
        if !self.advance(Phase::Unchanged, Phase::Changed) && self.is_sealed() {
            return false;
        }
        *slot = Some(Box::new(change));
        true
    }

    #[inline]
    pub(super) fn seal_if_unchanged(&self) -> bool {
        self.advance(Phase::Unchanged, Phase::Sealed)
    }

    pub(super) fn seal(&self) -> Option<Box<Change>> {
        if self.seal_if_unchanged() {
            return None;
        }
        let mut slot = self.lock();
        self.advance(Phase::Changed, Phase::Sealed);
        slot.take()
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == Phase::Sealed as u8
    }

    #[inline]
    fn advance(&self, from: Phase, to: Phase) -> bool {
        self.phase.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Change>>> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
