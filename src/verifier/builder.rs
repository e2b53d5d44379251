//! Collects the settings of a [`Verifier`], checks them and builds it.

use std::{error::Error, fmt, marker::PhantomData, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Extensions, HeaderMap, Response, request::Parts};
use tower_refresh_core::SessionStore;

use super::{Verifier, key_options::KeyOptions, validate::validate};
use crate::{
    CustomClaims, Rejection,
    access_token::Profile,
    auth::ConfigError,
    clock::{Clock, SystemClock},
    event::{Event, Events, Listener},
    jwks::{Fetcher, Schedule, erase},
    keys::{Algorithm, KeySet, VerifyingKey},
    rejection::{CustomResponse, Presentation},
    sessions::{DynStore, GuardedStore, Revocations},
    verifier_inner::{VerifierInner, VerifierSettings},
};

/// The configuration of a [`Verifier`]. [`Verifier::builder`] makes it.
///
/// # Defaults
/// [`issuer`](Self::issuer), [`audience`](Self::audience), and either [`jwks`](Self::jwks) or [`keys`](Self::keys) are required. All other
/// settings have secure defaults, which accept the tokens of an [`Auth`](crate::Auth): each method states its default, the
/// reason, and whose tokens need it. The [guide](crate::guide::services) has the settings for Keycloak, Auth0, Entra and Okta.
#[must_use]
pub struct VerifierBuilder<C> {
    settings: VerifierSettings,
    keys: KeyOptions,
    store: Option<Arc<dyn DynStore>>,
    custom_rejection: Option<CustomResponse>,
    listener: Option<Arc<Listener>>,
    clock: Arc<dyn Clock>,
    claims: PhantomData<fn() -> C>,
}

impl<C: CustomClaims> VerifierBuilder<C> {
    pub(super) fn new() -> Self {
        Self {
            settings: VerifierSettings {
                issuer: String::new(),
                audiences: Vec::new(),
                profile: Profile::default(),
                access_lifetime: None,
                access_cookie: None,
                trusted_origins: Vec::new(),
                client_ip: None,
                token_cache_capacity: 16_384,
            },
            keys: KeyOptions::default(),
            store: None,
            custom_rejection: None,
            listener: None,
            clock: Arc::new(SystemClock),
            claims: PhantomData,
        }
    }

    /// Sets the issuer of the tokens: `iss`, compared exactly (RFC 9068 §4), also in its trailing slash. It is also the realm of
    /// challenges. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.settings.issuer = issuer.into();
        self
    }

    /// Sets an audience: this service, as the issuer names it in `aud` (RFC 9068 §3). May be repeated: a token for one of them is
    /// accepted. Required, since without it a token for any other service of the issuer could be used here.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audiences.push(audience.into());
        self
    }

    /// Fetches the issuer's keys with this closure: it returns the document of the issuer's `jwks_uri`, a JWK set (RFC 7517 §5). The
    /// HTTP client is the application's. It should have a time limit, follow no redirects, and read at most 64 KiB: the
    /// [guide](crate::guide::services) shows one.
    ///
    /// - It is called when a request first needs the keys, or by [`Verifier::load`]; that request and all others wait for the one fetch. If it
    ///   fails, they get 503 with `Retry-After`, and it is called again at the first need 1, 2, 4, 8, 16 and then 30 seconds later.
    /// - It is called again when the keys are [`refresh_every`](Self::refresh_every) old, beside the next request, which does not
    ///   wait for it; and when a token names an unknown key, whose request waits. As long as there are keys, 30 seconds lie at least
    ///   between the starts of two calls, so that invented key ids cause no flood.
    /// - If it fails, panics, or takes longer than [`fetch_timeout`](Self::fetch_timeout), the former keys stay in use for
    ///   [`stale_for`](Self::stale_for), and [`JwksFailed`](crate::event::EventKind::JwksFailed) reports it.
    /// - It must not need the keys itself: to whatever it calls, they are those from before, or not available.
    ///
    /// A set of more than 64 KiB or 64 keys is refused. Single keys are passed over: of other types, with a `use` other than `sig`, with
    /// `key_ops` without `verify`, with members of private or symmetric keys, RSA keys below 2048 or above 8192 bits, points of
    /// Ed25519 for which everybody can sign, and all keys that share a `kid`. A set without a usable key counts as a failure.
    ///
    /// Either this or [`keys`](Self::keys) is required.
    pub fn jwks<F, Fut, B, E>(mut self, fetch: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<B, E>> + Send + 'static,
        B: AsRef<[u8]>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.keys.fetch = Some(erase(fetch));
        self
    }

    /// Sets the keys, for an issuer whose keys are in files: they never change. Either this or [`jwks`](Self::jwks) is required.
    pub fn keys(mut self, keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        self.keys.fixed = Some(keys.into_iter().collect());
        self
    }

    /// Limits the algorithms of the issuer's keys. Default: EdDSA, ES256, ES384, RS256 and PS256, all that are not symmetric; for
    /// [`keys`](Self::keys), those of the keys.
    ///
    /// The algorithm of a token is that of its key, never what its header says. Of a key that names none, it is the first of these that fits its type:
    /// RS256 for an RSA key, unless only PS256 is in the list.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.keys.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Sets how old the keys may be before they are fetched again. Default: 10 minutes, within which a key that the issuer withdraws is
    /// no longer accepted, except by requests that come while they are fetched: after a quiet time the first one still uses the former
    /// keys. At least 30 seconds.
    pub fn refresh_every(mut self, age: Duration) -> Self {
        self.keys.refresh_every = age;
        self
    }

    /// Sets how long keys stay in use that cannot be fetched again. Default: 24 hours, so that an outage of the issuer during a night does
    /// not stop this service; and no longer, since a withdrawn key stays valid meanwhile. Then requests with a token get 503. At least
    /// [`refresh_every`](Self::refresh_every).
    pub fn stale_for(mut self, age: Duration) -> Self {
        self.keys.stale_for = age;
        self
    }

    /// Limits the time of one call of the closure of [`jwks`](Self::jwks), which is dropped then. Default: 5 s, since requests may be waiting.
    /// At most 30 seconds.
    pub fn fetch_timeout(mut self, limit: Duration) -> Self {
        self.keys.fetch_timeout = limit;
        self
    }

    /// Also accepts tokens whose header has this `typ`; may be repeated. Default: none but `at+jwt` (RFC 9068 §2.1), which tells access
    /// tokens from the issuer's other tokens.
    ///
    /// Keycloak, Auth0, Entra and Okta write `JWT` unless they are configured otherwise. **An ID token has the same type then**: only its audience, which must
    /// not be a client of the issuer, and its claims keep it out. A token with a claim `at_hash`, `c_hash`, `events` or
    /// `cnf`, or whose claim `typ` is `ID`, `Refresh`, `Offline` or `Logout`, or a list with one of them, is always rejected.
    pub fn accept_typ(mut self, typ: impl Into<String>) -> Self {
        self.settings.profile.other_types.push(typ.into());
        self
    }

    /// Also accepts tokens whose header has no `typ`. Default: off. The same is to be considered as for [`accept_typ`](Self::accept_typ).
    pub fn accept_missing_typ(mut self) -> Self {
        self.settings.profile.type_optional = true;
        self
    }

    /// Sets the claims with scope tokens, each a string with spaces or an array of strings; those that a token has are joined. Default: the
    /// string `scope` (RFC 9068 §2.2.3).
    ///
    /// Entra and Okta have `scp`, Auth0 has `permissions` if role-based access control is on, and Entra has `roles`. The type of the claims does
    /// not see these members. In an array, what is no single scope token (RFC 6749 §3.3) is left out.
    pub fn scope_claims<T: Into<String>>(mut self, claims: impl IntoIterator<Item = T>) -> Self {
        self.settings.profile.scope_claims = claims.into_iter().map(Into::into).collect();
        self
    }

    /// Accepts tokens without a session id of this library, for issuers that are no [`Auth`](crate::Auth). Default: off, so that the
    /// end of a session is not missed. [`Authenticated::session`](crate::Authenticated::session) is then `None`, and the
    /// type of the claims sees `sid`, `epoch` and `dbsc` if it has them.
    pub fn without_session_id(mut self) -> Self {
        self.settings.profile.without_session_id = true;
        self
    }

    /// Sets how far this server's clock may differ from the issuer's for `exp` and `nbf`. Default: 0, since a token that is valid for longer
    /// stays usable for longer after a theft. At most 60 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.profile.leeway = leeway;
        self
    }

    /// Sets how long after `iat` a token is valid at most, whatever its `exp`. Default: as long as its `exp` says; with
    /// [`ended_sessions`](Self::ended_sessions), 1 hour, because ended sessions are remembered for this time and a minute.
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_lifetime = Some(lifetime);
        self
    }

    /// Follows the feed of the issuer's store, so that a logout at the issuer reaches this service within moments, and so does a change of
    /// roles: tokens of ended sessions are rejected as revoked, and tokens with outdated claims as expired. Default: none, so
    /// that tokens are valid until they expire.
    ///
    /// The store is only read: each store has a constructor that neither writes nor migrates. While the feed is down,
    /// tokens are accepted until they expire, [`FeedLost`](crate::event::EventKind::FeedLost) reports it, and the gauge
    /// `tower_refresh_feed_up` is 0. With the feature `tokio` and inside a runtime [`build`](Self::build) starts to follow it; otherwise spawn
    /// [`Verifier::follow_feed`].
    pub fn ended_sessions(mut self, store: impl SessionStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Also reads the access token from the cookie with this full name, such as `__Host-access`, in requests without a bearer token. Default: none.
    ///
    /// The cookie counts for same-origin requests and top-level navigations with GET or HEAD, as behind an
    /// [`Auth`](crate#the-journey-of-a-request). It must reach this service: with the prefix `__Host-` only on the same host.
    pub fn access_cookie(mut self, name: impl Into<String>) -> Self {
        self.settings.access_cookie = Some(name.into());
        self
    }

    /// As [`AuthBuilder::trusted_origin`](crate::AuthBuilder::trusted_origin), for the [`access_cookie`](Self::access_cookie).
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.trusted_origins.push(origin.into());
        self
    }

    /// As [`AuthBuilder::client_ip`](crate::AuthBuilder::client_ip), for events.
    pub fn client_ip(
        mut self,
        ip: impl Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.settings.client_ip = Some(Box::new(ip));
        self
    }

    /// As [`AuthBuilder::token_cache_capacity`](crate::AuthBuilder::token_cache_capacity). Default: 16 384.
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.settings.token_cache_capacity = tokens;
        self
    }

    /// As [`AuthBuilder::on_rejection`](crate::AuthBuilder::on_rejection). Default: problem documents.
    pub fn on_rejection(
        mut self,
        respond: impl Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.custom_rejection = Some(Box::new(respond));
        self
    }

    /// As [`AuthBuilder::on_event`](crate::AuthBuilder::on_event). Default: none.
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Sets the source of the time. Default: [`SystemClock`]; tests use another one.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks every setting. It fetches nothing.
    ///
    /// # Errors
    /// The first [`ConfigError`].
    pub fn build(self) -> Result<Verifier<C>, ConfigError> {
        let Self { mut settings, keys: options, store, .. } = self;
        validate(&settings, &options, store.is_some())?;
        let events = Events::new(self.listener, self.clock);
        let keys = KeySet::new(options.fixed.unwrap_or_default())?;
        let fetcher = options.fetch.map(|fetch| {
            let algorithms = options.algorithms.map_or(ASYMMETRIC.into(), Arc::from);
            let schedule = Schedule::new(options.refresh_every, options.stale_for);
            Fetcher::new(fetch, algorithms, options.fetch_timeout, schedule, events.clone())
        });
        let revocations = store.as_ref().map(|_| {
            let lifetime = *settings.access_lifetime.get_or_insert(LIFETIME_BESIDE_FEED);
            Arc::new(Revocations::new(events.clone(), lifetime))
        });
        let presentation = Presentation {
            realm: settings.issuer.replace('\\', "\\\\").replace('"', "\\\""),
            custom: self.custom_rejection,
            login_page: None,
        };
        // Its calls are not limited in time: only the feed is followed.
        let store = store.map(|store| GuardedStore::new(store, events.clone(), Duration::MAX));
        let inner = VerifierInner::new(settings, keys, fetcher, revocations, presentation, events);
        let verifier = Verifier { inner: Arc::new(inner), store };
        #[cfg(feature = "tokio")]
        if verifier.store.is_some()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(verifier.follow_feed());
        }
        Ok(verifier)
    }
}

/// RS256 before PS256: most RSA keys that name no algorithm are for it.
const ASYMMETRIC: [Algorithm; 5] =
    [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256, Algorithm::Ps256];

/// How long tokens are valid at most while ended sessions must be remembered.
const LIFETIME_BESIDE_FEED: Duration = Duration::from_secs(60 * 60);

impl<C> fmt::Debug for VerifierBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("issuer", &self.settings.issuer)
            .field("audiences", &self.settings.audiences)
            .field("profile", &self.settings.profile)
            .field("algorithms", &self.keys.algorithms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[path = "defaults.rs"]
mod defaults;
