//! The service that takes each request through the journey.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::future::ResponseFuture;
use crate::{CustomClaims, auth_inner::AuthInner, state::RequestState};

/// Identifies the user of a request before it calls `S`, and sets new tokens on the response.
///
/// It is ready when `S` is ready, and changes neither bodies nor `S::Error`. It rejects no request: the extractors do, and
/// [`Auth::require_auth`](crate::Auth::require_auth). See the [crate docs](crate) for an example, and [`ResponseFuture`] for its
/// cancel safety.
#[must_use = "services do nothing unless called"]
pub struct Refresh<S, C> {
    inner: S,
    auth: Arc<AuthInner<C>>,
    /// The state of the request with which the inner service is being called: see [`ResponseFuture::start`].
    called_with: Option<Arc<RequestState<C>>>,
}

impl<S, C> Refresh<S, C> {
    pub(super) fn new(inner: S, auth: Arc<AuthInner<C>>) -> Self {
        Self { inner, auth, called_with: None }
    }

    /// A reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
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
        ResponseFuture::start(&self.auth, &mut self.inner, &mut self.called_with, request)
    }
}

impl<S: Clone, C> Clone for Refresh<S, C> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.auth.clone())
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Refresh<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh").field("inner", &self.inner).field("auth", &self.auth).finish()
    }
}
