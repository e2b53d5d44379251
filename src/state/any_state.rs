//! What the layers have found out about a request, whatever the type of the claims.

use std::any::Any;

use super::Requirement;
use crate::{Rejection, RejectionKind, auth_inner::AuthId};

/// A [`RequestState`](super::RequestState) or a [`VerifiedState`](super::VerifiedState), with any claims.
pub(crate) trait AnyState: Any + Send + Sync {
    fn claims_type(&self) -> &'static str;
    fn auth_id(&self) -> &AuthId;
    /// Whether handlers can log users in and out.
    fn has_sessions(&self) -> bool;
    fn reject(&self, kind: RejectionKind) -> Rejection;
    #[cfg(feature = "axum")]
    fn suppress_tokens(&self);
    fn check(&self, required: &Requirement) -> Result<(), Rejection>;
}
