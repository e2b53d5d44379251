//! What the application knows of a user: its claims, and the source that loads them.

mod session_info;
mod source;
mod user;

use serde::{Serialize, de::DeserializeOwned};

pub use self::session_info::SessionInfo;
pub(crate) use self::{
    source::{ClaimsSource, LoadClaims, UserLoad},
    user::User,
};

/// The application's own claims: any serde struct, map or `()`, flattened into the access token.
///
/// Implemented for every suitable type. The names of the standard claims (`iss`, `aud`, `sub`, `exp`, `nbf`, `iat`, `jti`,
/// `sid`, `scope`, `auth_time`, `epoch`, `dbsc`) are reserved: the type does not see these members of a
/// token. A type that serialises one of them, or that cannot be deserialised from what it serialises to, is an error at each login
/// and refresh: [`InvalidClaimsReason`](crate::InvalidClaimsReason).
///
/// A type without `Deserialize` does not compile, and the message says what to derive:
///
/// ```compile_fail,E0277
/// #[derive(serde::Serialize)]
/// struct User {
///     name: String,
/// }
///
/// fn builder(keys: tower_refresh::KeyRing) -> tower_refresh::AuthBuilder<User> {
///     tower_refresh::Auth::builder(keys)
/// }
/// ```
#[diagnostic::on_unimplemented(note = "derive serde's `Serialize` and `Deserialize` for `{Self}`")]
pub trait CustomClaims: Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> CustomClaims for T {}

/// What the claims source returns for a subject: the application's claims and the scope.
///
/// ```
/// use tower_refresh::Identity;
///
/// let identity = Identity::new(()).scope("user admin");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity<C> {
    claims: C,
    scope: String,
}

impl<C> Identity<C> {
    /// An identity with `claims` and an empty scope.
    pub fn new(claims: C) -> Self {
        Self { claims, scope: String::new() }
    }

    /// Sets the scope: scope tokens separated by single spaces (RFC 6749 §3.3), which
    /// [`Auth::require_scope`](crate::Auth::require_scope) checks. Replaces an earlier scope.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = scope.into();
        self
    }
}
