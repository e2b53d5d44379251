//! Concurrent requests with the same token share one load.

use std::{fmt, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::SessionHandle;

use super::{
    load::{Loaded, Mode, load},
    single_flight::{SharedWork, SingleFlight},
};
use crate::{
    CustomClaims, event::ClientInfo, refresh_token::RefreshToken, sessions::Sessions, telemetry::load_span,
};

/// A load that is in progress, or its result.
pub(crate) type Loading<C> = BoxFuture<'static, Arc<Loaded<C>>>;

/// The loads in progress. Clones share them.
pub(super) struct Loads<C> {
    sessions: Arc<Sessions<C>>,
    flights: SingleFlight<(SessionHandle, u32, Mode), Arc<Loaded<C>>>,
}

impl<C: CustomClaims> Loads<C> {
    pub(super) fn new(sessions: Arc<Sessions<C>>) -> Self {
        Self { sessions, flights: SingleFlight::new() }
    }

    /// Joins the load in progress for `token`, or starts one; also returns whether it joined. A request that joined a load that
    /// failed tries once more: the failure may be older than the request.
    pub(super) fn join_or_start(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> (Loading<C>, bool) {
        let (load, joined) = self.shared_load(token, mode, client);
        if !joined {
            return (load.boxed(), false);
        }
        let (loads, token, client) = (self.clone(), token.clone(), client.clone());
        let load = async move {
            let loaded = load.await;
            if !matches!(*loaded, Loaded::Unavailable) {
                return loaded;
            }
            let (again, _) = loads.shared_load(&token, mode, &client);
            again.await
        };
        (load.boxed(), true)
    }

    fn shared_load(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> (SharedWork<Arc<Loaded<C>>>, bool) {
        self.flights.join_or_start((token.handle, token.generation, mode), || {
            let (handle, generation) = (token.handle, token.generation);
            let load = load(self.sessions.clone(), token.clone(), mode, client.clone());
            load_span(handle, generation, load).map(Arc::new)
        })
    }
}

impl<C> Clone for Loads<C> {
    fn clone(&self) -> Self {
        Self { sessions: self.sessions.clone(), flights: self.flights.clone() }
    }
}

impl<C> fmt::Debug for Loads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loads").field("flights", &self.flights).finish_non_exhaustive()
    }
}
