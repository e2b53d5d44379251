//! What a route needs of its user.

use std::{sync::Arc, time::Duration};

use crate::{RejectionKind, claims::User};

#[derive(Clone, Debug)]
pub(crate) enum Requirement {
    /// Any user.
    User,
    /// A user with this scope.
    Scope(Arc<str>),
    /// A user who authenticated at most this long ago.
    RecentLogin(Duration),
    /// A user whose device gave a proof for the access token.
    DeviceBinding,
}

impl Requirement {
    /// Why the user does not meet it.
    pub(super) fn unmet_by<C>(&self, user: &User<C>) -> Option<RejectionKind> {
        match self {
            Self::Scope(scope) if !user.has_scope(scope) => {
                Some(RejectionKind::InsufficientScope { scope: scope.clone() })
            }
            Self::RecentLogin(max_age) if !user.is_recent(*max_age) => {
                Some(RejectionKind::InsufficientUserAuthentication { max_age: *max_age })
            }
            Self::DeviceBinding if !user.is_device_bound => Some(RejectionKind::DeviceBindingRequired),
            Self::User | Self::Scope(_) | Self::RecentLogin(_) | Self::DeviceBinding => None,
        }
    }
}
