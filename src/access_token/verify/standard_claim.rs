//! The names of the standard claims.

use crate::access_token::profile::Profile;

/// A claim that the middleware owns. An application's type must not have one of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StandardClaim {
    Issuer,
    Audience,
    Subject,
    ExpiresAt,
    NotBefore,
    IssuedAt,
    TokenId,
    SessionId,
    Scope,
    /// When the user last authenticated (RFC 9068 §2.2.1).
    AuthTime,
    /// The epoch of the claims.
    Epoch,
    /// Whether the device to which the session is bound gave a proof for this token.
    DeviceBound,
}

impl StandardClaim {
    /// The claim with this name in the tokens of an issuer.
    #[inline]
    pub(super) fn in_profile(name: &str, profile: &Profile) -> Option<Self> {
        let claim = Self::from_name(name)?;
        let is_custom = match claim {
            Self::SessionId | Self::Epoch | Self::DeviceBound => profile.without_session_id,
            // Read as the other claims with scope tokens, or not at all.
            Self::Scope => !profile.scope_claims.is_empty(),
            _ => false,
        };
        (!is_custom).then_some(claim)
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "iss" => Some(Self::Issuer),
            "aud" => Some(Self::Audience),
            "sub" => Some(Self::Subject),
            "exp" => Some(Self::ExpiresAt),
            "nbf" => Some(Self::NotBefore),
            "iat" => Some(Self::IssuedAt),
            "jti" => Some(Self::TokenId),
            "sid" => Some(Self::SessionId),
            "scope" => Some(Self::Scope),
            "auth_time" => Some(Self::AuthTime),
            "epoch" => Some(Self::Epoch),
            "dbsc" => Some(Self::DeviceBound),
            _ => None,
        }
    }
}
