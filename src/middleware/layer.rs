//! The layer.

use std::{fmt, sync::Arc};

use tower_layer::Layer;

use crate::{service::Refresh, shared::Shared};

/// Wraps a service in [`Refresh`]. Made by [`Auth::layer`](crate::Auth::layer); see the [crate docs](crate) for an
/// example.
#[must_use]
pub struct RefreshLayer<C> {
    shared: Arc<Shared<C>>,
}

impl<C> RefreshLayer<C> {
    pub(crate) fn new(shared: Arc<Shared<C>>) -> Self {
        Self { shared }
    }
}

impl<S, C> Layer<S> for RefreshLayer<C> {
    type Service = Refresh<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Refresh::new(inner, self.shared.clone())
    }
}

impl<C> Clone for RefreshLayer<C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C> fmt::Debug for RefreshLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshLayer").field("shared", &self.shared).finish()
    }
}
