//! The layer of a verifier, and its service.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::future::VerifyFuture;
use crate::{CustomClaims, verifier_inner::VerifierInner};

/// Wraps a service in [`Verify`]. [`Verifier::layer`](crate::Verifier::layer) makes it.
#[must_use]
pub struct VerifyLayer<C> {
    verifier: Arc<VerifierInner<C>>,
}

impl<C> VerifyLayer<C> {
    pub(crate) fn new(verifier: Arc<VerifierInner<C>>) -> Self {
        Self { verifier }
    }
}

impl<S, C> Layer<S> for VerifyLayer<C> {
    type Service = Verify<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Verify { inner, verifier: self.verifier.clone() }
    }
}

impl<C> Clone for VerifyLayer<C> {
    fn clone(&self) -> Self {
        Self { verifier: self.verifier.clone() }
    }
}

impl<C> fmt::Debug for VerifyLayer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyLayer").field("verifier", &self.verifier).finish()
    }
}

/// Identifies the user of a request by its access token before it calls `S`.
///
/// It is ready when `S` is ready, and changes neither responses nor `S::Error`. It rejects no request: the extractors do, and
/// [`Verifier::require_auth`](crate::Verifier::require_auth). See [`VerifyFuture`] for its cancel safety.
#[must_use = "services do nothing unless called"]
pub struct Verify<S, C> {
    inner: S,
    verifier: Arc<VerifierInner<C>>,
}

impl<S, C> Verify<S, C> {
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

impl<S, C, ReqBody, ResBody> Service<Request<ReqBody>> for Verify<S, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: CustomClaims,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = VerifyFuture<S, ReqBody, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        VerifyFuture::start(&self.verifier, &mut self.inner, request)
    }
}

impl<S: Clone, C> Clone for Verify<S, C> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), verifier: self.verifier.clone() }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for Verify<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify").field("inner", &self.inner).field("verifier", &self.verifier).finish()
    }
}
