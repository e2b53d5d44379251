//! What all requests of one [`Verifier`](crate::Verifier) share, and the check of a token.

use std::{fmt, sync::Arc, time::Duration};

use tower_refresh_core::Timestamp;

use crate::{
    CustomClaims,
    access_token::{Expected, InvalidTokenReason, Profile, TokenVerifier, Verdict, verify},
    auth_inner::AuthId,
    claims::User,
    clock::Clock,
    event::Events,
    jwks::{Fetcher, HoldsKeys, InProgress},
    keys::KeySet,
    rejection::Presentation,
    sessions::{Revocations, Standing},
    settings::ClientIp,
    telemetry::{self, TokenOutcome},
};

pub(crate) struct VerifierInner<C> {
    pub(crate) id: AuthId,
    pub(crate) settings: VerifierSettings,
    pub(crate) presentation: Arc<Presentation>,
    pub(crate) events: Events,
    tokens: TokenVerifier<KeySet, Arc<User<C>>>,
    /// `None` if the keys are fixed.
    fetcher: Option<Fetcher>,
    /// `None` if the ends of sessions are not followed.
    pub(crate) revocations: Option<Arc<Revocations>>,
    clock: Arc<dyn Clock>,
}

pub(crate) struct VerifierSettings {
    pub(crate) issuer: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) profile: Profile,
    /// How long after `iat` a token is valid at most.
    pub(crate) access_lifetime: Option<Duration>,
    pub(crate) access_cookie: Option<String>,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) client_ip: Option<Box<ClientIp>>,
    pub(crate) token_cache_capacity: usize,
}

/// What a token is.
pub(crate) enum Checked<C> {
    Valid(Arc<User<C>>),
    Invalid(InvalidTokenReason),
    /// There are no keys to verify it with.
    Unavailable,
    /// Its key may be among those that are being fetched.
    Pending(InProgress),
}

/// Whether a token may wait for keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    Waits,
    HasWaited,
}

impl<C: CustomClaims> VerifierInner<C> {
    pub(crate) fn new(
        settings: VerifierSettings,
        keys: KeySet,
        fetcher: Option<Fetcher>,
        revocations: Option<Arc<Revocations>>,
        presentation: Presentation,
        events: Events,
    ) -> Self {
        Self {
            id: AuthId::new(),
            tokens: TokenVerifier::new(keys, settings.token_cache_capacity),
            settings,
            presentation: Arc::new(presentation),
            fetcher,
            revocations,
            clock: events.clock(),
            events,
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.fetcher.as_ref().is_none_or(Fetcher::has_keys)
    }

    /// The fetch that the application waits for; `None` if there are keys.
    pub(crate) fn load(self: &Arc<Self>) -> Option<InProgress> {
        self.fetcher.as_ref()?.on_load(self)
    }

    /// Looks whether the keys are to be fetched again. The request polls the fetch beside its handler.
    #[inline]
    pub(crate) fn look_after_keys(self: &Arc<Self>, now: Timestamp) -> Option<InProgress> {
        let fetcher = self.fetcher.as_ref()?;
        if fetcher.is_due(now) { fetcher.look_after(self) } else { None }
    }

    /// Checks a token: its signature and claims, the time, and whether its session has ended.
    #[inline]
    pub(crate) fn check(self: &Arc<Self>, token: &[u8], patience: Patience, now: Timestamp) -> Checked<C> {
        match self.tokens.cached(token) {
            Some(user) => self.check_user(user, true, now),
            None => self.verify(token, patience, now),
        }
    }

    #[inline(never)]
    fn verify(self: &Arc<Self>, token: &[u8], patience: Patience, now: Timestamp) -> Checked<C> {
        if let Some(fetcher) = &self.fetcher
            && fetcher.is_due_by_monotonic_clock()
        {
            // If a task or other requests do not drive it, the next one that is due does.
            drop(fetcher.look_after(self));
        }
        match self.verify_signed(token, now) {
            Verdict::Valid(user) => self.check_user(user, false, now),
            Verdict::Expired { .. } => record(Checked::Invalid(InvalidTokenReason::Expired), false),
            Verdict::Invalid(InvalidTokenReason::UnknownKey) => self.find_key(token, patience, now),
            Verdict::Invalid(reason) => record(Checked::Invalid(reason), false),
        }
    }

    fn find_key(self: &Arc<Self>, token: &[u8], patience: Patience, now: Timestamp) -> Checked<C> {
        let fetch = match (&self.fetcher, patience) {
            (Some(fetcher), Patience::Waits) => fetcher.on_unknown_key(self),
            _ => None,
        };
        if let Some(fetch) = fetch {
            return Checked::Pending(fetch);
        }
        // The keys may have been replaced since the token was looked at.
        match self.verify_signed(token, now) {
            Verdict::Valid(user) => self.check_user(user, false, now),
            Verdict::Expired { .. } => record(Checked::Invalid(InvalidTokenReason::Expired), false),
            Verdict::Invalid(InvalidTokenReason::UnknownKey) if !self.has_keys() => Checked::Unavailable,
            Verdict::Invalid(reason) => record(Checked::Invalid(reason), false),
        }
    }

    fn verify_signed(&self, token: &[u8], now: Timestamp) -> Verdict<Arc<User<C>>> {
        let verified = self.tokens.verify(token, now, |keys| {
            let expected = self.expected();
            match verify(token, keys, &expected, now) {
                Verdict::Valid(access) => {
                    let user = User::from_verified(access, &expected, self.clock.clone());
                    let expires_at = user.expires_at;
                    Ok((Arc::new(user), expires_at))
                }
                Verdict::Expired { session } => Err(Verdict::Expired { session }),
                Verdict::Invalid(reason) => Err(Verdict::Invalid(reason)),
            }
        });
        verified.map_or_else(|verdict| verdict, Verdict::Valid)
    }

    fn expected(&self) -> Expected<'_> {
        Expected {
            issuer: &self.settings.issuer,
            audiences: &self.settings.audiences,
            access_lifetime: self.settings.access_lifetime.unwrap_or(Duration::MAX),
            profile: &self.settings.profile,
        }
    }

    /// Checks a verified token against the clock and the ended sessions.
    #[inline]
    fn check_user(&self, user: Arc<User<C>>, was_cached: bool, now: Timestamp) -> Checked<C> {
        if let Some(verdict) = user.check_times::<()>(now) {
            let reason = match verdict {
                Verdict::Invalid(reason) => reason,
                Verdict::Valid(()) | Verdict::Expired { .. } => InvalidTokenReason::Expired,
            };
            return record(Checked::Invalid(reason), was_cached);
        }
        let standing = match &self.revocations {
            Some(revocations) => revocations.standing(user.session, user.epoch, now),
            None => Standing::Good,
        };
        let checked = match standing {
            Standing::Good => Checked::Valid(user),
            Standing::Outdated => Checked::Invalid(InvalidTokenReason::Expired),
            Standing::Ended => Checked::Invalid(InvalidTokenReason::Revoked),
        };
        record(checked, was_cached)
    }
}

#[inline]
fn record<C>(checked: Checked<C>, was_cached: bool) -> Checked<C> {
    telemetry::access_token(match &checked {
        Checked::Valid(_) if was_cached => TokenOutcome::Cached,
        Checked::Valid(_) => TokenOutcome::Verified,
        Checked::Invalid(InvalidTokenReason::Expired) => TokenOutcome::Expired,
        Checked::Invalid(InvalidTokenReason::Revoked) => TokenOutcome::Revoked,
        Checked::Invalid(_) | Checked::Unavailable | Checked::Pending(_) => TokenOutcome::Invalid,
    });
    checked
}

impl<C: CustomClaims> HoldsKeys for VerifierInner<C> {
    fn fetcher(&self) -> Option<&Fetcher> {
        self.fetcher.as_ref()
    }

    fn replace_keys(&self, keys: KeySet) {
        self.tokens.replace_keys(keys);
    }
}

impl<C> fmt::Debug for VerifierInner<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierInner")
            .field("issuer", &self.settings.issuer)
            .field("audiences", &self.settings.audiences)
            .field("profile", &self.settings.profile)
            .field("access_cookie", &self.settings.access_cookie)
            .field("tokens", &self.tokens)
            .field("fetcher", &self.fetcher)
            .field("revocations", &self.revocations)
            .finish_non_exhaustive()
    }
}
