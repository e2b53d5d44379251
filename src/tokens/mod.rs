//! The tokens of a layer: access and refresh tokens are verified and issued with the keys in use.

mod issue;
mod offer;
mod prepare;

use std::{fmt, sync::Arc};

use tower_refresh_core::Timestamp;

pub(crate) use self::{
    issue::{Issued, IssuedAccess, IssuedRefresh},
    prepare::PreparedUser,
};
use crate::{
    CustomClaims,
    access_token::{TokenVerifier, Verdict, verify},
    claims::User,
    clock::Clock,
    device::DeviceContext,
    keys::{Jwks, KeyError, KeyRing, PreparedKeys},
    refresh_token::{MacContext, PresentedTokens, RefreshTransport},
    settings::Settings,
    sync::Guard,
};

pub(crate) struct Tokens<C> {
    settings: Arc<Settings>,
    context: MacContext,
    device_context: DeviceContext,
    clock: Arc<dyn Clock>,
    verifier: TokenVerifier<PreparedKeys, Arc<User<C>>>,
}

impl<C: CustomClaims> Tokens<C> {
    pub(crate) fn new(settings: Arc<Settings>, keys: PreparedKeys, clock: Arc<dyn Clock>) -> Self {
        Self {
            context: MacContext::new(&settings.issuer),
            device_context: DeviceContext::new(&settings.issuer),
            clock,
            verifier: TokenVerifier::new(keys, settings.token_cache_capacity),
            settings,
        }
    }

    /// The keys in use.
    pub(crate) fn keys(&self) -> Guard<Arc<PreparedKeys>> {
        self.verifier.keys()
    }

    /// The prefix of every MAC input of device-bound sessions.
    pub(crate) fn device_context(&self) -> &DeviceContext {
        &self.device_context
    }

    pub(crate) fn jwks(&self) -> Jwks {
        self.keys().jwks().clone()
    }

    pub(crate) fn rotate_keys(&self, keys: KeyRing) -> Result<(), KeyError> {
        self.verifier.replace_keys(keys.prepare()?);
        Ok(())
    }

    /// The user of an access token that was verified before. The caller checks the times and the denylist.
    #[inline]
    pub(crate) fn cached_user(&self, token: &[u8]) -> Option<Arc<User<C>>> {
        self.verifier.cached(token)
    }

    /// Verifies an access token, and caches its user. The caller checks the denylist.
    pub(crate) fn verify_access(&self, token: &[u8], now: Timestamp) -> Verdict<Arc<User<C>>> {
        let verified = self.verifier.verify(token, now, |keys| {
            match verify(token, keys.verifiers(), &self.settings.expected(), now) {
                Verdict::Valid(access) => {
                    let has_binding = self.settings.device.is_some();
                    let user =
                        User::from_token(access, &self.settings.policy, has_binding, self.clock.clone());
                    let expires_at = user.expires_at;
                    Ok((Arc::new(user), expires_at))
                }
                Verdict::Expired { session } => Err(Verdict::Expired { session }),
                Verdict::Invalid(reason) => Err(Verdict::Invalid(reason)),
            }
        });
        match verified {
            Ok(user) => Verdict::Valid(user),
            Err(verdict) => verdict,
        }
    }

    /// Reads the refresh tokens of a request.
    pub(crate) fn read_refresh<'a>(
        &self,
        texts: impl Iterator<Item = &'a [u8]>,
        transport: RefreshTransport,
        now: Timestamp,
    ) -> PresentedTokens {
        PresentedTokens::read(texts, transport, &self.keys(), &self.context, now)
    }
}

impl<C> fmt::Debug for Tokens<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}
