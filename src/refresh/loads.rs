//! Concurrent requests with the same token share one load.

use std::{fmt, sync::Arc};

use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use tower_refresh_core::SessionHandle;

use super::{
    dead::DeadSessions,
    load::{Loaded, Mode, assess, load},
    single_flight::{SharedWork, SingleFlight, result},
};
use crate::{
    CustomClaims, event::ClientInfo, refresh_token::RefreshToken, sessions::Sessions, telemetry::load_span,
    tokens::Tokens,
};

/// A load that is in progress, or its result.
pub(crate) type Loading<C> = BoxFuture<'static, Arc<Loaded<C>>>;

/// The loads in progress. Clones share them.
pub(super) struct Loads<C> {
    sessions: Arc<Sessions<C>>,
    tokens: Arc<Tokens<C>>,
    dead: Arc<DeadSessions>,
    /// By the least epoch of claims too: a request after a notice never joins a load that may be from before it.
    flights: SingleFlight<(SessionHandle, u32, Mode, u32), Arc<Loaded<C>>>,
}

impl<C: CustomClaims> Loads<C> {
    pub(super) fn new(sessions: Arc<Sessions<C>>, tokens: Arc<Tokens<C>>, dead: Arc<DeadSessions>) -> Self {
        Self { sessions, tokens, dead, flights: SingleFlight::new() }
    }

    /// Joins the load in progress for `token`, or starts one, unless its session is known to be over; also returns whether it joined.
    /// A request that joined a load that failed tries once more: the failure may be older than the request.
    ///
    /// The application assesses each request by itself.
    pub(super) fn join_or_start(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> (Loading<C>, bool) {
        let (load, joined) = self.join_or_start_unassessed(token, mode, client);
        if self.sessions.assessor.is_none() {
            return (load, joined);
        }
        let (sessions, client) = (self.sessions.clone(), client.clone());
        let load = async move {
            let loaded = load.await;
            match &sessions.assessor {
                Some(assessor) => assess(&sessions, assessor, loaded, mode, &client).await,
                None => loaded,
            }
        };
        (load.boxed(), joined)
    }

    fn join_or_start_unassessed(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> (Loading<C>, bool) {
        if let Some(inactive) = self.dead.find(token.handle, self.sessions.now()) {
            return (ready(Arc::new(Loaded::Inactive(inactive))).boxed(), false);
        }
        // A load in progress may be from before what another server did, of which no notice comes.
        if self.sessions.must_ask_store() {
            return (self.start(token, mode, client).boxed(), false);
        }
        let (load, joined) = self.shared_load(token, mode, client);
        if !joined {
            return (wait(load, mode).boxed(), false);
        }
        let (loads, token, client) = (self.clone(), token.clone(), client.clone());
        let load = async move {
            let loaded = wait(load, mode).await;
            if !matches!(*loaded, Loaded::Unavailable | Loaded::InvalidClaims(_)) {
                return loaded;
            }
            wait(loads.shared_load(&token, mode, &client).0, mode).await
        };
        (load.boxed(), true)
    }

    fn shared_load(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> (SharedWork<Arc<Loaded<C>>>, bool) {
        let least_epoch = self.sessions.least_epoch(token.handle);
        self.flights.join_or_start((token.handle, token.generation, mode, least_epoch), || {
            self.start(token, mode, client)
        })
    }

    fn start(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> impl Future<Output = Arc<Loaded<C>>> + Send + use<C> + 'static {
        let (handle, generation) = (token.handle, token.generation);
        let (sessions, tokens, dead) = (self.sessions.clone(), self.tokens.clone(), self.dead.clone());
        let load = load(sessions, tokens, dead, token.clone(), mode, client.clone());
        load_span(handle, generation, load).map(Arc::new)
    }
}

async fn wait<C: CustomClaims>(load: SharedWork<Arc<Loaded<C>>>, mode: Mode) -> Arc<Loaded<C>> {
    match mode {
        Mode::Deciding | Mode::ReadOnly => result(load).await,
        // It runs beside the handler, and starts before it.
        Mode::Advisory => load.await,
    }
}

impl<C> Clone for Loads<C> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            tokens: self.tokens.clone(),
            dead: self.dead.clone(),
            flights: self.flights.clone(),
        }
    }
}

impl<C> fmt::Debug for Loads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loads").field("flights", &self.flights).finish_non_exhaustive()
    }
}
