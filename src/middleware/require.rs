//! Routes that need a user, without an extractor.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{
    Rejection,
    auth_inner::AuthId,
    state::{RequestExtension, Requirement},
};

/// Rejects requests without a user, without a scope, without a recent login, or without a proof of the device.
/// [`Auth::require_auth`](crate::Auth::require_auth), [`Auth::require_scope`](crate::Auth::require_scope),
/// [`Auth::require_recent_login`](crate::Auth::require_recent_login) and
/// [`Auth::require_device_binding`](crate::Auth::require_device_binding) make it; it belongs inside
/// [`RefreshLayer`](crate::RefreshLayer).
///
/// The response of a rejection is [`Rejection::to_response`] if the body type implements `From<Bytes>`. For other bodies, such
/// as tonic's, pass a closure to [`with_response`](Self::with_response). For pages, [`login_page`](Self::login_page) sends people to
/// log in.
#[must_use]
pub struct RequireAuthLayer<R = ProblemResponse> {
    auth: AuthId,
    required: Requirement,
    respond: R,
}

impl RequireAuthLayer {
    pub(crate) fn new(auth: AuthId, required: Requirement) -> Self {
        Self { auth, required, respond: ProblemResponse(()) }
    }

    /// Makes the response of a rejection with `respond`, a closure `Fn(&Rejection, &Parts) -> Response<B>`. It receives the request
    /// without its body.
    pub fn with_response<R>(self, respond: R) -> RequireAuthLayer<R> {
        self.map_response(|_| respond)
    }
}

impl<R> RequireAuthLayer<R> {
    pub(super) fn map_response<T>(self, map: impl FnOnce(R) -> T) -> RequireAuthLayer<T> {
        RequireAuthLayer { auth: self.auth, required: self.required, respond: map(self.respond) }
    }
}

impl<S, R: Clone> Layer<S> for RequireAuthLayer<R> {
    type Service = RequireAuth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireAuth {
            inner,
            auth: self.auth.clone(),
            required: self.required.clone(),
            respond: self.respond.clone(),
        }
    }
}

impl<R: Clone> Clone for RequireAuthLayer<R> {
    fn clone(&self) -> Self {
        Self { auth: self.auth.clone(), required: self.required.clone(), respond: self.respond.clone() }
    }
}

impl<R> fmt::Debug for RequireAuthLayer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireAuthLayer").field("required", &self.required).finish_non_exhaustive()
    }
}

/// The service of [`RequireAuthLayer`].
#[derive(Clone)]
#[must_use = "services do nothing unless called"]
pub struct RequireAuth<S, R = ProblemResponse> {
    inner: S,
    auth: AuthId,
    required: Requirement,
    respond: R,
}

impl<S, R, ReqBody, ResBody> Service<Request<ReqBody>> for RequireAuth<S, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    R: RespondToRejection<ResBody>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RequireAuthFuture<S::Future, S::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let checked = RequestExtension::of(request.extensions())
            .and_then(|extension| extension.check(&self.auth, &self.required));
        RequireAuthFuture {
            stage: match checked {
                Ok(()) => Stage::Allowed { inner: self.inner.call(request) },
                Err(rejection) => {
                    let (request, _) = request.into_parts();
                    let mut response = self.respond.respond(&rejection, &request);
                    response.extensions_mut().insert(rejection);
                    Stage::Rejected { response: Some(response) }
                }
            },
        }
    }
}

impl<S: fmt::Debug, R> fmt::Debug for RequireAuth<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireAuth")
            .field("inner", &self.inner)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

/// Makes a response with a body of type `B` from a [`Rejection`]. Closures implement it, and [`ProblemResponse`] where
/// `B: From<Bytes>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no response with the body `{B}`",
    label = "the service responds with the body `{B}`",
    note = "for a body that is not `From<Bytes>`, pass a closure to `RequireAuthLayer::with_response` that makes a `Response<{B}>`"
)]
pub trait RespondToRejection<B> {
    /// Returns the response to `request`.
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<B>;
}

impl<B, F: Fn(&Rejection, &Parts) -> Response<B>> RespondToRejection<B> for F {
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<B> {
        self(rejection, request)
    }
}

/// Responds as [`Rejection::to_response`] does.
#[derive(Clone, Copy, Debug)]
pub struct ProblemResponse(());

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>> RespondToRejection<B> for ProblemResponse {
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<B> {
        rejection.to_response(request)
    }
}

pin_project! {
    /// The future of [`RequireAuth`].
    #[must_use = "futures do nothing unless polled"]
    pub struct RequireAuthFuture<F, R> {
        #[pin]
        stage: Stage<F, R>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, R> {
        Allowed { #[pin] inner: F },
        Rejected { response: Option<R> },
    }
}

impl<F: Future<Output = Result<R, E>>, R, E> Future for RequireAuthFuture<F, R> {
    type Output = Result<R, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().stage.project() {
            StageProjection::Allowed { inner } => inner.poll(context),
            StageProjection::Rejected { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                // Polled after completion: a bug of the caller, which must not panic in a server.
                None => Poll::Pending,
            },
        }
    }
}

impl<F, R> fmt::Debug for RequireAuthFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireAuthFuture").finish_non_exhaustive()
    }
}
