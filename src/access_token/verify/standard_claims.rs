//! The values of the standard claims, and their checks.

use serde::de::MapAccess;
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

use super::{
    AccessToken, InvalidTokenReason,
    member_names::MemberNames,
    standard_claim::StandardClaim,
    values::{HasAudience, Is, NonEmpty, NumericDate, ScopeTokens, SidClaim, TokenId},
};
use crate::access_token::profile::{Expected, Profile};

/// The standard claims that have been read so far.
#[derive(Default)]
pub(super) struct StandardClaims {
    issuer: Option<bool>,
    audience: Option<bool>,
    subject: Option<Subject>,
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    token_id: Option<TokenId>,
    session: Option<SessionHandle>,
    scope: Option<String>,
    auth_time: Option<Timestamp>,
    epoch: Option<u32>,
    is_device_bound: Option<bool>,
    pub(super) names: MemberNames,
}

impl StandardClaims {
    pub(super) fn read_value<'de, A: MapAccess<'de>>(
        &mut self,
        claim: StandardClaim,
        map: &mut A,
        expected: &Expected<'_>,
    ) -> Result<(), A::Error> {
        self.names.add_standard(claim);
        match claim {
            StandardClaim::Issuer => self.issuer = Some(map.next_value_seed(Is(expected.issuer))?),
            StandardClaim::Audience => {
                self.audience = Some(map.next_value_seed(HasAudience(expected.audiences))?)
            }
            StandardClaim::Subject => self.subject = Some(map.next_value::<NonEmpty>()?.0),
            StandardClaim::ExpiresAt => self.expires_at = Some(map.next_value::<NumericDate>()?.0),
            StandardClaim::NotBefore => self.not_before = Some(map.next_value::<NumericDate>()?.0),
            StandardClaim::IssuedAt => self.issued_at = Some(map.next_value::<NumericDate>()?.0),
            StandardClaim::TokenId => self.token_id = Some(map.next_value()?),
            StandardClaim::SessionId => self.session = Some(map.next_value::<SidClaim>()?.0),
            StandardClaim::Scope => self.scope = Some(map.next_value()?),
            StandardClaim::AuthTime => self.auth_time = Some(map.next_value::<NumericDate>()?.0),
            StandardClaim::Epoch => self.epoch = Some(map.next_value()?),
            StandardClaim::DeviceBound => self.is_device_bound = Some(map.next_value()?),
        }
        Ok(())
    }

    /// Reads one of several claims with scope tokens.
    pub(super) fn add_scope<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let ScopeTokens(tokens) = map.next_value()?;
        let scope = self.scope.get_or_insert_default();
        if !scope.is_empty() && !tokens.is_empty() {
            scope.push(' ');
        }
        scope.push_str(&tokens);
        Ok(())
    }

    /// The claims, if none is missing or wrong. The caller checks `exp` and `iat`.
    pub(super) fn check<C>(
        self,
        now: Timestamp,
        custom: Option<C>,
        profile: &Profile,
    ) -> Result<AccessToken<C>, InvalidTokenReason> {
        let Self {
            issuer: Some(issuer),
            audience: Some(audience),
            subject: Some(subject),
            expires_at: Some(expires_at),
            not_before,
            issued_at: Some(issued_at),
            token_id,
            session,
            scope,
            auth_time,
            epoch,
            is_device_bound,
            names: _,
        } = self
        else {
            return Err(InvalidTokenReason::BadClaims);
        };
        let is_complete =
            (token_id.is_some() || !profile.is_own) && (session.is_some() || profile.without_session_id);
        if !is_complete {
            return Err(InvalidTokenReason::BadClaims);
        }
        if !issuer {
            return Err(InvalidTokenReason::WrongIssuer);
        }
        if !audience {
            return Err(InvalidTokenReason::WrongAudience);
        }
        if not_before.is_some_and(|not_before| not_before > now.saturating_add(profile.leeway)) {
            return Err(InvalidTokenReason::NotYetValid);
        }
        let custom = custom.ok_or(InvalidTokenReason::BadCustomClaims)?;
        let scope = scope.unwrap_or_default();
        let epoch = epoch.unwrap_or_default();
        Ok(AccessToken {
            subject,
            session: session.unwrap_or(SessionHandle::from_bytes([0; 16])),
            has_session: session.is_some(),
            scope,
            issued_at,
            expires_at,
            not_before,
            auth_time,
            epoch,
            is_device_bound: is_device_bound.unwrap_or_default(),
            custom,
        })
    }
}
