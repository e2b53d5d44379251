//! The future of a request: it waits for keys if the token's key is not known, and polls the inner service.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::FutureExt;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::arrival::{self, Arrival};
use crate::{
    CustomClaims,
    jwks::InProgress,
    verifier_inner::{Patience, VerifierInner},
};

pin_project! {
    /// The future of [`Verify`](crate::middleware::Verify).
    ///
    /// # Cancel safety
    /// If it is dropped while it waits for the issuer's keys, other requests that wait for the same fetch are not affected. With the
    /// feature `tokio` and inside a runtime, the fetch goes on without them too.
    #[must_use = "futures do nothing unless polled"]
    pub struct VerifyFuture<S, ReqBody, C>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        stage: Stage<S, ReqBody, S::Future, C>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, ReqBody, F, C> {
        Waiting {
            fetch: InProgress,
            waiting: Option<Box<Waiting<S, ReqBody, C>>>,
        },
        Serving {
            #[pin]
            inner: F,
            // A fetch that this request does not wait for.
            fetch: Option<InProgress>,
        },
    }
}

/// A request that waits for keys.
struct Waiting<S, ReqBody, C> {
    inner: S,
    request: Request<ReqBody>,
    verifier: Arc<VerifierInner<C>>,
}

impl<S, ReqBody, ResBody, C> VerifyFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: CustomClaims,
{
    #[inline]
    pub(super) fn start(
        verifier: &Arc<VerifierInner<C>>,
        inner: &mut S,
        mut request: Request<ReqBody>,
    ) -> Self {
        if !arrival::has_passed(&verifier.id, &request) {
            match arrival::arrive(verifier, &mut request, Patience::Waits) {
                Arrival::Serve(None) => {}
                Arrival::Serve(Some(fetch)) => return Self::serve(inner, request, fetch),
                Arrival::Wait(fetch) => return Self::wait(verifier, inner, request, fetch),
            }
        }
        // No variable is left that a panic of the inner service would have to drop: so the compiler writes the future of the inner
        // service where it stays, and does not copy it.
        Self { stage: Stage::Serving { fetch: None, inner: inner.call(request) } }
    }

    #[inline(never)]
    fn serve(inner: &mut S, request: Request<ReqBody>, fetch: InProgress) -> Self {
        Self { stage: Stage::Serving { fetch: Some(fetch), inner: inner.call(request) } }
    }

    #[inline(never)]
    fn wait(
        verifier: &Arc<VerifierInner<C>>,
        inner: &mut S,
        request: Request<ReqBody>,
        fetch: InProgress,
    ) -> Self {
        // Takes the service that was polled ready, and leaves its clone, which was not:
        // https://docs.rs/tower/latest/tower/trait.Service.html#be-careful-when-cloning-inner-services
        let clone = inner.clone();
        let inner = mem::replace(inner, clone);
        let waiting = Waiting { inner, request, verifier: verifier.clone() };
        Self { stage: Stage::Waiting { fetch, waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, ReqBody, ResBody, C> Future for VerifyFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: CustomClaims,
{
    type Output = Result<S::Response, S::Error>;

    /// Polled after completion it is pending: a caller that does so has a bug, which must not panic in a server.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        if let StageProjection::Waiting { fetch, waiting } = stage.as_mut().project() {
            // A second poll after it completed would panic.
            if waiting.is_none() {
                return Poll::Pending;
            }
            ready!(fetch.poll_unpin(context));
            let Some(waiting) = waiting.take() else { return Poll::Pending };
            stage.set(waiting.serve());
        }
        match stage.project() {
            StageProjection::Serving { inner, fetch } => {
                if let Some(polled) = fetch
                    && polled.poll_unpin(context).is_ready()
                {
                    *fetch = None;
                }
                inner.poll(context)
            }
            StageProjection::Waiting { .. } => Poll::Pending,
        }
    }
}

impl<S, ReqBody, C> Waiting<S, ReqBody, C>
where
    S: Service<Request<ReqBody>>,
    C: CustomClaims,
{
    fn serve(self) -> Stage<S, ReqBody, S::Future, C> {
        let Self { mut inner, mut request, verifier } = self;
        let fetch = match arrival::arrive(&verifier, &mut request, Patience::HasWaited) {
            Arrival::Serve(fetch) => fetch,
            // Those that have waited do not wait again.
            Arrival::Wait(_) => None,
        };
        Stage::Serving { inner: inner.call(request), fetch }
    }
}

impl<S, ReqBody, C> fmt::Debug for VerifyFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyFuture").finish_non_exhaustive()
    }
}
