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
    /// When the user last authenticated (RFC 9068 §2.2.1). This and the next two are reserved for later versions, whose tokens
    /// this one accepts while both serve: their values are not read, and the application's type does not see them.
    AuthTime,
    /// The version of the claims.
    Epoch,
    /// Whether the session is bound to a device.
    DeviceBound,
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
            "auth_time" => Some(Self::AuthTime),
            "epoch" => Some(Self::Epoch),
            "dbsc" => Some(Self::DeviceBound),
            _ => None,
        }
    }
}
