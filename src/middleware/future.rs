//! The journey of a request: its first half is [`arrive`], its last [`at_head`].
//!
//! This file and that one alone know the order of the steps.

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

use crate::{
    CustomClaims, RejectionKind,
    arrival::{Arrival, Otherwise, arrive},
    finish::{Renewal, at_head},
    measure,
    refresh::{Flight, Issued, Loaded},
    respond,
    shared::Shared,
    state::{Found, Origin, Outcome, State},
};

pin_project! {
    /// The future of [`Refresh`](crate::middleware::Refresh).
    ///
    /// # Cancel safety
    /// Dropped before the response head is ready, it has rotated nothing and spent nothing. Dropped while it commits,
    /// a rotation may have been stored whose tokens nobody received: that counts as a lost response, which the grace
    /// and the late budget are for. The end of a session that has begun (a logout, a reuse) goes on, where the feature
    /// `tokio` is on and a runtime is there. Concurrent requests that share a load with a dropped one are unaffected.
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
        Refreshing {
            flight: Flight<C>,
            waiting: Option<Box<Waiting<S, ReqBody, C>>>,
        },
        Serving {
            #[pin]
            inner: F,
            state: Arc<State<C>>,
            renewal: Option<Box<Renewal<C>>>,
        },
        Committing {
            commit: BoxFuture<'static, Option<Issued>>,
            state: Arc<State<C>>,
            response: Option<R>,
        },
    }
}

/// A request that waits for the store's word.
struct Waiting<S, ReqBody, C> {
    inner: S,
    request: Request<ReqBody>,
    shared: Arc<Shared<C>>,
    origin: Origin,
    otherwise: Otherwise,
}

impl<S, ReqBody, ResBody, C> ResponseFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: CustomClaims,
{
    #[inline]
    pub(crate) fn start(shared: &Arc<Shared<C>>, inner: &mut S, mut request: Request<ReqBody>) -> Self {
        match arrive(shared, &mut request) {
            Arrival::Serve(state, renewal) => {
                hand_over(&mut request, &state);
                Self { stage: Stage::Serving { state, renewal, inner: inner.call(request) } }
            }
            Arrival::Wait(flight, origin, otherwise) => {
                Self::wait(shared, inner, request, origin, flight, otherwise)
            }
        }
    }

    #[inline(never)]
    fn wait(
        shared: &Arc<Shared<C>>,
        inner: &mut S,
        request: Request<ReqBody>,
        origin: Origin,
        flight: Flight<C>,
        otherwise: Otherwise,
    ) -> Self {
        // The service that was polled ready is taken, and its clone, which was not, stays behind:
        // https://docs.rs/tower/latest/tower/trait.Service.html#be-careful-when-cloning-inner-services
        let clone = inner.clone();
        let inner = mem::replace(inner, clone);
        let waiting = Waiting { inner, request, shared: shared.clone(), origin, otherwise };
        Self { stage: Stage::Refreshing { flight, waiting: Some(Box::new(waiting)) } }
    }
}

impl<S, ReqBody, ResBody, C> Future for ResponseFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: CustomClaims,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut stage = self.project().stage;
        if let StageProjection::Refreshing { flight, waiting } = stage.as_mut().project() {
            let loaded = ready!(flight.poll_unpin(context));
            let Some(waiting) = waiting.take() else { return Poll::Pending };
            stage.set(waiting.serve(loaded));
        }
        if let StageProjection::Serving { inner, state, renewal } = stage.as_mut().project() {
            if let Some(renewal) = renewal {
                renewal.look(context);
            }
            let mut polled = inner.poll(context);
            let Poll::Ready(Ok(response)) = &mut polled else { return polled };
            let Some(commit) = at_head(state, renewal, response) else { return polled };
            let Poll::Ready(Ok(response)) = polled else { return polled };
            let (state, response) = (state.clone(), Some(response));
            stage.set(Stage::Committing { commit, state, response });
        }
        let StageProjection::Committing { commit, state, response } = stage.project() else {
            return Poll::Pending;
        };
        let issued = ready!(commit.poll_unpin(context));
        let Some(mut response) = response.take() else { return Poll::Pending };
        if let Some(issued) = issued {
            let settings = &state.shared.settings;
            respond::add_tokens(response.headers_mut(), settings, state.origin.channel, &issued);
        }
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
        let outcome = outcome(&self.shared, &loaded, &self.otherwise);
        let Self { mut inner, mut request, shared, origin, .. } = self;
        let state = State::new(shared, outcome, origin, Some(loaded));
        hand_over(&mut request, &state);
        Stage::Serving { inner: inner.call(request), state, renewal: None }
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

/// Shows the inner service what was found, and tells whoever counts.
#[inline]
fn hand_over<ReqBody, C: CustomClaims>(request: &mut Request<ReqBody>, state: &Arc<State<C>>) {
    let was_refreshed = matches!(state.loaded.as_deref(), Some(Loaded::Live(_)));
    measure::request(&state.outcome, was_refreshed);
    if let Outcome::Refused(kind) = &state.outcome {
        state.shared.refused(kind, None);
    }
    let extensions = request.extensions_mut();
    state.shared.room.make(extensions);
    extensions.insert(Found(state.clone()));
}

/// The load may be older than the request, or its session may have ended while the claims were asked for: what is denied by
/// now is not let in.
fn outcome<C: CustomClaims>(shared: &Shared<C>, loaded: &Loaded<C>, otherwise: &Otherwise) -> Outcome<C> {
    let user = match loaded {
        Loaded::Live(live) => Some(&live.user),
        Loaded::Confirmed(user) => Some(user),
        Loaded::Unavailable => return Outcome::Refused(RejectionKind::Unavailable),
        Loaded::Dead(_) => None,
    };
    match (user, otherwise) {
        (Some(user), _) if !shared.is_denied(user.session, shared.now()) => {
            Outcome::Authenticated(user.clone())
        }
        (_, Otherwise::Anonymous) => Outcome::Anonymous,
        (_, Otherwise::Bearer(reason)) => Outcome::Refused(RejectionKind::InvalidToken(*reason)),
    }
}
