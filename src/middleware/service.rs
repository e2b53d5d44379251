//! The service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use crate::{CustomClaims, future::ResponseFuture, shared::Shared};

/// Finds out who is there before `S` is called, and sets new tokens on its response.
///
/// It is ready when `S` is, changes neither bodies nor `S::Error`, and refuses no request by itself: that is done by
/// the extractors, and by [`Auth::require_auth`](crate::Auth::require_auth). See the [crate docs](crate) for an
/// example, and [`ResponseFuture`] for what dropping it means.
pub struct Refresh<S, C> {
    inner: S,
    shared: Arc<Shared<C>>,
}

impl<S, C> Refresh<S, C> {
    pub(crate) fn new(inner: S, shared: Arc<Shared<C>>) -> Self {
        Self { inner, shared }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The wrapped service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, C, ReqBody, ResBody> Service<Request<ReqBody>> for Refresh<S, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: CustomClaims,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        ResponseFuture::start(&self.shared, &mut self.inner, request)
    }
}

impl<S: Clone, C> Clone for Refresh<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), shared: self.shared.clone() }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Refresh<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh").field("inner", &self.inner).field("shared", &self.shared).finish()
    }
}
