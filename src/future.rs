//! The journey of a request: the only file that knows the order of the steps.

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Request, Response, StatusCode, header::USER_AGENT};
use pin_project_lite::pin_project;
use tower_refresh_core::Handle;
use tower_service::Service;

use crate::{
    CustomClaims, RejectionKind,
    access::{self, Access},
    auth::settings::{Channel, Settings},
    credentials::{self, CookieFields},
    cross_site,
    refresh::{Committed, Dead, Flight, Issued, Loaded, Mode, commit},
    respond,
    shared::Shared,
    state::{Change, Found, Origin, Outcome, State},
    store::within,
    token::{Presented, RefreshToken},
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
            waiting: Option<Waiting<S, ReqBody, C>>,
        },
        Serving {
            #[pin]
            inner: F,
            state: Arc<State<C>>,
            renewal: Option<Renewal<C>>,
        },
        Committing {
            commit: BoxFuture<'static, Option<Issued>>,
            state: Arc<State<C>>,
            response: Option<R>,
        },
    }
}

/// A request that waits for the first half of a refresh.
struct Waiting<S, ReqBody, C> {
    inner: S,
    request: Request<ReqBody>,
    shared: Arc<Shared<C>>,
    origin: Origin,
    /// What it is if the refresh token does not hold.
    otherwise: Otherwise,
}

enum Otherwise {
    Anonymous,
    ExpiredBearer,
}

/// A renewal beside the handler.
struct Renewal<C> {
    token: RefreshToken,
    flight: Flight<C>,
    /// The result, once it is there.
    loaded: Option<Arc<Loaded<C>>>,
}

impl<S, ReqBody, ResBody, C> ResponseFuture<S, ReqBody, C>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: CustomClaims,
{
    pub(crate) fn start(shared: &Arc<Shared<C>>, inner: &mut S, request: Request<ReqBody>) -> Self {
        let settings = &shared.settings;
        let now = shared.now();
        let headers = request.headers();

        let cookies = CookieFields::of(headers);
        let cross_site = cross_site::is_refused(&request, &settings.trusted_origins);
        let refused_cookies = cross_site && has_ours(&cookies, settings);
        let cookies = if cross_site { CookieFields::default() } else { cookies };
        let access = access::read(shared, headers, Some(&cookies), now);
        let origin = Origin {
            cross_site,
            navigation: cross_site::is_navigation(headers),
            channel: channel(&access, settings),
            cookies,
            user_agent: headers.get(USER_AGENT).cloned(),
            ip: settings.client_ip.as_ref().and_then(|ip| ip(headers, request.extensions())),
            presented: OnceLock::new(),
        };

        match access {
            Access::Valid(valid) => {
                let renewal =
                    if valid.near_end { renewal(shared, &origin, valid.user.session) } else { None };
                let state = State::new(shared.clone(), Outcome::Authenticated(valid.user), origin, None);
                Self::serve(inner, request, state, renewal)
            }
            Access::Refused(kind) => {
                let state = State::new(shared.clone(), Outcome::Refused(kind), origin, None);
                Self::serve(inner, request, state, None)
            }
            Access::Expired(session) => match token_of(shared, &origin, session) {
                Some(token) => {
                    Self::refresh(shared, inner, request, origin, &token, Otherwise::ExpiredBearer)
                }
                None => {
                    let kind = RejectionKind::InvalidToken(InvalidToken::Expired);
                    let state = State::new(shared.clone(), Outcome::Refused(kind), origin, None);
                    Self::serve(inner, request, state, None)
                }
            },
            Access::Absent if refused_cookies => {
                let outcome = Outcome::Refused(RejectionKind::CrossSite);
                Self::serve(inner, request, State::new(shared.clone(), outcome, origin, None), None)
            }
            Access::Absent => match origin.presented(shared, now).token().cloned() {
                Some(token) => Self::refresh(shared, inner, request, origin, &token, Otherwise::Anonymous),
                None => {
                    let state = State::new(shared.clone(), Outcome::Anonymous, origin, None);
                    Self::serve(inner, request, state, None)
                }
            },
        }
    }

    fn serve(
        inner: &mut S,
        mut request: Request<ReqBody>,
        state: Arc<State<C>>,
        renewal: Option<Renewal<C>>,
    ) -> Self {
        hand_over(&mut request, &state);
        Self { stage: Stage::Serving { inner: inner.call(request), state, renewal } }
    }

    fn refresh(
        shared: &Arc<Shared<C>>,
        inner: &mut S,
        request: Request<ReqBody>,
        origin: Origin,
        token: &RefreshToken,
        otherwise: Otherwise,
    ) -> Self {
        let flight = shared.flights.join(shared, token, Mode::Deciding);
        // The service that was polled ready is taken, and its clone, which was not, stays behind:
        // https://docs.rs/tower/latest/tower/trait.Service.html#be-careful-when-cloning-inner-services
        let clone = inner.clone();
        let inner = mem::replace(inner, clone);
        let waiting = Waiting { inner, request, shared: shared.clone(), origin, otherwise };
        Self { stage: Stage::Refreshing { flight, waiting: Some(waiting) } }
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
                    let Some(Waiting { mut inner, mut request, shared, origin, otherwise }) = waiting.take()
                    else {
                        return Poll::Pending;
                    };
                    let outcome = outcome(&loaded, &otherwise);
                    let state = State::new(shared, outcome, origin, Some(loaded));
                    hand_over(&mut request, &state);
                    Stage::Serving { inner: inner.call(request), state, renewal: None }
                }
                StageProjection::Serving { inner, state, renewal } => {
                    if let Some(Renewal { flight, loaded: loaded @ None, .. }) = renewal
                        && let Poll::Ready(found) = flight.poll_unpin(context)
                    {
                        *loaded = Some(found);
                    }
                    let mut response = ready!(inner.poll(context))?;
                    let change = state.seal();
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

/// Shows the inner service what was found, and keeps its logs from showing the tokens.
fn hand_over<ReqBody, C: CustomClaims>(request: &mut Request<ReqBody>, state: &Arc<State<C>>) {
    credentials::mark_sensitive(request.headers_mut());
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

fn renewal<C: CustomClaims>(shared: &Arc<Shared<C>>, origin: &Origin, session: Handle) -> Option<Renewal<C>> {
    let token = token_of(shared, origin, session)?;
    let flight = shared.flights.join(shared, &token, Mode::Advisory);
    Some(Renewal { token, flight, loaded: None })
}

fn outcome<C>(loaded: &Loaded<C>, otherwise: &Otherwise) -> Outcome<C> {
    match loaded {
        Loaded::Live(live) => Outcome::Authenticated(live.user.clone()),
        Loaded::Unavailable => Outcome::Refused(RejectionKind::Unavailable),
        Loaded::Dead(_) => match otherwise {
            Otherwise::Anonymous => Outcome::Anonymous,
            Otherwise::ExpiredBearer => Outcome::Refused(RejectionKind::InvalidToken(InvalidToken::Expired)),
        },
    }
}

/// The second half, if one is due: not after the handler changed the session, whose word wins, and not on a response
/// that ends HTTP on this connection, where browsers do not reliably keep cookies.
fn pending_commit<C: CustomClaims>(
    state: &Arc<State<C>>,
    renewal: &mut Option<Renewal<C>>,
    changed: bool,
    status: StatusCode,
) -> Option<BoxFuture<'static, Option<Issued>>> {
    if changed || status == StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    let shared = state.shared.clone();
    if let Some(Renewal { token, flight, loaded }) = renewal.take() {
        let time_limit = shared.store.time_limit();
        let renew = async move {
            let loaded = match loaded {
                Some(loaded) => loaded,
                None => flight.await,
            };
            commit_loaded(&shared, &token, &loaded).await
        };
        return Some(within(time_limit, renew).map(Option::flatten).boxed());
    }
    let loaded = state.loaded.clone().filter(|loaded| matches!(**loaded, Loaded::Live(_)))?;
    let token = state.presented().token()?.clone();
    Some(async move { commit_loaded(&shared, &token, &loaded).await }.boxed())
}

async fn commit_loaded<C: CustomClaims>(
    shared: &Arc<Shared<C>>,
    token: &RefreshToken,
    loaded: &Loaded<C>,
) -> Option<Issued> {
    let Loaded::Live(live) = loaded else { return None };
    match commit(shared, token, live).await {
        Committed::Sent(issued) => Some(issued),
        Committed::NotLive | Committed::Overtaken | Committed::Unavailable => None,
    }
}

/// Puts what the handler did on the response, or else the removal of cookies that are of no more use.
fn apply<C: CustomClaims>(state: &State<C>, change: Option<Change>, headers: &mut HeaderMap) {
    let settings = &state.shared.settings;
    match change {
        Some(Change::LoggedIn { issued, .. } | Change::Refreshed { issued }) => {
            respond::add_tokens(headers, settings, state.origin.channel, &issued);
        }
        Some(Change::LoggedOut) => respond::remove_cookies(headers, settings),
        None if state.origin.navigation && is_over(state) => respond::remove_cookies(headers, settings),
        None => {}
    }
}

/// Whether the request's session has ended or expired, by the store or by the refresh token's own word.
fn is_over<C: CustomClaims>(state: &State<C>) -> bool {
    match &state.loaded {
        Some(loaded) => matches!(**loaded, Loaded::Dead(Dead::Over)),
        None => {
            !matches!(state.outcome, Outcome::Authenticated(_))
                && matches!(state.origin.presented.get(), Some(Presented::Expired(_)))
        }
    }
}
