//! Step 5 at the response head: whether a refresh is to be completed, and what else the response says of the session.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderMap, Response, StatusCode};

use crate::{
    CustomClaims,
    refresh::{Committed, Dead, Flight, Issued, Loaded, commit},
    respond,
    session_store::within,
    shared::Shared,
    state::{Change, Outcome, State},
    token::{Presented, RefreshToken},
};

/// A renewal beside the handler.
pub(crate) struct Renewal<C> {
    pub(crate) token: RefreshToken,
    pub(crate) flight: Flight<C>,
    /// The result, once it is there.
    pub(crate) loaded: Option<Arc<Loaded<C>>>,
}

impl<C> Renewal<C> {
    /// Takes the result as soon as it is there.
    pub(crate) fn look(&mut self, context: &mut Context<'_>) {
        if self.loaded.is_none()
            && let Poll::Ready(found) = self.flight.poll_unpin(context)
        {
            self.loaded = Some(found);
        }
    }
}

/// Says on the response what there is to say of the session, unless that takes a commit.
#[inline]
pub(crate) fn at_head<ResBody, C: CustomClaims>(
    state: &Arc<State<C>>,
    renewal: &mut Option<Box<Renewal<C>>>,
    response: &mut Response<ResBody>,
) -> Option<BoxFuture<'static, Option<Issued>>> {
    // Nearly every request: the access token was enough.
    if renewal.is_none() && state.is_settled() && state.seal_untouched() {
        return None;
    }
    conclude(state, renewal, response)
}

/// The same, where there is something to say.
#[inline(never)]
fn conclude<ResBody, C: CustomClaims>(
    state: &Arc<State<C>>,
    renewal: &mut Option<Box<Renewal<C>>>,
    response: &mut Response<ResBody>,
) -> Option<BoxFuture<'static, Option<Issued>>> {
    let change = state.seal();
    let commit = pending_commit(state, renewal, change.is_some(), response.status());
    if commit.is_none() {
        apply(state, change, response.headers_mut());
    }
    commit
}

/// The second half, if one is due: not after the handler changed the session, whose word wins, and not on a response
/// that ends HTTP on this connection, where browsers do not reliably keep cookies.
fn pending_commit<C: CustomClaims>(
    state: &Arc<State<C>>,
    renewal: &mut Option<Box<Renewal<C>>>,
    changed: bool,
    status: StatusCode,
) -> Option<BoxFuture<'static, Option<Issued>>> {
    if changed || status == StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    if let Some(renewal) = renewal.take() {
        let Renewal { token, flight, loaded } = *renewal;
        let shared = state.shared.clone();
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
    let shared = state.shared.clone();
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
fn apply<C: CustomClaims>(state: &State<C>, change: Option<Box<Change>>, headers: &mut HeaderMap) {
    let settings = &state.shared.settings;
    // Somebody may have ended the session since its tokens were made.
    let session = match change.as_deref() {
        Some(Change::LoggedIn { session, .. } | Change::LoggedInNative { session, .. }) => Some(*session),
        Some(Change::Refreshed { .. }) => state.presented().token().map(|token| token.handle),
        Some(Change::LoggedOut) | None => None,
    };
    if session.is_some_and(|session| state.shared.is_denied(session, state.shared.now())) {
        // The handler has had the access token, and may have put it into the body.
        respond::forbid_caching(headers);
        return;
    }
    match change.as_deref() {
        Some(Change::LoggedIn { issued, .. } | Change::Refreshed { issued }) => {
            respond::add_tokens(headers, settings, state.origin.channel, issued);
        }
        Some(Change::LoggedInNative { .. }) => respond::forbid_caching(headers),
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
                && matches!(state.origin.presented.get().map(Box::as_ref), Some(Presented::Expired(_)))
        }
    }
}
