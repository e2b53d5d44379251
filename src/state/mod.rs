//! What the layer found out about a request, kept in the request's extensions.
//!
//! One extension, of one type whatever the claims, holds all: a handler that asks for other claims than the layer was
//! built with can be told so.

use std::{
    any::{Any, type_name},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use http::Extensions;
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use crate::{
    CustomClaims, Rejection, RejectionKind,
    auth::settings::Channel,
    fields::Kept,
    refresh::{Issued, Loaded},
    shared::Shared,
    token::{Carrier, Presented},
    user::User,
};

/// The extension.
#[derive(Clone)]
pub(crate) struct Found(pub(crate) Arc<dyn AnyState>);

/// The state of a request to a layer that was built with claims `C`.
pub(crate) struct State<C> {
    pub(crate) shared: Arc<Shared<C>>,
    pub(crate) outcome: Outcome<C>,
    pub(crate) origin: Origin,
    /// What the first half of a refresh found, where one was needed.
    pub(crate) loaded: Option<Arc<Loaded<C>>>,
    phase: AtomicU8,
    /// What the handler did, if it did anything.
    slot: Mutex<Option<Box<Change>>>,
}

/// Who is there.
pub(crate) enum Outcome<C> {
    Authenticated(Arc<User<C>>),
    Anonymous,
    Refused(RejectionKind),
}

/// What of the request the session's methods and the response need.
pub(crate) struct Origin {
    /// Of an access token that holds, expired or not.
    pub(crate) access_session: Option<SessionHandle>,
    pub(crate) cross_site: bool,
    /// Sent by a browser, as far as its fields tell.
    pub(crate) browser: bool,
    pub(crate) navigation: bool,
    /// Where a new access token goes.
    pub(crate) channel: Channel,
    /// Without cookies where they do not count.
    pub(crate) fields: Kept,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) presented: OnceLock<Box<Presented>>,
}

/// How far a request is: nearly every one gets from the first phase to the last without a lock.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    Untouched,
    /// The handler did something, which is in the slot.
    Changed,
    /// The response head is ready.
    Sealed,
}

/// What the handler did to the session.
#[derive(Clone)]
pub(crate) enum Change {
    LoggedIn {
        session: SessionHandle,
        subject: Subject,
        issued: Issued,
    },
    /// The tokens are in the handler's hands, and go into the body.
    LoggedInNative {
        session: SessionHandle,
        subject: Subject,
    },
    Refreshed {
        issued: Issued,
    },
    LoggedOut,
}

impl<C: CustomClaims> State<C> {
    #[inline]
    pub(crate) fn new(
        shared: Arc<Shared<C>>,
        outcome: Outcome<C>,
        origin: Origin,
        loaded: Option<Arc<Loaded<C>>>,
    ) -> Arc<Self> {
        let phase = AtomicU8::new(Phase::Untouched as u8);
        Arc::new(Self { shared, outcome, origin, loaded, phase, slot: Mutex::default() })
    }

    /// The user; `None` if nobody is logged in; an error for credentials that are refused.
    #[inline]
    pub(crate) fn user(&self) -> Result<Option<Arc<User<C>>>, Rejection> {
        match &self.outcome {
            Outcome::Authenticated(user) => Ok(Some(user.clone())),
            Outcome::Anonymous => Ok(None),
            Outcome::Refused(kind) => Err(self.reject(kind.clone())),
        }
    }

    #[inline]
    pub(crate) fn required_user(&self) -> Result<Arc<User<C>>, Rejection> {
        match &self.outcome {
            Outcome::Authenticated(user) => Ok(user.clone()),
            Outcome::Anonymous => Err(self.reject(RejectionKind::Unauthenticated)),
            Outcome::Refused(kind) => Err(self.reject(kind.clone())),
        }
    }

    /// The request's refresh token, read when it is first asked for.
    pub(crate) fn presented(&self) -> &Presented {
        self.origin.presented(&self.shared, self.shared.now())
    }

    pub(crate) fn reject(&self, kind: RejectionKind) -> Rejection {
        Rejection::new(kind, &self.shared.settings.presentation)
    }

    /// Who acts by the handler's leave: whom it logged in, else the request's user.
    pub(crate) fn acting(&self) -> Result<Option<(Subject, SessionHandle)>, Rejection> {
        match self.slot().as_deref() {
            Some(Change::LoggedIn { session, subject, .. } | Change::LoggedInNative { session, subject }) => {
                Ok(Some((subject.clone(), *session)))
            }
            Some(Change::LoggedOut) => Ok(None),
            Some(Change::Refreshed { .. }) | None => {
                Ok(self.user()?.map(|user| (user.subject.clone(), user.session)))
            }
        }
    }

    /// What the handler did so far.
    ///
    /// # Errors
    /// [`RejectionKind::Sealed`] once the response head is ready.
    pub(crate) fn change(&self) -> Result<Option<Change>, Rejection> {
        let change = self.slot().as_deref().cloned();
        if self.is_sealed() { Err(self.reject(RejectionKind::Sealed)) } else { Ok(change) }
    }

    /// Puts `change` in place of what the handler did before.
    ///
    /// # Errors
    /// [`RejectionKind::Sealed`] once the response head is ready.
    pub(crate) fn set_change(&self, change: Change) -> Result<(), Rejection> {
        let mut slot = self.slot();
        if !self.leave(Phase::Untouched, Phase::Changed) && self.is_sealed() {
            return Err(self.reject(RejectionKind::Sealed));
        }
        *slot = Some(Box::new(change));
        Ok(())
    }

    /// Whether the handler did nothing, and can do nothing any more.
    #[inline]
    pub(crate) fn seal_untouched(&self) -> bool {
        self.leave(Phase::Untouched, Phase::Sealed)
    }

    /// Takes what the handler did; nothing can be changed afterwards.
    pub(crate) fn seal(&self) -> Option<Box<Change>> {
        if self.seal_untouched() {
            return None;
        }
        let mut slot = self.slot();
        self.leave(Phase::Changed, Phase::Sealed);
        slot.take()
    }

    /// Whether nothing is left to be done for the session, unless the handler did something: the access token was enough.
    pub(crate) fn is_settled(&self) -> bool {
        self.loaded.is_none() && matches!(self.outcome, Outcome::Authenticated(_))
    }

    fn leave(&self, from: Phase, to: Phase) -> bool {
        self.phase.compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_sealed(&self) -> bool {
        self.phase.load(Ordering::Acquire) == Phase::Sealed as u8
    }

    fn slot(&self) -> MutexGuard<'_, Option<Box<Change>>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Origin {
    #[inline]
    pub(crate) fn new(ip: Option<IpAddr>) -> Self {
        Self {
            access_session: None,
            cross_site: false,
            browser: false,
            navigation: false,
            channel: Channel::Header,
            fields: Kept::default(),
            ip,
            presented: OnceLock::new(),
        }
    }

    /// The request's refresh token, read when it is first asked for.
    pub(crate) fn presented<C: CustomClaims>(&self, shared: &Shared<C>, now: Timestamp) -> &Presented {
        self.presented.get_or_init(|| {
            let texts = self.fields.cookies.values(shared.settings.cookies.refresh_name());
            Box::new(shared.presented(texts, Carrier::Cookie, now))
        })
    }
}

/// The state of the request with these extensions.
///
/// # Errors
/// [`RejectionKind::MissingLayer`], [`RejectionKind::ClaimsTypeMismatch`].
#[inline]
pub(crate) fn of<C: CustomClaims>(extensions: &Extensions) -> Result<&State<C>, Rejection> {
    let state: &dyn AnyState = &**found(extensions)?;
    (state as &dyn Any).downcast_ref().ok_or_else(|| other_claims::<C>(state))
}

/// As [`of`], to keep.
pub(crate) fn shared_of<C: CustomClaims>(extensions: &Extensions) -> Result<Arc<State<C>>, Rejection> {
    let state = found(extensions)?;
    (state.clone() as Arc<dyn Any + Send + Sync>).downcast().map_err(|_| other_claims::<C>(&**state))
}

/// Keeps the layer, if there is one, from adding anything to the response.
#[cfg(feature = "axum")]
pub(crate) fn send_nothing(extensions: &Extensions) {
    if let Some(Found(state)) = extensions.get() {
        state.send_nothing();
    }
}

#[inline]
fn found(extensions: &Extensions) -> Result<&Arc<dyn AnyState>, Rejection> {
    match extensions.get() {
        Some(Found(state)) => Ok(state),
        None => Err(Rejection::bare(RejectionKind::MissingLayer)),
    }
}

fn other_claims<C>(state: &dyn AnyState) -> Rejection {
    state.reject(RejectionKind::ClaimsTypeMismatch { asked: type_name::<C>(), built: state.claims_type() })
}

/// A [`State`] whatever its claims.
pub(crate) trait AnyState: Any + Send + Sync {
    fn claims_type(&self) -> &'static str;
    fn reject(&self, kind: RejectionKind) -> Rejection;
    /// Keeps the layer from adding anything to the response.
    #[cfg(feature = "axum")]
    fn send_nothing(&self);
    /// Whether a user is there, who has `scope` if one is asked for.
    fn check(&self, scope: Option<&Arc<str>>) -> Result<(), Rejection>;
}

impl<C: CustomClaims> AnyState for State<C> {
    fn claims_type(&self) -> &'static str {
        type_name::<C>()
    }

    fn reject(&self, kind: RejectionKind) -> Rejection {
        State::reject(self, kind)
    }

    #[cfg(feature = "axum")]
    fn send_nothing(&self) {
        // Nothing is sent after the response head either.
        let _ = self.set_change(Change::Refreshed { issued: Issued::default() });
    }

    fn check(&self, scope: Option<&Arc<str>>) -> Result<(), Rejection> {
        let user = self.required_user()?;
        match scope {
            Some(scope) if !user.has_scope(scope) => {
                let kind = RejectionKind::InsufficientScope { scope: scope.clone() };
                self.shared.refused(&kind, Some(&user));
                Err(self.reject(kind))
            }
            _ => Ok(()),
        }
    }
}
