//! The journey of a request. Only this file knows the order of the steps:
//!
//! 1. credentials: read the headers;
//! 2. cross-site: decide whether the cookies count;
//! 3. access token: verify it;
//! 4. load: only if the access token is absent, expired or near its expiry; then the inner service sees the user;
//! 5. commit: when the response head is ready, if there was a load;
//! 6. respond: set the tokens.
//!
//! [`arrive`] takes a request to its load or to the inner service, [`after_load`] from the load to the inner service, and
//! [`on_response_head`] and [`after_commit`] to the response.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Method, Request, Response};
use tower_refresh_core::{SessionHandle, Timestamp};

use super::{
    access::{self, Access, Due},
    capacity, response,
};
use crate::{
    CustomClaims, RejectionKind,
    access_token::InvalidTokenReason,
    auth_inner::AuthInner,
    claims::User,
    credentials::{CookieHeaders, RequestHeaders, RetainedHeaders, cross_site, cross_site::Navigation},
    device,
    event::About,
    refresh::{Loaded, Loading, Mode},
    refresh_token::RefreshToken,
    settings::{AccessTransport, Settings},
    state::{
        Fallback, LoadedRefresh, Outcome, Refresh, RequestExtension, RequestInfo, RequestState, Sender,
        has_our_cookies,
    },
    telemetry,
    tokens::Issued,
};

/// What happens to a request next.
#[allow(clippy::large_enum_variant, reason = "it is taken apart where it is returned")]
pub(super) enum Arrival<C> {
    /// The inner service is called.
    Serve(Arc<RequestState<C>>),
    /// The inner service is called, and the tokens are refreshed ahead of their expiry meanwhile.
    RefreshAhead(Arc<RequestState<C>>, Box<RefreshAhead<C>>),
    /// The load decides who the user is.
    Wait(Loading<C>, RequestInfo, OnLoaded),
}

/// How a request goes on after its load.
pub(super) struct OnLoaded {
    token: Option<RefreshToken>,
    fallback: Fallback,
}

/// A load beside the handler.
pub(super) struct RefreshAhead<C> {
    token: RefreshToken,
    load: Loading<C>,
    /// The result, as soon as it is there.
    loaded: Option<Arc<Loaded<C>>>,
}

/// Whether the same layer is further outside, as when a router with the layer is nested in another one. A second journey would
/// set each cookie twice, and remove what the first one sets.
#[inline]
pub(super) fn has_passed<ReqBody, C: CustomClaims>(auth: &AuthInner<C>, request: &Request<ReqBody>) -> bool {
    request.extensions().get::<RequestExtension>().is_some_and(|extension| extension.is_of(&auth.id))
}

/// Steps 1 to 3, and whether there is a step 4.
pub(super) fn arrive<ReqBody, C: CustomClaims>(
    auth: &Arc<AuthInner<C>>,
    request: &mut Request<ReqBody>,
) -> Arrival<C> {
    let settings = &*auth.settings;
    let now = auth.now();
    let ip = settings.client_ip.as_ref().and_then(|ip| ip(request.headers(), request.extensions()));
    let overruled = settings
        .is_browser
        .as_ref()
        .and_then(|is_browser| is_browser(request.headers(), request.extensions()));
    let target = cross_site::Target::of(request);
    let is_connect = *request.method() == Method::CONNECT;
    let mut retained = RetainedHeaders::default();
    let headers = RequestHeaders::read_and_mark_sensitive(request.headers_mut(), &mut retained);

    let mut sender = Sender::default();
    if cross_site::is_from_browser(&headers) {
        sender.is_from_browser = true;
        sender.navigation = cross_site::navigation(&headers, settings.cookies.domain.is_some());
        sender.is_hidden_from_scripts =
            sender.navigation == Navigation::Elsewhere && cross_site::is_hidden_from_scripts(&headers);
        sender.is_cross_site = cross_site::is_cross_site(&headers, &target, &settings.trusted_origins);
    }
    // After the rules for cookies, which it does not affect.
    if let Some(overruled) = overruled {
        sender.is_from_browser = overruled;
    }
    let ignored_cookies = sender.is_cross_site && has_our_cookies(&retained.cookies, settings);
    if sender.is_cross_site {
        retained.cookies = CookieHeaders::default();
    }

    match access::read(auth, headers.authorization, &retained.cookies, now) {
        // Nearly every request; the rest is kept out of its way.
        Access::Valid(valid) if valid.due == Due::Nothing && !auth.sessions().must_ask_store() => {
            // Made here and not before the match, so that it is written to memory once: where the state is kept.
            let mut info = RequestInfo::new(ip, is_connect, sender, retained);
            info.access_session = Some(valid.user.session);
            info.transport = valid.transport;
            let refresh = unless_offer_due(auth, &info, &valid.user, now);
            let outcome = Outcome::Authenticated(valid.user);
            telemetry::request(outcome.label(false));
            let state = RequestState::new(auth.clone(), outcome, info, refresh);
            insert(request, &state);
            Arrival::Serve(state)
        }
        access => {
            let info = RequestInfo::new(ip, is_connect, sender, retained);
            arrive_otherwise(auth, request, info, access, ignored_cookies, now)
        }
    }
}

/// The rest of step 3, for a request whose access token is not simply valid, and step 4.
#[inline(never)]
fn arrive_otherwise<ReqBody, C: CustomClaims>(
    auth: &Arc<AuthInner<C>>,
    request: &mut Request<ReqBody>,
    mut info: RequestInfo,
    access: Access<C>,
    ignored_cookies: bool,
    now: Timestamp,
) -> Arrival<C> {
    let settings = &*auth.settings;
    match access {
        // The refresh token alone decides nothing here, so it is left to the handler.
        access @ (Access::Absent | Access::Valid(_) | Access::ExpiredBearer(_))
            if device::is_device_request(settings, request.headers()) =>
        {
            info.access_session = access.session();
            info.transport = transport(&access, settings);
            let outcome = match access {
                // Scripts can send one of these headers, and must not avoid a question to the store with it.
                Access::Valid(valid) if valid.due != Due::Reissue && !auth.sessions().must_ask_store() => {
                    Outcome::Authenticated(valid.user)
                }
                Access::ExpiredBearer(_) => {
                    Outcome::Rejected(RejectionKind::InvalidToken(InvalidTokenReason::Expired))
                }
                _ => Outcome::Anonymous,
            };
            let state = RequestState::new(auth.clone(), outcome, info, Refresh::DeviceRequest);
            hand_over(request, &state);
            Arrival::Serve(state)
        }
        access => {
            if settings.device.is_some() {
                info.refresh_skipped = device::headers::skipped(request.headers());
            }
            let arrival = load_or_serve(auth, info, access, ignored_cookies, now);
            if let Arrival::Serve(state) | Arrival::RefreshAhead(state, _) = &arrival {
                hand_over(request, state);
            }
            arrival
        }
    }
}

/// Nothing is loaded, unless the response may offer once more to register the browser's device: with the first page that a user
/// opens after the login, if the first offer was lost.
#[inline]
fn unless_offer_due<C: CustomClaims>(
    auth: &AuthInner<C>,
    info: &RequestInfo,
    user: &User<C>,
    now: Timestamp,
) -> Refresh<C> {
    let is_possible = auth.settings.device.is_some()
        && info.sender.navigation == Navigation::Own
        && info.transport == AccessTransport::Cookie;
    if is_possible && !user.is_device_bound && device::may_second_offer_be_due(user.issued_at, now) {
        return Refresh::OfferDue;
    }
    Refresh::NotNeeded
}

/// Step 4, if it is needed.
fn load_or_serve<C: CustomClaims>(
    auth: &Arc<AuthInner<C>>,
    mut info: RequestInfo,
    access: Access<C>,
    ignored_cookies: bool,
    now: Timestamp,
) -> Arrival<C> {
    info.access_session = access.session();
    info.transport = transport(&access, &auth.settings);
    let deciding = if info.is_read_only() { Mode::ReadOnly } else { Mode::Deciding };
    let cookie_token = || info.parse_refresh_tokens_once(auth, now).token().cloned();
    // The access token of one user is never refreshed with the session of another.
    let token_of = |session: SessionHandle| cookie_token().filter(|token| token.handle == session);

    let outcome = match access {
        Access::Valid(valid) if valid.due == Due::Reissue || auth.sessions().must_ask_store() => {
            let (fallback, token) = match valid.transport {
                AccessTransport::Header => {
                    let fallback = Fallback::InvalidBearer(InvalidTokenReason::Revoked);
                    (fallback, token_of(valid.user.session))
                }
                AccessTransport::Cookie => (Fallback::Anonymous, cookie_token()),
            };
            let load = auth.refresher.confirm_or_load(valid.user, token.clone(), deciding, info.client());
            return Arrival::Wait(load, info, OnLoaded { token, fallback });
        }
        Access::Valid(valid) => {
            let is_due = valid.due == Due::RefreshAhead && !info.is_read_only();
            let token = if is_due { token_of(valid.user.session) } else { None };
            let outcome = Outcome::Authenticated(valid.user);
            if let Some(token) = token {
                let load = auth.refresher.load(&token, Mode::Advisory, &info.client());
                let state = RequestState::new(auth.clone(), outcome, info, Refresh::NotNeeded);
                return Arrival::RefreshAhead(state, Box::new(RefreshAhead { token, load, loaded: None }));
            }
            outcome
        }
        Access::ExpiredBearer(session) => {
            let reason = InvalidTokenReason::Expired;
            if let Some(token) = token_of(session) {
                let load = auth.refresher.load(&token, deciding, &info.client());
                let fallback = Fallback::InvalidBearer(reason);
                return Arrival::Wait(load, info, OnLoaded { token: Some(token), fallback });
            }
            Outcome::Rejected(RejectionKind::InvalidToken(reason))
        }
        Access::Rejected(kind) => Outcome::Rejected(kind),
        Access::Absent if ignored_cookies => Outcome::Rejected(RejectionKind::CrossSite),
        Access::Absent => {
            if let Some(token) = cookie_token() {
                let load = auth.refresher.load(&token, deciding, &info.client());
                let fallback = Fallback::Anonymous;
                return Arrival::Wait(load, info, OnLoaded { token: Some(token), fallback });
            }
            Outcome::Anonymous
        }
    };
    Arrival::Serve(RequestState::new(auth.clone(), outcome, info, Refresh::NotNeeded))
}

/// From step 4 to the inner service.
pub(super) fn after_load<ReqBody, C: CustomClaims>(
    auth: Arc<AuthInner<C>>,
    request: &mut Request<ReqBody>,
    info: RequestInfo,
    OnLoaded { token, fallback }: OnLoaded,
    loaded: Arc<Loaded<C>>,
) -> Arc<RequestState<C>> {
    let is_denied = |session| auth.sessions().is_denied(session);
    let outcome = Outcome::after_load(&loaded, fallback, |user| is_denied(user.session));
    let refresh = Refresh::Loaded(Box::new(LoadedRefresh { token, loaded }));
    let state = RequestState::new(auth, outcome, info, refresh);
    hand_over(request, &state);
    state
}

/// Reports who the user is, and shows it to the inner service.
fn hand_over<ReqBody, C: CustomClaims>(request: &mut Request<ReqBody>, state: &Arc<RequestState<C>>) {
    let was_refreshed = matches!(state.loaded().map(Arc::as_ref), Some(Loaded::Live(_)));
    telemetry::request(state.outcome.label(was_refreshed));
    if let Outcome::Rejected(kind) = &state.outcome {
        let client = state.info.client();
        state.auth.sessions().events.rejected(kind, About::client(&client));
    }
    insert(request, state);
}

/// Shows the inner service who the user is.
#[inline(always)]
fn insert<ReqBody, C: CustomClaims>(request: &mut Request<ReqBody>, state: &Arc<RequestState<C>>) {
    let extensions = request.extensions_mut();
    capacity::reserve(extensions);
    extensions.insert(RequestExtension(state.clone()));
}

impl<C> RefreshAhead<C> {
    /// Takes the result of the load as soon as it is there.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        if self.loaded.is_none()
            && let Poll::Ready(loaded) = self.load.poll_unpin(context)
        {
            self.loaded = Some(loaded);
        }
    }

    async fn finish(self) -> (RefreshToken, Arc<Loaded<C>>) {
        let loaded = match self.loaded {
            Some(loaded) => loaded,
            None => self.load.await,
        };
        (self.token, loaded)
    }
}

/// Step 6, unless step 5 comes first: then the commit is returned.
#[inline]
pub(super) fn on_response_head<ResBody, C: CustomClaims>(
    state: &Arc<RequestState<C>>,
    ahead: &mut Option<Box<RefreshAhead<C>>>,
    response: &mut Response<ResBody>,
) -> Option<BoxFuture<'static, Option<Issued>>> {
    // Nearly every request: the access token was enough.
    if ahead.is_none() && state.is_settled() && state.seal_if_unchanged() {
        return None;
    }
    let ahead = ahead.take().map(|ahead| ahead.finish());
    commit_or_respond(state, ahead, response)
}

#[inline(never)]
fn commit_or_respond<ResBody, C: CustomClaims>(
    state: &Arc<RequestState<C>>,
    ahead: Option<impl Future<Output = (RefreshToken, Arc<Loaded<C>>)> + Send + 'static>,
    response: &mut Response<ResBody>,
) -> Option<BoxFuture<'static, Option<Issued>>> {
    let change = state.seal();
    let commit = response::commit_if_due(state, ahead, change.is_some(), response.status());
    if commit.is_none() {
        response::apply_change(state, change, response.status(), response.headers_mut());
    }
    commit
}

/// Step 6 after a commit.
pub(super) fn after_commit<C: CustomClaims>(
    state: &RequestState<C>,
    issued: Option<Issued>,
    headers: &mut HeaderMap,
) {
    if let Some(issued) = issued {
        response::add_tokens(state, headers, &issued);
    }
}

/// How a new access token is sent: as the request's was received, or else as a cookie, or else in the header.
fn transport<C>(access: &Access<C>, settings: &Settings) -> AccessTransport {
    match access {
        Access::Valid(valid) => valid.transport,
        Access::ExpiredBearer(_) | Access::Rejected(_) => AccessTransport::Header,
        Access::Absent if settings.transports.cookie => AccessTransport::Cookie,
        Access::Absent => AccessTransport::Header,
    }
}
