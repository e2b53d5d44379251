//! Steps 5 and 6: whether the response needs a commit, and what it carries otherwise.

use std::sync::{Arc, atomic::Ordering};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower_refresh_core::rotation::TokenClass;

use super::tokens;
use crate::{
    CustomClaims,
    credentials::cross_site::Navigation,
    event::EventKind,
    refresh::{Inactive, Loaded, Reissued},
    refresh_token::{PresentedTokens, RefreshToken},
    state::{Change, Outcome, Refresh, RequestState},
    timeout::timeout,
    tokens::Issued,
};

/// What nginx reads of a response head by default, where a memory page has this size (`proxy_buffer_size`).
const LARGEST_HEAD: usize = 4096;

/// The status line, `Date`, `Content-Length` and the empty line.
const SERVERS_OWN_SIZE: usize = 100;

/// The commit, if one is due: not after the handler has changed the session, which takes precedence, and not in a navigation that
/// another site started. A response that ends HTTP on the connection, where browsers do not reliably store cookies, sends
/// nothing, and only spends what a late token costs.
pub(super) fn commit_if_due<C: CustomClaims>(
    state: &Arc<RequestState<C>>,
    ahead: Option<impl Future<Output = (RefreshToken, Arc<Loaded<C>>)> + Send + 'static>,
    changed: bool,
    status: StatusCode,
) -> Option<BoxFuture<'static, Option<Issued>>> {
    if changed || state.is_read_only() {
        return None;
    }
    let state = state.clone();
    if state.info.is_upgrade(status) {
        return spend_if_late(state);
    }
    if let Some(ahead) = ahead {
        let limit = state.auth.settings.backend_timeout;
        let commit = async move {
            let (token, loaded) = ahead.await;
            state.auth.refresher.exchange_shared(token, loaded, state.info.client()).await.ok()
        };
        return Some(timeout(limit, commit).map(Option::flatten).boxed());
    }
    let refresh = match &state.refresh {
        Refresh::Loaded(refresh) => refresh,
        Refresh::OfferDue => return Some(offer_device(state).boxed()),
        Refresh::NotNeeded | Refresh::DeviceRequest => return None,
    };
    let token = refresh.token.as_ref().filter(|_| matches!(*refresh.loaded, Loaded::Live(_)))?;
    let (token, loaded) = (token.clone(), refresh.loaded.clone());
    let commit = state.auth.refresher.exchange_shared(token, loaded, state.info.client());
    Some(commit.map(Result::ok).boxed())
}

fn spend_if_late<C: CustomClaims>(state: Arc<RequestState<C>>) -> Option<BoxFuture<'static, Option<Issued>>> {
    let is_late = |loaded: &Loaded<C>| loaded.live().is_ok_and(|live| live.class == TokenClass::Late);
    if !state.loaded().is_some_and(|loaded| is_late(loaded)) {
        return None;
    }
    let spend = async move {
        if let Refresh::Loaded(refresh) = &state.refresh
            && let Some(token) = &refresh.token
        {
            state.auth.refresher.spend_for_upgrade(token, &refresh.loaded, &state.info.client()).await;
        }
        None
    };
    Some(spend.boxed())
}

/// The second offer to register the browser's device, if the session is not bound yet. If the store fails, there is none.
async fn offer_device<C: CustomClaims>(state: Arc<RequestState<C>>) -> Option<Issued> {
    let Outcome::Authenticated(user) = &state.outcome else { return None };
    let (auth, sessions) = (&state.auth, state.auth.sessions());
    let row = sessions.store.load(user.session, Some(&user.subject), &state.info.client()).await.ok()??;
    let (now, monotonic) = (auth.now(), sessions.events.monotonic());
    if sessions.is_denied(row.handle) || !auth.device_offers.take(&row, now, monotonic) {
        return None;
    }
    let offer = auth.tokens().device_offer(&row, now, false).ok()??;
    Some(Issued { offer: Some(offer), ..Issued::default() })
}

/// Adds what the handler's change requires, or else the removal of useless cookies.
pub(super) fn apply_change<C: CustomClaims>(
    state: &RequestState<C>,
    change: Option<Change<C>>,
    status: StatusCode,
    headers: &mut HeaderMap,
) {
    let settings = &state.auth.settings;
    // The session may have ended, or its claims may be outdated, since its tokens were issued.
    let session = match &change {
        Some(Change::LoggedIn { user, .. } | Change::LoggedInNative { user }) => Some(user.session),
        Some(Change::Refreshed { user, .. }) => user.as_ref().map(|user| user.session),
        Some(Change::LoggedOut) | None => None,
    };
    if session.is_some_and(|session| state.auth.sessions().is_denied(session)) {
        // The handler has the access token, and may have put it into the body.
        tokens::forbid_caching(headers);
        return;
    }
    if change.is_none()
        && let Some(Loaded::Reissued(reissued)) = state.loaded().map(Arc::as_ref)
    {
        add_reissued(state, reissued, status, headers);
        return;
    }
    match change {
        Some(Change::LoggedIn { issued, .. } | Change::Refreshed { issued, .. }) => {
            let least_epoch = session.map_or(0, |session| state.auth.sessions().least_epoch(session));
            add_tokens(state, headers, &issued.without_claims_below(least_epoch));
        }
        Some(Change::LoggedInNative { .. }) => tokens::forbid_caching(headers),
        // Of a cross-site request, the cookies were not read.
        Some(Change::LoggedOut) if state.info.sender.is_cross_site => {}
        Some(Change::LoggedOut) => tokens::remove_cookies(headers, settings),
        None if state.info.sender.navigation == Navigation::Own && is_session_over(state) => {
            tokens::remove_cookies(headers, settings);
        }
        None => {}
    }
}

/// Adds the access token with newer claims, unless it may not be used any more, another site can discard the response, or it ends HTTP on
/// the connection.
fn add_reissued<C: CustomClaims>(
    state: &RequestState<C>,
    Reissued { user, issued }: &Reissued<C>,
    status: StatusCode,
    headers: &mut HeaderMap,
) {
    let sessions = state.auth.sessions();
    if !state.is_read_only() && !state.info.is_upgrade(status) && !sessions.is_denied(user.session) {
        add_tokens(state, headers, &issued.clone().without_claims_below(sessions.least_epoch(user.session)));
    }
}

/// Adds the issued tokens.
pub(super) fn add_tokens<C: CustomClaims>(state: &RequestState<C>, headers: &mut HeaderMap, issued: &Issued) {
    tokens::add(headers, &state.auth.settings, state.info.transport, issued);
    let bytes = head_size(headers);
    if bytes > LARGEST_HEAD && !state.auth.large_head_reported.swap(true, Ordering::Relaxed) {
        state.emit(EventKind::LargeResponseHead { bytes });
    }
}

/// The size in HTTP/1.1, with what the server adds to the headers.
fn head_size(headers: &HeaderMap) -> usize {
    let size =
        |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + ": \r\n".len();
    SERVERS_OWN_SIZE + headers.iter().map(size).sum::<usize>()
}

/// Whether the session of the request has ended or expired, according to the store or to the refresh token itself.
fn is_session_over<C: CustomClaims>(state: &RequestState<C>) -> bool {
    match state.loaded() {
        Some(loaded) => matches!(**loaded, Loaded::Inactive(Inactive::SessionOver)),
        None => {
            !matches!(state.outcome, Outcome::Authenticated(_))
                && matches!(state.info.parsed_refresh_tokens(), Some(PresentedTokens::Expired(_)))
        }
    }
}
