//! The names of the standard claims.

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
}

impl StandardClaim {
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
            _ => None,
        }
    }
}
