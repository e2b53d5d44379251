//! The future of a request: it polls the load, the inner service and the commit, in this order.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::journey::{self, Arrival, OnLoaded, RefreshAhead};
use crate::{
    CustomClaims,
    auth_inner::AuthInner,
    refresh::{Loaded, Loading},
    state::{RequestInfo, RequestState},
    tokens::Issued,
};

pin_project! {
    /// The future of [`Refresh`](crate::middleware::Refresh).
    ///
    /// # Cancel safety
    /// If it is dropped before the response head is ready, nothing was rotated and nothing spent. If it is dropped during the
    /// commit, a rotation may have been stored whose tokens no client received: that counts as a lost response, which the grace
    /// and the late budget cover. Ending a session (a logout, a reuse) completes once it has started, with the feature `tokio`
    /// and inside a runtime. Concurrent requests that share a load with a dropped request are not affected.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, ReqBody, C>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        stage: Stage<S, ReqBody, S::Future, S::Response, C>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<S, ReqBody, F, R, C> {
        Loading {
            load: Loading<C>,
            waiting: Option<Box<Waiting<S, ReqBody, C>>>,
        },
        Serving {
            #[pin]
            inner: F,
            // None if the same layer is further outside, and does everything.
            state: Option<Arc<RequestState<C>>>,
            ahead: Option<Box<RefreshAhead<C>>>,
        },
        Committing {
            commit: BoxFuture<'static, Option<Issued>>,
            state: Arc<RequestState<C>>,
            response: Option<R>,
        },
    }
}

/// A request that waits for its load.
struct Waiting<S, ReqBody, C> {
    inner: S,
    request: Request<ReqBody>,
    auth: Arc<AuthInner<C>>,
    info: RequestInfo,
    on_loaded: OnLoaded,
}

impl<S, ReqBody, ResBody, C> ResponseFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: CustomClaims,
{
    #[inline]
    pub(super) fn start(
        auth: &Arc<AuthInner<C>>,
        inner: &mut S,
        called_with: &mut Option<Arc<RequestState<C>>>,
        mut request: Request<ReqBody>,
    ) -> Self {
        // Not a variable of this function, which a panic of the inner service would have to drop: so the compiler writes the future
        // of the inner service where it stays, and does not copy it.
        *called_with = if journey::has_passed(auth, &request) {
            None
        } else {
            match journey::arrive(auth, &mut request) {
                Arrival::Serve(state) => Some(state),
                Arrival::RefreshAhead(state, ahead) => return Self::serve(inner, request, state, ahead),
                Arrival::Wait(load, info, on_loaded) => {
                    return Self::wait(auth, inner, request, load, info, on_loaded);
                }
            }
        };
        Self { stage: Stage::Serving { inner: inner.call(request), state: called_with.take(), ahead: None } }
    }

    #[inline(never)]
    fn serve(
        inner: &mut S,
        request: Request<ReqBody>,
        state: Arc<RequestState<C>>,
        ahead: Box<RefreshAhead<C>>,
    ) -> Self {
        let (state, ahead) = (Some(state), Some(ahead));
        Self { stage: Stage::Serving { inner: inner.call(request), state, ahead } }
    }

    #[inline(never)]
    fn wait(
        auth: &Arc<AuthInner<C>>,
        inner: &mut S,
        request: Request<ReqBody>,
        load: Loading<C>,
        info: RequestInfo,
        on_loaded: OnLoaded,
    ) -> Self {
        // Takes the service that was polled ready, and leaves its clone, which was not:
        // https://docs.rs/tower/latest/tower/trait.Service.html#be-careful-when-cloning-inner-services
        let clone = inner.clone();
        let inner = mem::replace(inner, clone);
        let waiting = Waiting { inner, request, auth: auth.clone(), info, on_loaded };
        Self { stage: Stage::Loading { load, waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, ReqBody, ResBody, C> Future for ResponseFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: CustomClaims,
{
    type Output = Result<S::Response, S::Error>;

    /// Polled after completion it is pending: a caller that does so has a bug, which must not panic in a server.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        if let StageProjection::Loading { load, waiting } = stage.as_mut().project() {
            let loaded = ready!(load.poll_unpin(context));
            let Some(waiting) = waiting.take() else { return Poll::Pending };
            stage.set(waiting.serve(loaded));
        }
        if let StageProjection::Serving { inner, state, ahead } = stage.as_mut().project() {
            let Some(state) = state else { return inner.poll(context) };
            if let Some(ahead) = ahead {
                ahead.poll(context);
            }
            let mut polled = inner.poll(context);
            let Poll::Ready(Ok(response)) = &mut polled else { return polled };
            let Some(commit) = journey::on_response_head(state, ahead, response) else { return polled };
            let Poll::Ready(Ok(response)) = polled else { return polled };
            let (state, response) = (state.clone(), Some(response));
            stage.set(Stage::Committing { commit, state, response });
        }
        let (commit, state, response) = match stage.project() {
            StageProjection::Committing { commit, state, response } => (commit, state, response),
            StageProjection::Loading { .. } | StageProjection::Serving { .. } => return Poll::Pending,
        };
        let issued = ready!(commit.poll_unpin(context));
        let Some(mut response) = response.take() else { return Poll::Pending };
        journey::after_commit(state, issued, response.headers_mut());
        Poll::Ready(Ok(response))
    }
}

impl<S, ReqBody, C> Waiting<S, ReqBody, C>
where
    S: Service<Request<ReqBody>>,
    C: CustomClaims,
{
    #[inline(never)]
    fn serve(self, loaded: Arc<Loaded<C>>) -> Stage<S, ReqBody, S::Future, S::Response, C> {
        let Self { mut inner, mut request, auth, info, on_loaded } = self;
        let state = journey::after_load(auth, &mut request, info, on_loaded, loaded);
        Stage::Serving { inner: inner.call(request), state: Some(state), ahead: None }
    }
}

impl<S, ReqBody, C> fmt::Debug for ResponseFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
