//! What all requests of one layer share.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use tower_refresh_core::Timestamp;

use crate::{
    CustomClaims,
    clock::Clock,
    device::Offers,
    event::{About, ClientInfo, EventKind, RejectionReason},
    keys::PreparedKeys,
    refresh::Refresher,
    refresh_token::{PresentedTokens, RefreshTransport},
    rejection::Presentation,
    sessions::Sessions,
    settings::Settings,
    tokens::Tokens,
};

/// Tells the layers, routes and requests of one [`Auth`](crate::Auth) from those of another in the same application.
#[derive(Clone, Debug)]
pub(crate) struct AuthId(Arc<()>);

impl AuthId {
    pub(crate) fn new() -> Self {
        Self(Arc::new(()))
    }
}

impl PartialEq for AuthId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

pub(crate) struct AuthInner<C> {
    pub(crate) id: AuthId,
    pub(crate) settings: Arc<Settings>,
    pub(crate) presentation: Arc<Presentation>,
    pub(crate) refresher: Refresher<C>,
    pub(crate) large_head_reported: AtomicBool,
    pub(crate) device_offers: Offers,
    clock: Arc<dyn Clock>,
}

impl<C: CustomClaims> AuthInner<C> {
    pub(crate) fn new(
        settings: Settings,
        keys: PreparedKeys,
        sessions: Sessions<C>,
        presentation: Presentation,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let settings = Arc::new(settings);
        let tokens = Arc::new(Tokens::new(settings.clone(), keys, clock.clone()));
        Self {
            id: AuthId::new(),
            settings,
            presentation: Arc::new(presentation),
            refresher: Refresher::new(Arc::new(sessions), tokens),
            large_head_reported: AtomicBool::new(false),
            device_offers: Offers::default(),
            clock,
        }
    }

    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    #[inline]
    pub(crate) fn sessions(&self) -> &Arc<Sessions<C>> {
        &self.refresher.sessions
    }

    #[inline]
    pub(crate) fn tokens(&self) -> &Tokens<C> {
        &self.refresher.tokens
    }

    /// Reads the refresh tokens of a request, and reports them if none of them counts.
    pub(crate) fn read_refresh_tokens<'a>(
        &self,
        texts: impl Iterator<Item = &'a [u8]>,
        transport: RefreshTransport,
        client: &ClientInfo,
        now: Timestamp,
    ) -> PresentedTokens {
        let presented = self.tokens().read_refresh(texts, transport, now);
        if matches!(presented, PresentedTokens::Invalid | PresentedTokens::Several(_)) {
            let kind = EventKind::Rejected(RejectionReason::InvalidRefreshToken);
            self.sessions().events.emit(kind, About::client(client));
        }
        presented
    }
}

impl<C> fmt::Debug for AuthInner<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthInner")
            .field("settings", &self.settings)
            .field("refresher", &self.refresher)
            .finish_non_exhaustive()
    }
}
