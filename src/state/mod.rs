//! What the layer has found out about a request. It is kept in the request's extensions.

mod any_state;
mod change;
mod extension;
mod handle;
mod outcome;
mod request_info;
mod requirement;
mod verified;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tower_refresh_core::{SessionHandle, Subject};

use self::change::ChangeSlot;
#[cfg(feature = "axum")]
pub(crate) use self::extension::suppress_tokens;
pub(crate) use self::{
    change::Change,
    extension::{RequestExtension, required_user, user},
    handle::StateHandle,
    outcome::{Fallback, Outcome},
    request_info::{RequestInfo, Sender, has_our_cookies},
    requirement::Requirement,
    verified::VerifiedState,
};
use crate::{
    CustomClaims, Rejection, RejectionKind,
    auth_inner::AuthInner,
    claims::User,
    event::{About, ClientInfo, EventKind, Misconfiguration},
    login_page::Remedy,
    refresh::{Inactive, Loaded},
    refresh_token::{PresentedTokens, RefreshToken},
};

/// The state of a request to a layer that was built with claims `C`.
pub(crate) struct RequestState<C> {
    pub(crate) auth: Arc<AuthInner<C>>,
    pub(crate) outcome: Outcome<C>,
    pub(crate) info: RequestInfo,
    pub(crate) refresh: Refresh<C>,
    changes: ChangeSlot<C>,
    mistake_reported: AtomicBool,
}

/// What was loaded for a request before the inner service was called.
pub(crate) enum Refresh<C> {
    NotNeeded,
    /// Nothing was loaded: the response may offer once more to register the browser's device.
    OfferDue,
    /// Nothing is loaded: the handler loads the session of a device that registers or gives a proof.
    DeviceRequest,
    Loaded(Box<LoadedRefresh<C>>),
}

pub(crate) struct LoadedRefresh<C> {
    /// `None` if only the session of a valid access token was looked up.
    pub(crate) token: Option<RefreshToken>,
    pub(crate) loaded: Arc<Loaded<C>>,
}

impl<C: CustomClaims> RequestState<C> {
    #[inline]
    pub(crate) fn new(
        auth: Arc<AuthInner<C>>,
        outcome: Outcome<C>,
        info: RequestInfo,
        refresh: Refresh<C>,
    ) -> Arc<Self> {
        let (changes, mistake_reported) = (ChangeSlot::new(), AtomicBool::new(false));
        Arc::new(Self { auth, outcome, info, refresh, changes, mistake_reported })
    }

    /// The user, after what the handler has changed; `None` for an anonymous request; an error for rejected credentials.
    #[inline]
    pub(crate) fn user(&self) -> Result<Option<Arc<User<C>>>, Rejection> {
        match &self.outcome {
            Outcome::Authenticated(user) if self.changes.is_unchanged() => Ok(Some(user.clone())),
            _ => self.changed_user(),
        }
    }

    #[inline]
    pub(crate) fn required_user(&self) -> Result<Arc<User<C>>, Rejection> {
        match &self.outcome {
            Outcome::Authenticated(user) if self.changes.is_unchanged() => Ok(user.clone()),
            _ => self.changed_user()?.ok_or_else(|| self.reject(self.why_anonymous())),
        }
    }

    #[inline(never)]
    fn changed_user(&self) -> Result<Option<Arc<User<C>>>, Rejection> {
        match self.changes.peek() {
            Some(Change::LoggedIn { user, .. } | Change::LoggedInNative { user }) => Ok(Some(user)),
            Some(Change::Refreshed { user: Some(user), .. }) => Ok(Some(user)),
            Some(Change::LoggedOut) => Ok(None),
            Some(Change::Refreshed { user: None, .. }) | None => match &self.outcome {
                // The refresh that failed may have ended the session.
                Outcome::Authenticated(user) if self.auth.sessions().is_denied(user.session) => Ok(None),
                Outcome::Authenticated(user) => Ok(Some(user.clone())),
                Outcome::Anonymous => Ok(None),
                Outcome::Rejected(kind) => Err(self.reject(kind.clone())),
            },
        }
    }

    /// Why an anonymous request is rejected where a user is required.
    pub(crate) fn why_anonymous(&self) -> RejectionKind {
        match self.loaded().map(Arc::as_ref) {
            Some(Loaded::Inactive(Inactive::LoginRequired)) => {
                RejectionKind::LoginRequired { expired_bearer: false }
            }
            Some(Loaded::Inactive(Inactive::Unproven)) => self.why_unproven(),
            _ => RejectionKind::Unauthenticated,
        }
    }

    /// Why a request is rejected whose device gave no proof.
    pub(crate) fn why_unproven(&self) -> RejectionKind {
        match self.info.refresh_skipped {
            Some(_) => RejectionKind::DeviceRefreshSkipped,
            None => RejectionKind::Unauthenticated,
        }
    }

    /// Whether the layer must change nothing: another site started the request, and can discard its response.
    #[inline]
    pub(crate) fn is_read_only(&self) -> bool {
        self.info.is_read_only()
    }

    /// The refresh tokens of the request, parsed by the first call, which also reports invalid ones.
    pub(crate) fn parse_refresh_tokens_once(&self) -> &PresentedTokens {
        self.info.parse_refresh_tokens_once(&self.auth, self.auth.now())
    }

    pub(crate) fn loaded(&self) -> Option<&Arc<Loaded<C>>> {
        match &self.refresh {
            Refresh::NotNeeded | Refresh::OfferDue | Refresh::DeviceRequest => None,
            Refresh::Loaded(refresh) => Some(&refresh.loaded),
        }
    }

    /// A rejection of the request. The first one for a mistake of the application is reported.
    pub(crate) fn reject(&self, kind: RejectionKind) -> Rejection {
        if let Some(mistake) = Misconfiguration::of(&kind)
            && !self.mistake_reported.swap(true, Ordering::Relaxed)
        {
            let client = self.info.client();
            self.auth.sessions().events.misconfigured(mistake, &kind, self.about(&client));
        }
        let is_foreign = matches!(&kind, RejectionKind::InvalidToken(reason) if reason.may_be_foreign());
        let remedy = self.remedy(&kind);
        let rejection = Rejection::new(kind, &self.auth.presentation).with_remedy(remedy);
        if is_foreign && has_our_cookies(&self.info.headers.cookies, &self.auth.settings) {
            rejection.with_unused_cookies()
        } else {
            rejection
        }
    }

    /// What lets a person in whose request is rejected for this reason.
    fn remedy(&self, kind: &RejectionKind) -> Option<Remedy> {
        if self.info.sender.is_cross_site {
            return None;
        }
        let is_anonymous = matches!(self.outcome, Outcome::Anonymous);
        match kind {
            RejectionKind::InsufficientUserAuthentication { .. } => Some(Remedy::Reauthentication),
            RejectionKind::LoginRequired { expired_bearer: false } if is_anonymous => Some(Remedy::Login),
            RejectionKind::Unauthenticated if is_anonymous => match self.loaded().map(Arc::as_ref) {
                Some(Loaded::Inactive(Inactive::RepetitionNeeded)) => Some(Remedy::Repetition),
                _ => Some(Remedy::Login),
            },
            _ => None,
        }
    }

    /// An event of this request.
    pub(crate) fn emit(&self, kind: EventKind) {
        let client = self.info.client();
        self.auth.sessions().events.emit(kind, self.about(&client));
    }

    fn about<'a>(&'a self, client: &'a ClientInfo) -> About<'a> {
        let about = About::client(client);
        match &self.outcome {
            Outcome::Authenticated(user) => about.session(Some(user.session), Some(&user.subject)),
            Outcome::Anonymous | Outcome::Rejected(_) => about,
        }
    }

    /// The subject of `session`, if the request shows it.
    pub(crate) fn subject_of(&self, session: SessionHandle) -> Option<Subject> {
        let started = match self.changes.peek() {
            Some(Change::LoggedIn { user, .. } | Change::LoggedInNative { user }) => Some(user),
            Some(Change::Refreshed { .. } | Change::LoggedOut) | None => None,
        };
        let user = match &self.outcome {
            Outcome::Authenticated(user) => Some(user.clone()),
            Outcome::Anonymous | Outcome::Rejected(_) => None,
        };
        let known = [started, user].into_iter().flatten().find(|user| user.session == session);
        known.map(|user| user.subject.clone())
    }

    /// The user on whose behalf the handler acts, and the session.
    pub(crate) fn acting_user(&self) -> Result<Option<(Subject, SessionHandle)>, Rejection> {
        Ok(self.user()?.map(|user| (user.subject.clone(), user.session)))
    }

    /// What the handler has changed so far.
    ///
    /// # Errors
    /// [`RejectionKind::Sealed`] after the response head is ready.
    pub(crate) fn change(&self) -> Result<Option<Change<C>>, Rejection> {
        let change = self.changes.peek();
        if self.changes.is_sealed() { Err(self.reject(RejectionKind::Sealed)) } else { Ok(change) }
    }

    /// Replaces what the handler has changed before.
    ///
    /// # Errors
    /// [`RejectionKind::Sealed`] after the response head is ready.
    pub(crate) fn set_change(&self, change: Change<C>) -> Result<(), Rejection> {
        if self.changes.set(change) { Ok(()) } else { Err(self.reject(RejectionKind::Sealed)) }
    }

    /// Whether the access token was enough, so that the response needs nothing unless the handler changed the session.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.refresh, Refresh::NotNeeded) && matches!(self.outcome, Outcome::Authenticated(_))
    }

    /// Rules out further changes. Returns whether the handler made none.
    #[inline]
    pub(crate) fn seal_if_unchanged(&self) -> bool {
        self.changes.seal_if_unchanged()
    }

    /// Rules out further changes, and returns what the handler has changed.
    pub(crate) fn seal(&self) -> Option<Change<C>> {
        self.changes.seal()
    }
}
