//! What the layer of a [`Verifier`](crate::Verifier) has found out about a request. Its handlers change nothing.

use std::{
    any::type_name,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{Outcome, Requirement, any_state::AnyState};
use crate::{
    CustomClaims, Rejection, RejectionKind,
    auth_inner::AuthId,
    claims::User,
    credentials::RetainedHeaders,
    event::{About, ClientInfo, Misconfiguration},
    login_page::Remedy,
    verifier_inner::VerifierInner,
};

/// The state of a request to a layer that only verifies tokens with claims `C`.
pub(crate) struct VerifiedState<C> {
    pub(crate) verifier: Arc<VerifierInner<C>>,
    pub(crate) outcome: Outcome<C>,
    is_cross_site: bool,
    client: ClientInfo,
    mistake_reported: AtomicBool,
}

impl<C: CustomClaims> VerifiedState<C> {
    #[inline]
    pub(crate) fn new(
        verifier: Arc<VerifierInner<C>>,
        outcome: Outcome<C>,
        is_cross_site: bool,
        ip: Option<IpAddr>,
        headers: RetainedHeaders,
    ) -> Arc<Self> {
        let client = ClientInfo { ip, user_agent: headers.user_agent, refresh_skipped: None };
        let mistake_reported = AtomicBool::new(false);
        Arc::new(Self { verifier, outcome, is_cross_site, client, mistake_reported })
    }

    #[inline]
    pub(super) fn user(&self) -> Result<Option<Arc<User<C>>>, Rejection> {
        match &self.outcome {
            Outcome::Authenticated(user) => Ok(Some(user.clone())),
            Outcome::Anonymous => Ok(None),
            Outcome::Rejected(kind) => Err(self.reject(kind.clone())),
        }
    }

    #[inline]
    pub(super) fn required_user(&self) -> Result<Arc<User<C>>, Rejection> {
        match &self.outcome {
            Outcome::Authenticated(user) => Ok(user.clone()),
            Outcome::Anonymous => Err(self.reject(RejectionKind::Unauthenticated)),
            Outcome::Rejected(kind) => Err(self.reject(kind.clone())),
        }
    }

    /// Reports rejected credentials.
    pub(crate) fn report_rejection(&self) {
        if let Outcome::Rejected(kind) = &self.outcome {
            self.verifier.events.rejected(kind, About::client(&self.client));
        }
    }

    /// What lets a person in whose request is rejected for this reason.
    fn remedy(&self, kind: &RejectionKind) -> Option<Remedy> {
        match kind {
            _ if self.is_cross_site => None,
            RejectionKind::InsufficientUserAuthentication { .. } => Some(Remedy::Reauthentication),
            RejectionKind::Unauthenticated => Some(Remedy::Login),
            _ => None,
        }
    }

    fn about(&self) -> About<'_> {
        let about = About::client(&self.client);
        match &self.outcome {
            Outcome::Authenticated(user) => {
                about.session(user.has_session.then_some(user.session), Some(&user.subject))
            }
            Outcome::Anonymous | Outcome::Rejected(_) => about,
        }
    }
}

impl<C: CustomClaims> AnyState for VerifiedState<C> {
    fn claims_type(&self) -> &'static str {
        type_name::<C>()
    }

    fn auth_id(&self) -> &AuthId {
        &self.verifier.id
    }

    fn has_sessions(&self) -> bool {
        false
    }

    /// The first rejection for a mistake of the application is reported.
    fn reject(&self, kind: RejectionKind) -> Rejection {
        if let Some(mistake) = Misconfiguration::of(&kind)
            && !self.mistake_reported.swap(true, Ordering::Relaxed)
        {
            self.verifier.events.misconfigured(mistake, &kind, self.about());
        }
        let remedy = self.remedy(&kind);
        Rejection::new(kind, &self.verifier.presentation).with_remedy(remedy)
    }

    /// The layer adds none.
    #[cfg(feature = "axum")]
    fn suppress_tokens(&self) {}

    fn check(&self, required: &Requirement) -> Result<(), Rejection> {
        let user = self.required_user()?;
        let Some(kind) = required.unmet_by(&user) else { return Ok(()) };
        self.verifier.events.rejected(&kind, self.about());
        Err(self.reject(kind))
    }
}
