//! The layer that puts the middleware in front of a service.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use super::service::Refresh;
use crate::auth_inner::AuthInner;

/// Wraps a service in [`Refresh`]. [`Auth::layer`](crate::Auth::layer) makes it; see the [crate docs](crate) for an example.
#[must_use]
pub struct RefreshLayer<C> {
    auth: Arc<AuthInner<C>>,
}

impl<C> RefreshLayer<C> {
    pub(crate) fn new(auth: Arc<AuthInner<C>>) -> Self {
        Self { auth }
    }
}

impl<S, C> Layer<S> for RefreshLayer<C> {
    type Service = Refresh<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Refresh::new(inner, self.auth.clone())
    }
}

impl<C> Clone for RefreshLayer<C> {
    fn clone(&self) -> Self {
        Self { auth: self.auth.clone() }
    }
}

impl<C> fmt::Debug for RefreshLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshLayer").field("auth", &self.auth).finish()
    }
}
