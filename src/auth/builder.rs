//! The builder.

use std::{error::Error, fmt, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, Response};
use tower_refresh_core::{RotationPolicy, SessionStore, Subject};

use super::{
    Auth, ConfigError,
    settings::{Channels, ClientIp, Settings},
};
use crate::{
    CustomClaims, Identity, SessionInfo,
    clock::{Clock, SystemClock},
    cookies::Cookies,
    cross_site,
    denylist::Denylist,
    event::{Event, Events},
    feed::{Feed, FeedLossPolicy},
    identity::ClaimsSource,
    keys::KeyRing,
    refresh::Flights,
    rejection::{CustomResponse, Presentation, Rejection},
    room::Room,
    session_store::{DynStore, Store},
    shared::Shared,
    token::Context,
    verify::ring::Ring,
};

/// Settles everything before the first request. Made by [`Auth::builder`].
///
/// # Defaults
/// [`issuer`](Self::issuer), [`audience`](Self::audience), [`store`](Self::store) and [`claims`](Self::claims) must be
/// given. The rest is safe as it is: each method says its default and the reason.
#[must_use]
pub struct AuthBuilder<C> {
    keys: KeyRing,
    issuer: String,
    audience: String,
    store: Option<Arc<dyn DynStore>>,
    claims: Option<ClaimsSource<C>>,
    policy: RotationPolicy,
    access_header: Option<HeaderName>,
    access_cookie: bool,
    access_token_in_body: bool,
    access_name: String,
    refresh_name: String,
    secure: bool,
    domain: Option<String>,
    trusted_origins: Vec<String>,
    client_ip: Option<Box<ClientIp>>,
    backend_timeout: Duration,
    dead_session_retention: Duration,
    feed_loss: FeedLossPolicy,
    token_cache_capacity: usize,
    custom_rejection: Option<CustomResponse>,
    clock: Box<dyn Clock>,
    events: Events,
}

impl<C: CustomClaims> AuthBuilder<C> {
    pub(super) fn new(keys: KeyRing) -> Self {
        Self {
            keys,
            issuer: String::new(),
            audience: String::new(),
            store: None,
            claims: None,
            policy: RotationPolicy::balanced(),
            access_header: Some(HeaderName::from_static("x-access-token")),
            access_cookie: true,
            access_token_in_body: true,
            access_name: "access".to_owned(),
            refresh_name: "refresh".to_owned(),
            secure: true,
            domain: None,
            trusted_origins: Vec::new(),
            client_ip: None,
            backend_timeout: Duration::from_secs(2),
            dead_session_retention: Duration::from_secs(24 * 60 * 60),
            feed_loss: FeedLossPolicy::GoOn,
            token_cache_capacity: 16_384,
            custom_rejection: None,
            clock: Box::new(SystemClock),
            events: Events::default(),
        }
    }

    /// Who issues the tokens: `iss` (RFC 7519 §4.1.1), compared exactly, and part of what refresh tokens are MAC'd over.
    /// Also the realm of challenges. Printable ASCII; commonly the URL of the service.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = issuer.into();
        self
    }

    /// Whom the access tokens are for: `aud` (RFC 7519 §4.1.3).
    ///
    /// Refresh tokens name the issuer alone: services that share issuer, refresh key and store take each other's, whatever
    /// their audiences. Give each an issuer, a key or a store of its own.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Where sessions are kept.
    pub fn store(mut self, store: impl SessionStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// What a user may do, asked at each login and each refresh: `None` for a subject that is gone or disabled, which ends
    /// its session; an error, a panic, or no answer within [`backend_timeout`](Self::backend_timeout), when the call is
    /// dropped, answers 503 and changes nothing. The scope and the claims go into the access token and are relied on while
    /// it lives.
    pub fn claims<F, Fut, E>(mut self, load: F) -> Self
    where
        F: Fn(Subject, SessionInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Identity<C>>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.claims = Some(ClaimsSource::new(load));
        self
    }

    /// How long things live, and how much a client is forgiven. [`RotationPolicy::balanced`] by default.
    pub fn policy(mut self, policy: RotationPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Whether access tokens are read from `Authorization: Bearer` (RFC 6750 §2.1), and new ones sent in a response header to
    /// those who sent one there. On by default.
    pub fn access_header(mut self, on: bool) -> Self {
        self.access_header = on.then(|| HeaderName::from_static("x-access-token"));
        self
    }

    /// Switches that channel on with another response header than `x-access-token`.
    pub fn access_header_name(mut self, name: HeaderName) -> Self {
        self.access_header = Some(name);
        self
    }

    /// Whether access tokens are read from and set in a cookie. On by default: pages then need no script to stay logged in.
    pub fn access_cookie(mut self, on: bool) -> Self {
        self.access_cookie = on;
        self
    }

    /// Whether a [`TokenResponse`](crate::TokenResponse), and so the answer of `POST /auth/refresh`, carries the access token.
    /// On by default: clients that send it as a header read it there. Those of
    /// [`Session::login_native`](crate::Session::login_native) get it whatever is said here.
    ///
    /// **A script of the page reads it there too**, an injected one as well, although the cookie is `HttpOnly`. Switch it off
    /// where only pages log in, and the answer says no more than `expires_in`.
    pub fn access_token_in_body(mut self, on: bool) -> Self {
        self.access_token_in_body = on;
        self
    }

    /// The names of the access and the refresh cookie, to which the prefix is added. `access` and `refresh` by default;
    /// give others where two applications share a host, since cookies know no ports.
    pub fn cookie_names(mut self, access: impl Into<String>, refresh: impl Into<String>) -> Self {
        self.access_name = access.into();
        self.refresh_name = refresh.into();
        self
    }

    /// Sets the cookies for `domain` and every host below it. None by default.
    ///
    /// Every host below the domain then sees the cookies and can set its own in their place, so the prefix is `__Secure-`
    /// instead of `__Host-` (RFC 6265bis §4.1.3).
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets the cookies without `Secure` and without a prefix, for development over plain HTTP.
    ///
    /// **Whoever is on the network path can then read the cookies and log in as their user.** Chrome and Firefox take `Secure`
    /// cookies from `http://localhost`, too, so it is not needed for them there; Safari takes none
    /// ([WebKit 281149](https://bugs.webkit.org/show_bug.cgi?id=281149)).
    pub fn insecure_http_cookies(mut self) -> Self {
        self.secure = false;
        self
    }

    /// Lets pages of another origin act with the user's cookies, as `Origin` names it: `https://app.example.com`. None by
    /// default. May repeat. Such pages also need CORS, with credentials.
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.trusted_origins.push(origin.into());
        self
    }

    /// How to tell the client's address, for the list of sessions; nothing is decided by it. None by default: behind a proxy
    /// only the application knows which field to believe.
    pub fn client_ip(
        mut self,
        ip: impl Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.client_ip = Some(Box::new(ip));
        self
    }

    /// How long one call of the store, or of the claims source, may take; then it counts as failed. 2 s by default: longer
    /// than a healthy database ever takes, and short enough that waiting requests do not pile up.
    pub fn backend_timeout(mut self, limit: Duration) -> Self {
        self.backend_timeout = limit;
        self
    }

    /// How long ended and expired sessions stay in the store, by [`Auth::purge_dead`]. 24 h by default; at least the access
    /// lifetime and 60 s, for servers that must still learn of the end.
    pub fn dead_session_retention(mut self, keep: Duration) -> Self {
        self.dead_session_retention = keep;
        self
    }

    /// What to do with valid access tokens while the store's feed of ends is not heard. [`FeedLossPolicy::GoOn`] by default.
    pub fn feed_loss_policy(mut self, what: FeedLossPolicy) -> Self {
        self.feed_loss = what;
        self
    }

    /// How many verified access tokens are kept, so that the next request with one costs no signature check: 16 384 by
    /// default, rounded up to a power of two; 0 keeps none. An entry takes what its token and claims take and some 200 bytes,
    /// so the default is some 15 MB with tokens of half a kilobyte. It works best while half of it is in use.
    ///
    /// Only the check of the signature and of unchanging claims is saved: expiry, revocation and the key ring are looked at on
    /// every request.
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.token_cache_capacity = tokens;
        self
    }

    /// What rejections look like, instead of problem documents. See [`Rejection`].
    pub fn on_rejection(
        mut self,
        respond: impl Fn(&Rejection) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.custom_rejection = Some(Box::new(respond));
        self
    }

    /// Called with each [`Event`], for an audit log. It runs inside the request, so it should be quick; a panic in it is
    /// caught and ignored.
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events = Events::new(listener);
        self
    }

    /// Where the time comes from: [`SystemClock`] by default, another one in tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Box::new(clock);
        self
    }

    /// Checks every setting. With the feature `tokio` and inside a runtime, the store's feed of ends is followed from now
    /// on. **Elsewhere it is not**, and no event says so: spawn [`Auth::follow_ends`].
    ///
    /// # Errors
    /// The first [`ConfigError`].
    pub fn build(self) -> Result<Auth<C>, ConfigError> {
        self.policy.validate()?;
        self.check()?;
        let store = self.store.ok_or(ConfigError::MissingStore)?;
        let settings = Settings {
            context: Context::new(&self.issuer),
            presentation: Arc::new(Presentation {
                realm: self.issuer.replace('\\', "\\\\").replace('"', "\\\""),
                custom: self.custom_rejection,
            }),
            issuer: self.issuer,
            audience: self.audience,
            policy: self.policy,
            channels: Channels { header: self.access_header, cookie: self.access_cookie },
            access_token_in_body: self.access_token_in_body,
            cookies: Cookies::new(&self.access_name, &self.refresh_name, self.secure, self.domain),
            trusted_origins: self.trusted_origins,
            client_ip: self.client_ip,
            dead_session_retention: self.dead_session_retention,
            feed_loss: self.feed_loss,
        };
        let auth = Auth {
            shared: Arc::new(Shared {
                settings,
                ring: Ring::new(self.keys.prepare()?, self.token_cache_capacity),
                store: Store::new(store, self.backend_timeout),
                claims: self.claims.ok_or(ConfigError::MissingClaims)?,
                clock: self.clock,
                denylist: Denylist::new(),
                feed: Feed::new(),
                flights: Flights::new(),
                events: self.events,
                room: Room::new(),
            }),
        };
        #[cfg(feature = "tokio")]
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(auth.follow_ends());
        }
        Ok(auth)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let printable =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !printable(&self.issuer) || self.issuer.len() > LONGEST_ISSUER {
            return Err(ConfigError::InvalidIssuer);
        }
        if self.audience.is_empty() {
            return Err(ConfigError::InvalidAudience);
        }
        if self.access_header.is_none() && !self.access_cookie {
            return Err(ConfigError::NoTransport);
        }
        if let Some(name) = self.access_header.as_ref().filter(|name| TAKEN_HEADERS.contains(&name.as_str()))
        {
            return Err(ConfigError::InvalidAccessHeader { name: name.to_string() });
        }
        if let Some(origin) = self.trusted_origins.iter().find(|origin| !cross_site::is_origin(origin)) {
            return Err(ConfigError::InvalidTrustedOrigin { origin: origin.clone() });
        }
        if !is_cookie_name(&self.access_name)
            || !is_cookie_name(&self.refresh_name)
            || self.access_name == self.refresh_name
        {
            return Err(ConfigError::InvalidCookieName);
        }
        if self.domain.as_deref().is_some_and(|domain| !is_host_name(domain)) {
            return Err(ConfigError::InvalidCookieDomain);
        }
        if self.backend_timeout.is_zero() {
            return Err(ConfigError::InvalidBackendTimeout);
        }
        if self.dead_session_retention < self.policy.access_lifetime + Duration::from_secs(60) {
            return Err(ConfigError::InvalidDeadSessionRetention);
        }
        if self.token_cache_capacity > LARGEST_CACHE {
            return Err(ConfigError::InvalidTokenCacheCapacity);
        }
        Ok(())
    }
}

impl<C> fmt::Debug for AuthBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("keys", &self.keys)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Short enough for a header, and for the length that refresh tokens state.
const LONGEST_ISSUER: usize = 1024;
const _: () = assert!(LONGEST_ISSUER <= Context::LONGEST_ISSUER);

const LARGEST_CACHE: usize = 1 << 24;

const TAKEN_HEADERS: [&str; 12] = [
    "access-control-expose-headers",
    "authorization",
    "cache-control",
    "cdn-cache-control",
    "connection",
    "content-length",
    "cookie",
    "expires",
    "set-cookie",
    "surrogate-control",
    "transfer-encoding",
    "vary",
];

/// A token (RFC 9110 §5.6.2) without a prefix of its own, which browsers give a meaning whatever its case.
fn is_cookie_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with("__")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_host_name(domain: &str) -> bool {
    domain.len() <= 253
        && domain.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[path = "defaults.rs"]
mod defaults;
