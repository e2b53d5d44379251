//! What a handler does to the session of its request.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU8, Ordering},
};

use crate::{claims::User, tokens::Issued};

pub(crate) enum Change<C> {
    LoggedIn {
        user: Arc<User<C>>,
        issued: Issued,
    },
    /// The handler has the tokens, and sends them in the body.
    LoggedInNative {
        user: Arc<User<C>>,
    },
    Refreshed {
        /// `None` if it failed, and then no token was issued.
        user: Option<Arc<User<C>>>,
        issued: Issued,
    },
    LoggedOut,
}

impl<C> Clone for Change<C> {
    fn clone(&self) -> Self {
        match self {
            Self::LoggedIn { user, issued } => Self::LoggedIn { user: user.clone(), issued: issued.clone() },
            Self::LoggedInNative { user } => Self::LoggedInNative { user: user.clone() },
            Self::Refreshed { user, issued } => {
                Self::Refreshed { user: user.clone(), issued: issued.clone() }
            }
            Self::LoggedOut => Self::LoggedOut,
        }
    }
}

/// The last change, until the response head seals the slot. Nearly every request goes from the first phase to the last without
/// a lock.
pub(super) struct ChangeSlot<C> {
    phase: AtomicU8,
    change: Mutex<Option<Box<Change<C>>>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    Unchanged,
    /// There is a change in the slot.
    Changed,
    /// The response head is ready.
    Sealed,
}

impl<C> ChangeSlot<C> {
    #[inline]
    pub(super) fn new() -> Self {
        Self { phase: AtomicU8::new(Phase::Unchanged as u8), change: Mutex::new(None) }
    }

    /// Whether there is neither a change nor a response head yet.
    #[inline]
    pub(super) fn is_unchanged(&self) -> bool {
        self.phase.load(Ordering::Acquire) == Phase::Unchanged as u8
    }

    pub(super) fn peek(&self) -> Option<Change<C>> {
        self.lock().as_deref().cloned()
    }

    /// Returns whether the slot was not sealed.
    pub(super) fn set(&self, change: Change<C>) -> bool {
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

    /// The change stays in the slot: a body that is streamed still sees the user.
    pub(super) fn seal(&self) -> Option<Change<C>> {
        if self.seal_if_unchanged() {
            return None;
        }
        let slot = self.lock();
        self.advance(Phase::Changed, Phase::Sealed);
        slot.as_deref().cloned()
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == Phase::Sealed as u8
    }

    #[inline]
    fn advance(&self, from: Phase, to: Phase) -> bool {
        self.phase.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Change<C>>>> {
        self.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
