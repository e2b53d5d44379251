//! Concurrent requests with the same token share one load.

use std::{fmt, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::SessionHandle;

use super::{
    load::{Loaded, Mode, load},
    single_flight::{SharedWork, SingleFlight, result},
};
use crate::{CustomClaims, refresh_token::RefreshToken, sessions::Sessions, telemetry::load_span};

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
    pub(super) fn join_or_start(&self, token: &RefreshToken, mode: Mode) -> (Loading<C>, bool) {
        let (load, joined) = self.shared_load(token, mode);
        if !joined {
            return (wait(load, mode).boxed(), false);
        }
        let (loads, token) = (self.clone(), token.clone());
        let load = async move {
            let loaded = wait(load, mode).await;
            if !matches!(*loaded, Loaded::Unavailable) {
                return loaded;
            }
            wait(loads.shared_load(&token, mode).0, mode).await
        };
        (load.boxed(), true)
    }

    fn shared_load(&self, token: &RefreshToken, mode: Mode) -> (SharedWork<Arc<Loaded<C>>>, bool) {
        self.flights.join_or_start((token.handle, token.generation, mode), || {
            let (handle, generation) = (token.handle, token.generation);
            load_span(handle, generation, load(self.sessions.clone(), token.clone(), mode)).map(Arc::new)
        })
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
        Self { sessions: self.sessions.clone(), flights: self.flights.clone() }
    }
}

impl<C> fmt::Debug for Loads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loads").field("flights", &self.flights).finish_non_exhaustive()
    }
}
