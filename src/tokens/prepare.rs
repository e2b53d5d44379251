//! Users whose claims fit into an access token.

use std::sync::Arc;

use tower_refresh_core::Timestamp;

use super::Tokens;
use crate::{
    CustomClaims,
    access_token::{
        CustomMembers, InvalidClaims, InvalidClaimsReason, MAX_TOKEN_LEN, NewAccessToken, scope, token_len,
    },
    claims::{User, UserLoad},
    cookies::LONGEST_NAME_AND_VALUE,
    keys::PreparedKeys,
    refresh_token::RefreshTransport,
};

/// A user that was loaded, with what an access token says of it. Access tokens are issued to such users only, so claims that do
/// not fit into one are found before a session is written.
pub(crate) struct PreparedUser<C> {
    pub(crate) user: Arc<User<C>>,
    /// When the claims source was called.
    pub(crate) claims_at: Timestamp,
    pub(crate) transport: RefreshTransport,
    /// When access tokens of this user expire at the latest, if not only their lifetime and the session limit them.
    pub(super) latest: Option<Timestamp>,
    pub(super) custom: CustomMembers,
    call: u64,
    payload_len: usize,
}

impl<C> PreparedUser<C> {
    /// Whether the claims source was called after it was called for `other`.
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        self.call > other.call
    }

    /// The same user, who may be relied on until `latest` at most. For a user that no other request shares.
    pub(crate) fn limited_to(mut self, latest: Timestamp) -> Self {
        if let Some(user) = Arc::get_mut(&mut self.user) {
            user.expires_at = user.expires_at.min(latest);
        }
        Self { latest: Some(latest), ..self }
    }

    /// The same user, for whose access token the device of the session gave a proof. For a user that no other request shares.
    pub(crate) fn proven(mut self) -> Self {
        if let Some(user) = Arc::get_mut(&mut self.user) {
            user.is_device_bound = true;
        }
        self
    }

    /// Whether an access token says the same of both.
    pub(crate) fn has_claims_of(&self, other: &Self) -> bool {
        self.user.scope == other.user.scope
            && self.user.epoch == other.user.epoch
            && self.custom == other.custom
    }
}

impl<C> Clone for PreparedUser<C> {
    fn clone(&self) -> Self {
        Self { user: self.user.clone(), custom: self.custom.clone(), ..*self }
    }
}

impl<C: CustomClaims> Tokens<C> {
    /// Serialises the claims, reads them back, and checks that they fit into an access token for a session whose refresh tokens
    /// have this transport.
    pub(crate) fn prepare(
        &self,
        UserLoad { user, claims_at, call }: UserLoad<C>,
        transport: RefreshTransport,
    ) -> Result<PreparedUser<C>, InvalidClaims> {
        if !user.scope.is_empty() && !scope::is_valid(&user.scope) {
            return Err(InvalidClaimsReason::InvalidScope.into());
        }
        if user.subject.as_str().is_empty() {
            return Err(InvalidClaimsReason::EmptySubject.into());
        }
        let custom = CustomMembers::of(&user.claims)?;
        let payload_len = self.payload_len(&user, &custom, claims_at, transport);
        let prepared = PreparedUser { user, claims_at, transport, latest: None, custom, call, payload_len };
        self.check_len(&self.keys(), &prepared)?;
        Ok(prepared)
    }

    /// Checks that the access token fits, signed with these keys: they may have been replaced since the user was prepared.
    pub(crate) fn check_len(
        &self,
        keys: &PreparedKeys,
        prepared: &PreparedUser<C>,
    ) -> Result<(), InvalidClaims> {
        let len = token_len(keys, prepared.payload_len);
        let longest = self.longest_access_token(prepared.transport);
        if len <= longest {
            return Ok(());
        }
        let details = format!("{len} bytes, where {longest} fit");
        Err(InvalidClaims::with_details(InvalidClaimsReason::TooLarge, details))
    }

    /// Whether an access token of this user fits into no cookie, so that no browser's session has it.
    pub(crate) fn fits_no_cookie(&self, user: &User<C>) -> bool {
        let Ok(custom) = CustomMembers::of(&user.claims) else { return false };
        let payload_len = self.payload_len(user, &custom, user.expires_at, RefreshTransport::Cookie);
        token_len(&self.keys(), payload_len) > self.longest_access_token(RefreshTransport::Cookie)
    }

    /// With room for what a browser's token may say of its device.
    fn payload_len(
        &self,
        user: &User<C>,
        custom: &CustomMembers,
        issued_at: Timestamp,
        transport: RefreshTransport,
    ) -> usize {
        let mut access = self.new_access(user, custom, issued_at, user.expires_at);
        access.is_device_bound = transport == RefreshTransport::Cookie && self.settings.device.is_some();
        access.payload_len()
    }

    /// A token that no device gave a proof for.
    pub(super) fn new_access<'a>(
        &'a self,
        user: &'a User<C>,
        custom: &'a CustomMembers,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> NewAccessToken<'a> {
        NewAccessToken {
            issuer: &self.settings.issuer,
            audience: &self.settings.audience,
            subject: &user.subject,
            session: user.session,
            scope: &user.scope,
            auth_time: user.auth_time,
            epoch: user.epoch,
            is_device_bound: false,
            issued_at,
            expires_at,
            custom,
        }
    }

    /// A browser's access token may have to fit into a cookie, whatever this request's came in. A native client's is in a header.
    fn longest_access_token(&self, transport: RefreshTransport) -> usize {
        match transport {
            RefreshTransport::Cookie if self.settings.transports.cookie => {
                let name = self.settings.cookies.access_name().len();
                LONGEST_NAME_AND_VALUE.saturating_sub(name).min(MAX_TOKEN_LEN)
            }
            RefreshTransport::Cookie | RefreshTransport::Body => MAX_TOKEN_LEN,
        }
    }
}
