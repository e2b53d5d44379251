//! The journey of a request: the only file that knows the order of the steps.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_refresh_core::{Handle, Timestamp};
use tower_service::Service;

use crate::{
    CustomClaims, RejectionKind,
    access::{self, Access},
    auth::settings::{Channel, Settings},
    credentials::CookieFields,
    cross_site,
    fields::Fields,
    finish::{Renewal, apply, pending_commit},
    measure,
    refresh::{Flight, Issued, Loaded, Mode, confirm_or_load},
    respond,
    shared::Shared,
    state::{Found, Origin, Outcome, State},
    token::RefreshToken,
    user::User,
    verify::InvalidToken,
};

pin_project! {
    /// The future of [`Refresh`](crate::Refresh).
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
    /// What it is if the session does not hold.
    otherwise: Otherwise,
}

enum Otherwise {
    Anonymous,
    Bearer(InvalidToken),
}

impl<S, ReqBody, ResBody, C> ResponseFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: CustomClaims,
{
    #[inline]
    pub(crate) fn start(shared: &Arc<Shared<C>>, inner: &mut S, mut request: Request<ReqBody>) -> Self {
        let settings = &shared.settings;
        let now = shared.now();
        let ip = settings.client_ip.as_ref().and_then(|ip| ip(request.headers(), request.extensions()));
        let target = cross_site::Target::of(&request);
        let mut fields = Fields::default();
        fields.read(request.headers_mut());

        let browser = cross_site::is_of_browser(&fields);
        let navigation = browser && cross_site::is_navigation(&fields);
        let cross_site = browser && cross_site::is_refused(&fields, &target, &settings.trusted_origins);
        let refused_cookies = cross_site && has_ours(&fields.cookies, settings);
        let cookies = if cross_site { CookieFields::default() } else { fields.cookies };
        let access = access::read(shared, fields.authorization, &cookies, now);
        let origin = Origin {
            access_session: access.session(),
            cross_site,
            browser,
            navigation,
            channel: channel(&access, settings),
            cookies,
            user_agent: fields.user_agent,
            ip,
            presented: OnceLock::new(),
        };

        let (outcome, renewal) = match access {
            // Nearly every request; the rest is kept out of its way.
            Access::Valid(valid) if !valid.near_end && !shared.must_ask_store() => {
                (Outcome::Authenticated(valid.user), None)
            }
            access => match decide(shared, &origin, access, refused_cookies, now) {
                Decision::Serve(outcome) => (outcome, None),
                Decision::Renew(user, renewal) => (Outcome::Authenticated(user), Some(renewal)),
                Decision::Wait(flight, otherwise) => {
                    return Self::wait(shared, inner, request, origin, flight, otherwise);
                }
            },
        };
        let state = State::new(shared.clone(), outcome, origin, None);
        hand_over(&mut request, &state);
        Self { stage: Stage::Serving { inner: inner.call(request), state, renewal } }
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
        loop {
            let next = match stage.as_mut().project() {
                StageProjection::Refreshing { flight, waiting } => {
                    let loaded = ready!(flight.poll_unpin(context));
                    let Some(waiting) = waiting.take() else { return Poll::Pending };
                    let Waiting { mut inner, mut request, shared, origin, otherwise } = *waiting;
                    let outcome = outcome(&shared, &loaded, &otherwise);
                    let state = State::new(shared, outcome, origin, Some(loaded));
                    hand_over(&mut request, &state);
                    Stage::Serving { inner: inner.call(request), state, renewal: None }
                }
                StageProjection::Serving { inner, state, renewal } => {
                    if let Some(renewal) = renewal {
                        renewal.look(context);
                    }
                    let mut response = ready!(inner.poll(context))?;
                    let change = state.seal();
                    // Nearly every request, as above.
                    if change.is_none() && renewal.is_none() && state.is_settled() {
                        return Poll::Ready(Ok(response));
                    }
                    match pending_commit(state, renewal, change.is_some(), response.status()) {
                        Some(commit) => {
                            Stage::Committing { commit, state: state.clone(), response: Some(response) }
                        }
                        None => {
                            apply(state, change, response.headers_mut());
                            return Poll::Ready(Ok(response));
                        }
                    }
                }
                StageProjection::Committing { commit, state, response } => {
                    let issued = ready!(commit.poll_unpin(context));
                    let Some(mut response) = response.take() else { return Poll::Pending };
                    let settings = &state.shared.settings;
                    if let Some(issued) = issued {
                        respond::add_tokens(response.headers_mut(), settings, state.origin.channel, &issued);
                    }
                    return Poll::Ready(Ok(response));
                }
            };
            stage.set(next);
        }
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

/// What is to be done with a request.
enum Decision<C> {
    Serve(Outcome<C>),
    /// To serve it, and to renew the tokens meanwhile.
    Renew(Arc<User<C>>, Box<Renewal<C>>),
    Wait(Flight<C>, Otherwise),
}

#[inline(never)]
fn decide<C: CustomClaims>(
    shared: &Arc<Shared<C>>,
    origin: &Origin,
    access: Access<C>,
    refused_cookies: bool,
    now: Timestamp,
) -> Decision<C> {
    let load = |token: &RefreshToken, mode| shared.flights.join(shared, token, mode);
    match access {
        Access::Valid(valid) if shared.must_ask_store() => {
            let (otherwise, token) = match valid.channel {
                Channel::Header => (Otherwise::Bearer(InvalidToken::Revoked), None),
                Channel::Cookie => (Otherwise::Anonymous, origin.presented(shared, now).token().cloned()),
            };
            Decision::Wait(confirm_or_load(shared.clone(), valid.user, token).boxed(), otherwise)
        }
        Access::Valid(valid) => match token_of(shared, origin, valid.user.session).filter(|_| valid.near_end)
        {
            Some(token) => {
                let flight = load(&token, Mode::Advisory);
                Decision::Renew(valid.user, Box::new(Renewal { token, flight, loaded: None }))
            }
            None => Decision::Serve(Outcome::Authenticated(valid.user)),
        },
        Access::Refused(kind) => Decision::Serve(Outcome::Refused(kind)),
        Access::Expired(session) => match token_of(shared, origin, session) {
            Some(token) => {
                Decision::Wait(load(&token, Mode::Deciding), Otherwise::Bearer(InvalidToken::Expired))
            }
            None => Decision::Serve(Outcome::Refused(RejectionKind::InvalidToken(InvalidToken::Expired))),
        },
        Access::Absent if refused_cookies => Decision::Serve(Outcome::Refused(RejectionKind::CrossSite)),
        Access::Absent => match origin.presented(shared, now).token() {
            Some(token) => Decision::Wait(load(token, Mode::Deciding), Otherwise::Anonymous),
            None => Decision::Serve(Outcome::Anonymous),
        },
    }
}

/// Shows the inner service what was found, and tells whoever counts.
fn hand_over<ReqBody, C: CustomClaims>(request: &mut Request<ReqBody>, state: &Arc<State<C>>) {
    let was_refreshed = matches!(state.loaded.as_deref(), Some(Loaded::Live(_)));
    measure::request(&state.outcome, was_refreshed);
    if let Outcome::Refused(kind) = &state.outcome {
        state.shared.refused(kind, None);
    }
    request.extensions_mut().insert(Found(state.clone()));
}

fn has_ours(cookies: &CookieFields, settings: &Settings) -> bool {
    cookies.has(settings.cookies.refresh_name())
        || settings.channels.cookie && cookies.has(settings.cookies.access_name())
}

/// Where a new access token goes: back where the request's came from, else into the cookie, else into the header.
fn channel<C>(access: &Access<C>, settings: &Settings) -> Channel {
    match access {
        Access::Valid(valid) => valid.channel,
        Access::Expired(_) | Access::Refused(_) => Channel::Header,
        Access::Absent if settings.channels.cookie => Channel::Cookie,
        Access::Absent => Channel::Header,
    }
}

/// The request's refresh token, if it is of `session`: one user's access token is never renewed by another's session.
fn token_of<C: CustomClaims>(shared: &Shared<C>, origin: &Origin, session: Handle) -> Option<RefreshToken> {
    let token = origin.presented(shared, shared.now()).token()?;
    (token.handle == session).then(|| token.clone())
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
