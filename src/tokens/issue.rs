//! Issuing tokens.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};
use zeroize::Zeroizing;

use super::{PreparedUser, Tokens};
use crate::{
    CustomClaims,
    access_token::{MintError, mint},
    crypto::CryptoError,
    keys::PreparedKeys,
    refresh_token::RefreshToken,
};

/// How many seconds the access cookie of a session that is bound to a device is gone before its token expires: the browser refreshes
/// when the cookie is missing, and not when the server rejects it.
const COOKIE_MARGIN: u64 = 15;

/// The tokens of one response. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Issued {
    pub(crate) access: Option<Arc<IssuedAccess>>,
    pub(crate) refresh: Option<Arc<IssuedRefresh>>,
    /// The offer of a registration of the browser's device.
    pub(crate) offer: Option<HeaderValue>,
}

impl Issued {
    /// Without an access token whose claims have an epoch below this one.
    pub(crate) fn without_claims_below(mut self, least_epoch: u32) -> Self {
        self.access = self.access.filter(|access| access.epoch >= least_epoch);
        self
    }
}

#[derive(Clone)]
pub(crate) struct IssuedAccess {
    pub(crate) token: Zeroizing<String>,
    /// Seconds from its `iat`.
    pub(crate) expires_in: u64,
    /// Of its cookie, in seconds. `None` for one that the browser keeps until it closes.
    pub(crate) max_age: Option<u64>,
    pub(crate) scope: Box<str>,
    /// The epoch of its claims.
    pub(crate) epoch: u32,
}

#[derive(Clone)]
pub(crate) struct IssuedRefresh {
    pub(crate) token: Zeroizing<String>,
    /// Of its cookie, in seconds. `None` for one that the browser keeps until it closes.
    pub(crate) max_age: Option<u64>,
}

impl fmt::Debug for IssuedAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedAccess").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

impl fmt::Debug for IssuedRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedRefresh").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

impl<C: CustomClaims> Tokens<C> {
    /// An access token in the session of `row`, for a login or a refresh token.
    ///
    /// It lives for the access lifetime less a jitter, and never longer than the session and the limit of the user.
    pub(crate) fn issue_access(
        &self,
        keys: &PreparedKeys,
        user: &PreparedUser<C>,
        row: &SessionRow,
        now: Timestamp,
    ) -> Result<Arc<IssuedAccess>, MintError> {
        self.issue(keys, user, row, now, false)
    }

    /// The same for a proof of the device to which the session is bound, or for an access token that came from one and limits the user.
    pub(crate) fn issue_proven_access(
        &self,
        keys: &PreparedKeys,
        user: &PreparedUser<C>,
        row: &SessionRow,
        now: Timestamp,
    ) -> Result<Arc<IssuedAccess>, MintError> {
        self.issue(keys, user, row, now, true)
    }

    fn issue(
        &self,
        keys: &PreparedKeys,
        PreparedUser { user, custom, latest, .. }: &PreparedUser<C>,
        row: &SessionRow,
        now: Timestamp,
        is_proven: bool,
    ) -> Result<Arc<IssuedAccess>, MintError> {
        let lifetime = self.settings.policy.access_lifetime.as_secs();
        let expires_at = now
            .as_secs()
            .saturating_add(lifetime - jitter(lifetime, row.handle))
            .min(row.expires_at().as_secs())
            .min(latest.map_or(u64::MAX, Timestamp::as_secs));
        let mut access = self.new_access(user, custom, now, Timestamp::from_secs(expires_at));
        access.is_device_bound = is_proven;
        let token = mint(keys, &access)?;
        let expires_in = expires_at.saturating_sub(now.as_secs());
        let margin = if row.binding.is_some() { COOKIE_MARGIN.min(expires_in / 2) } else { 0 };
        Ok(Arc::new(IssuedAccess {
            token: Zeroizing::new(token),
            expires_in,
            max_age: row.persistent.then_some(expires_in - margin),
            scope: user.scope.as_str().into(),
            epoch: user.epoch,
        }))
    }

    /// The text of `token`, for a cookie that lives as long as the session of `row`, or until the browser closes.
    pub(crate) fn issue_refresh(
        &self,
        keys: &PreparedKeys,
        token: &RefreshToken,
        row: &SessionRow,
        now: Timestamp,
    ) -> Result<Arc<IssuedRefresh>, CryptoError> {
        Ok(Arc::new(IssuedRefresh {
            token: token.encode(keys, &self.context)?,
            max_age: row.persistent.then(|| row.expires_at().saturating_since(now).as_secs()),
        }))
    }
}

/// Up to 5 % of `lifetime`, in whole seconds, so that tokens which were issued together do not expire together. It is derived
/// from the session: handles are hashes, and spread as well as random numbers.
fn jitter(lifetime: u64, session: SessionHandle) -> u64 {
    let most = u128::from(lifetime / 20);
    (u128::from_le_bytes(*session.as_bytes()) % (most + 1)) as u64
}
