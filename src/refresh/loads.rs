//! Concurrent requests with the same token share one load.

use std::{fmt, sync::Arc};

use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use tower_refresh_core::SessionHandle;

use super::{
    dead::DeadSessions,
    load::{Loaded, Mode, load},
    single_flight::{SharedWork, SingleFlight},
};
use crate::{CustomClaims, refresh_token::RefreshToken, sessions::Sessions, telemetry::load_span};

/// A load that is in progress, or its result.
pub(crate) type Loading<C> = BoxFuture<'static, Arc<Loaded<C>>>;

/// The loads in progress. Clones share them.
pub(super) struct Loads<C> {
    sessions: Arc<Sessions<C>>,
    dead: Arc<DeadSessions>,
    flights: SingleFlight<(SessionHandle, u32, Mode), Arc<Loaded<C>>>,
}

impl<C: CustomClaims> Loads<C> {
    pub(super) fn new(sessions: Arc<Sessions<C>>, dead: Arc<DeadSessions>) -> Self {
        Self { sessions, dead, flights: SingleFlight::new() }
    }

    /// Joins the load in progress for `token`, or starts one, unless its session is known to be over; also returns whether it joined.
    /// A request that joined a load that
    /// failed tries once more: the failure may be older than the request.
    pub(super) fn join_or_start(&self, token: &RefreshToken, mode: Mode) -> (Loading<C>, bool) {
        if let Some(inactive) = self.dead.find(token.handle, self.sessions.now()) {
            return (ready(Arc::new(Loaded::Inactive(inactive))).boxed(), false);
        }
        let (load, joined) = self.shared_load(token, mode);
        if !joined {
            return (load.boxed(), false);
        }
        let (loads, token) = (self.clone(), token.clone());
        let load = async move {
            let loaded = load.await;
            if !matches!(*loaded, Loaded::Unavailable) {
                return loaded;
            }
            let (again, _) = loads.shared_load(&token, mode);
            again.await
        };
        (load.boxed(), true)
    }

    fn shared_load(&self, token: &RefreshToken, mode: Mode) -> (SharedWork<Arc<Loaded<C>>>, bool) {
        self.flights.join_or_start((token.handle, token.generation, mode), || {
            let (handle, generation) = (token.handle, token.generation);
            let load = load(self.sessions.clone(), self.dead.clone(), token.clone(), mode);
            load_span(handle, generation, load).map(Arc::new)
        })
    }
}

impl<C> Clone for Loads<C> {
    fn clone(&self) -> Self {
        Self { sessions: self.sessions.clone(), dead: self.dead.clone(), flights: self.flights.clone() }
    }
}

impl<C> fmt::Debug for Loads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loads").field("flights", &self.flights).finish_non_exhaustive()
    }
}
