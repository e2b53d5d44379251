//! Requests with the same token that come at once share one load: the one in progress, or one of the last moment.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Either, ready},
};

use tower_refresh_core::{
    SessionHandle,
    rotation::{TokenClass, classify},
};

use super::{
    dead::DeadSessions,
    load::{Live, Loaded, Mode, assess, load},
    sharing::{Recent, SharedWork, SingleFlight},
};
use crate::{
    CustomClaims,
    event::ClientInfo,
    refresh_token::RefreshToken,
    sessions::{RECENT, Sessions},
    telemetry::load_span,
    tokens::Tokens,
};

/// A load that is in progress, or its result.
pub(crate) type Loading<C> = Either<SharedWork<Arc<Loaded<C>>>, BoxFuture<'static, Arc<Loaded<C>>>>;

/// By the least epoch of claims too: a request after a notice never shares a load that may be from before it.
type Key = (SessionHandle, u32, Mode, u32);

/// The loads in progress, and those of the last moment. Clones share them.
pub(super) struct Loads<C> {
    sessions: Arc<Sessions<C>>,
    tokens: Arc<Tokens<C>>,
    dead: Arc<DeadSessions>,
    flights: SingleFlight<Key, Arc<Loaded<C>>>,
    /// For a store that responds within the first poll, where no other request can join. It can tell at once whether they are as now.
    recent: Arc<Recent<Key, Arc<Loaded<C>>>>,
}

impl<C: CustomClaims> Loads<C> {
    pub(super) fn new(sessions: Arc<Sessions<C>>, tokens: Arc<Tokens<C>>, dead: Arc<DeadSessions>) -> Self {
        Self { sessions, tokens, dead, flights: SingleFlight::new(), recent: Arc::new(Recent::new(RECENT)) }
    }

    /// Joins the load for `token` that is in progress or just done, or starts one, unless its session is known to be over; also returns
    /// whether it joined.
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
        (load.boxed().right_future(), joined)
    }

    fn join_or_start_unassessed(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> (Loading<C>, bool) {
        if let Some(inactive) = self.dead.find(token.handle, self.sessions.now()) {
            return (ready(Arc::new(Loaded::Inactive(inactive))).boxed().right_future(), false);
        }
        // A load in progress may be from before what another server did, of which no notice comes.
        if self.sessions.must_ask_store() {
            return (self.start(token, mode, client).boxed().right_future(), false);
        }
        let (load, joined) = self.shared_load(token, mode, client);
        if !joined {
            return (load.left_future(), false);
        }
        let (loads, token, client) = (self.clone(), token.clone(), client.clone());
        let load = async move {
            let loaded = load.await;
            if !matches!(*loaded, Loaded::Unavailable | Loaded::InvalidClaims(_)) {
                return loaded;
            }
            loads.shared_load(&token, mode, &client).0.await
        };
        (load.boxed().right_future(), true)
    }

    fn shared_load(
        &self,
        token: &RefreshToken,
        mode: Mode,
        client: &ClientInfo,
    ) -> (SharedWork<Arc<Loaded<C>>>, bool) {
        let key = (token.handle, token.generation, mode, self.sessions.least_epoch(token.handle));
        self.flights.join_or_start(
            key,
            || self.recent_load(key, token),
            || {
                let loads = self.clone();
                self.start(token, mode, client).inspect(move |loaded| loads.keep(key, loaded))
            },
        )
    }

    /// What a load now would result in, if one was made a moment ago and the store says that the row is the same.
    fn recent_load(&self, key: Key, token: &RefreshToken) -> Option<Arc<Loaded<C>>> {
        let (sessions, recent) = (&self.sessions, &self.recent);
        let loaded = recent.find(&key, || sessions.events.monotonic())?;
        let live = loaded.live().ok()?;
        // Since a rotation, the presented token is the one before.
        let rotated = live.committed.get().filter(|done| done.row().generation != live.row.generation);
        let (row, class) = match rotated {
            Some(committed) => (committed.row(), TokenClass::Previous),
            None => (&live.row, live.class),
        };
        let attempt = sessions.attempt(Some(row), token, sessions.now());
        if sessions.store.has_version(row.handle, row.version) != Some(true)
            || classify(&attempt, &sessions.policy) != class
        {
            return None;
        }
        let Some(committed) = rotated else { return Some(loaded) };
        let (row, user, reading) = (row.clone(), live.user.clone(), committed.reading());
        let live = Live { class, row, user, reading, committed: OnceLock::from(committed.clone()) };
        let loaded = Arc::new(Loaded::Live(live));
        self.keep(key, &loaded);
        Some(loaded)
    }

    /// Keeps a load for a moment, if it is one that others may share: not a failure, nor one that is reported or ends the session.
    fn keep(&self, key: Key, loaded: &Arc<Loaded<C>>) {
        let Ok(live) = loaded.live() else { return };
        let (row, class) = (&live.row, live.class);
        if matches!(class, TokenClass::Current | TokenClass::Previous)
            && self.sessions.store.has_version(row.handle, row.version) == Some(true)
        {
            self.recent.keep(key, loaded.clone(), live.reading.at);
        }
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

impl<C> Clone for Loads<C> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            tokens: self.tokens.clone(),
            dead: self.dead.clone(),
            flights: self.flights.clone(),
            recent: self.recent.clone(),
        }
    }
}

impl<C> fmt::Debug for Loads<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loads")
            .field("flights", &self.flights)
            .field("recent", &self.recent)
            .finish_non_exhaustive()
    }
}
