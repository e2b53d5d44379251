//! Collects the settings of an [`Auth`], checks them and builds it.

use std::{error::Error, fmt, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, Response, request::Parts};
use tower_refresh_core::{RotationPolicy, SessionStore, Subject};

use super::{Auth, ConfigError, device::DeviceOptions, validate::validate};
use crate::{
    Assessment, CustomClaims, Identity, RefreshAttempt, SessionInfo,
    assessment::{Assess, Assessor},
    auth_inner::AuthInner,
    claims::{ClaimsSource, LoadClaims},
    clock::{Clock, SystemClock},
    event::{Event, Events, Listener},
    keys::KeyRing,
    login_page::LoginPage,
    rejection::{CustomResponse, Presentation, Rejection},
    sessions::{DynStore, GuardedStore, Sessions},
    settings::{AccessTransports, DeviceBinding, FeedLossPolicy, Settings},
};

/// The configuration of an [`Auth`]. [`Auth::builder`] makes it.
///
/// # Defaults
/// [`issuer`](Self::issuer), [`audience`](Self::audience), [`store`](Self::store) and [`claims`](Self::claims) are required. All
/// other settings have secure defaults: each method states its default and the reason.
#[must_use]
pub struct AuthBuilder<C> {
    pub(super) keys: KeyRing,
    pub(super) store: Option<Arc<dyn DynStore>>,
    pub(super) claims: Option<Arc<LoadClaims<C>>>,
    pub(super) assess: Option<Box<Assess>>,
    pub(super) settings: Settings,
    pub(super) device: DeviceOptions,
    pub(super) custom_rejection: Option<CustomResponse>,
    pub(super) login_page: Option<String>,
    pub(super) listener: Option<Arc<Listener>>,
    pub(super) clock: Arc<dyn Clock>,
}

impl<C: CustomClaims> AuthBuilder<C> {
    pub(super) fn new(keys: KeyRing) -> Self {
        Self {
            keys,
            store: None,
            claims: None,
            assess: None,
            settings: Settings::default(),
            device: DeviceOptions::default(),
            custom_rejection: None,
            login_page: None,
            listener: None,
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the issuer of the tokens: `iss` (RFC 7519 §4.1.1), compared exactly, and part of the MAC input of refresh tokens. It
    /// is also the realm of challenges. Printable ASCII; usually the URL of the service. Required.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.settings.issuer = issuer.into();
        self
    }

    /// Sets the audience of the access tokens: `aud` (RFC 7519 §4.1.3). Required.
    ///
    /// Refresh tokens contain only the issuer: services that share issuer, refresh key and store accept each other's, whatever
    /// their audiences. Give each an issuer, a key or a store of its own.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audience = audience.into();
        self
    }

    /// Sets the store of the sessions. Required.
    pub fn store(mut self, store: impl SessionStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets the claims source, which is called at each login and each refresh. It returns `None` for a subject that is gone or
    /// disabled, which ends the session. After an error, a panic, or no result within
    /// [`backend_timeout`](Self::backend_timeout), when the call is dropped, the response is 503 and nothing is changed. The scope
    /// and the claims are copied into the access token, and apply while it lives. Required.
    ///
    /// Requests that present one refresh token at once share a call, also with [`MemoryStore`](crate::MemoryStore) those that come up to a
    /// second later: [`Auth::reload_claims`](crate::Auth::reload_claims) makes a change take effect at the next request.
    ///
    /// At each call the claims are serialised once and read back, before anything is written. If they do not fit into an access token
    /// (see [`InvalidClaimsReason`](crate::InvalidClaimsReason)), a login or a request that needs a refresh gets 500 with the reason, and
    /// nothing is changed: sessions go on as soon as the claims fit.
    pub fn claims<F, Fut, E>(mut self, load: F) -> Self
    where
        F: Fn(Subject, SessionInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Identity<C>>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.claims = Some(ClaimsSource::erase(load));
        self
    }

    /// Sets a closure that assesses each refresh: is it plausible that this request comes from the session's user? Default: none, so
    /// that every valid refresh token is allowed.
    ///
    /// It is called after the session and its claims have been loaded, for each request by itself, also for requests that share
    /// the load. A valid access token is not assessed. While one is being refreshed ahead of its expiry, an objection only stops
    /// that refresh; in a navigation that another site started, the request is anonymous and nothing is ended. The refresh token
    /// grant of native clients answers an objection with `invalid_grant`.
    ///
    /// It runs inside the request, so it must neither block nor wait. If it panics, the response is 503, nothing is changed, and
    /// [`EventKind::AssessmentFailed`](crate::event::EventKind::AssessmentFailed) reports it.
    ///
    /// ```
    /// # fn set(builder: tower_refresh::AuthBuilder<()>) -> tower_refresh::AuthBuilder<()> {
    /// use tower_refresh::Assessment;
    ///
    /// builder.assess(|attempt| match (attempt.user_agent(), attempt.session().user_agent()) {
    ///     (Some(now), Some(at_login)) if now.contains("Windows") != at_login.contains("Windows") => {
    ///         Assessment::EndSession
    ///     }
    ///     _ => Assessment::Allow,
    /// })
    /// # }
    /// ```
    ///
    /// The [guide](crate::guide::suspicious) has more examples.
    pub fn assess(
        mut self,
        assess: impl Fn(&RefreshAttempt<'_>) -> Assessment + Send + Sync + 'static,
    ) -> Self {
        self.assess = Some(Box::new(assess));
        self
    }

    /// Sets the lifetimes of tokens and sessions, and the tolerance for lost responses. Default: [`RotationPolicy::balanced`].
    pub fn policy(mut self, policy: RotationPolicy) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Whether access tokens are read from `Authorization: Bearer` (RFC 6750 §2.1), and new ones sent in a response header to
    /// clients that sent one there. Default: on. Switch it off behind a platform that sends a token of its own there: it would be
    /// rejected, and the cookies beside it would not count.
    pub fn access_header(mut self, on: bool) -> Self {
        self.settings.transports.header = on.then_some(AccessTransports::DEFAULT_HEADER);
        self
    }

    /// Switches this transport on with another response header than `x-access-token`.
    pub fn access_header_name(mut self, name: HeaderName) -> Self {
        self.settings.transports.header = Some(name);
        self
    }

    /// Whether access tokens are read from and set in a cookie. Default: on, so that pages stay logged in without a script.
    pub fn access_cookie(mut self, on: bool) -> Self {
        self.settings.transports.cookie = on;
        self
    }

    /// Whether a [`TokenResponse`](crate::TokenResponse), and so the response of `POST /auth/refresh`, contains the access token.
    /// Default: on, for clients that send it as a header. Clients of [`Session::login_native`](crate::Session::login_native)
    /// always receive it.
    ///
    /// **A script of the page can read it there too**, an injected one as well, although the cookie is `HttpOnly`. Switch it off
    /// if only pages log in; the response then contains only `expires_in`.
    pub fn access_token_in_body(mut self, on: bool) -> Self {
        self.settings.access_token_in_body = on;
        self
    }

    /// Sets the names of the access and the refresh cookie, to which the prefix is added. Default: `access` and `refresh`. Use
    /// others if two applications share a host, since cookies ignore ports.
    pub fn cookie_names(mut self, access: impl Into<String>, refresh: impl Into<String>) -> Self {
        self.settings.cookies = self.settings.cookies.with_names(access.into(), refresh.into());
        self
    }

    /// Sets the cookies for `domain` and all hosts below it. Default: none.
    ///
    /// Every host below the domain then receives the cookies and can replace them, so the prefix is `__Secure-` instead of
    /// `__Host-` (RFC 6265bis §4.1.3).
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.settings.cookies = self.settings.cookies.with_domain(domain.into());
        self
    }

    /// Sets the cookies without `Secure` and without a prefix, for development over plain HTTP.
    ///
    /// **Anyone on the network path can then read the cookies and act as their user.** Chrome and Firefox accept `Secure` cookies
    /// from `http://localhost`, so they do not need this there; Safari accepts none
    /// ([WebKit 281149](https://bugs.webkit.org/show_bug.cgi?id=281149)).
    pub fn insecure_http_cookies(mut self) -> Self {
        self.settings.cookies = self.settings.cookies.insecure();
        self
    }

    /// Allows pages of another origin to use the user's cookies. The origin is written as in an `Origin` header:
    /// `https://app.example.com`. May be repeated. Default: none. Such pages also need CORS with credentials.
    pub fn trusted_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.trusted_origins.push(origin.into());
        self
    }

    /// Sets how the client's address is determined, for the list of sessions, for events and for [`assess`](Self::assess); no other decision depends on it. Default: none, since
    /// behind a proxy only the application knows which header to trust.
    pub fn client_ip(
        mut self,
        ip: impl Fn(&HeaderMap, &Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.settings.client_ip = Some(Box::new(ip));
        self
    }

    /// Overrules which requests come from a browser, for [`Session::login_native`](crate::Session::login_native), which rejects
    /// those. `Some(false)` lets the request log in, `Some(true)` rejects it, and `None` leaves the decision to the rule: a browser
    /// sends `Origin` or `Sec-Fetch-Site`, which its scripts can neither forge nor omit. Default: the rule alone.
    ///
    /// Some native runtimes send an `Origin` too: with React Native it can be `file://`. Allow the origin of your own app, and no other:
    ///
    /// ```
    /// # fn set(builder: tower_refresh::AuthBuilder<()>) -> tower_refresh::AuthBuilder<()> {
    /// builder.insecure_is_browser(|headers, _| {
    ///     let is_our_app = headers.get("origin")? == "file://" && !headers.contains_key("sec-fetch-site");
    ///     is_our_app.then_some(false)
    /// })
    /// # }
    /// ```
    ///
    /// **Where `Some(false)` is returned for a page or a web view, every script in it can read the refresh token**, an injected one
    /// as well, and use it elsewhere for as long as the session lives. `Origin: null` and `file://` are also sent by HTML files that
    /// a user opens in a browser. Return `Some(true)` for more than the rule finds, such as a web view that sends neither header.
    ///
    /// Only native logins depend on it, and whether a client with a foreign `Origin` may log out and end sessions with its access token.
    /// Whether cookies count is decided by the cross-site rules, which it cannot overrule: cookies of a cross-site request are neither
    /// read nor set nor removed. For those see [`trusted_origin`](Self::trusted_origin).
    pub fn insecure_is_browser(
        mut self,
        is_browser: impl Fn(&HeaderMap, &Extensions) -> Option<bool> + Send + Sync + 'static,
    ) -> Self {
        self.settings.is_browser = Some(Box::new(is_browser));
        self
    }

    /// Limits the time of one call of the store or of the claims source; a call that exceeds it, by up to a sixteenth, has failed.
    /// Default: 2 s, longer than a healthy database ever takes, and short enough that waiting requests do not accumulate.
    pub fn backend_timeout(mut self, limit: Duration) -> Self {
        self.settings.backend_timeout = limit;
        self
    }

    /// Sets how long ended and expired sessions stay in the store before [`Auth::purge_dead`] deletes them. Default: 24 h. At least
    /// the access lifetime plus 60 s, so that other servers learn that a session has ended.
    pub fn dead_session_retention(mut self, retention: Duration) -> Self {
        self.settings.dead_session_retention = retention;
        self
    }

    /// Sets what happens to valid access tokens while the store's feed of ended sessions is down. Default:
    /// [`FeedLossPolicy::GoOn`].
    pub fn feed_loss_policy(mut self, policy: FeedLossPolicy) -> Self {
        self.settings.feed_loss_policy = policy;
        self
    }

    /// Sets how many verified access tokens are cached, so that the next request with one needs no signature check. Default:
    /// 16 384, rounded up to a power of two; 0 disables the cache. An entry takes the size of its token and claims plus about 200
    /// bytes, so the default takes about 15 MB with tokens of half a kilobyte. The cache works best half full.
    ///
    /// Only the checks of the signature and of unchanging claims are skipped: expiry, revocation and the keys are checked on every
    /// request.
    pub fn token_cache_capacity(mut self, tokens: usize) -> Self {
        self.settings.token_cache_capacity = tokens;
        self
    }

    /// Limits the number of live sessions of one user, so of browsers and native clients (ASVS 5.0, 7.1.2). Default: none, since a user
    /// who has a laptop, a phone and an old tablet should not lose one of them by accident. 0 is an error.
    ///
    /// A login beyond the limit ends those sessions of the user that were used least recently, as
    /// [`EndReason::Displaced`](crate::event::EndReason::Displaced), each with an event. Sessions that the login replaces because the
    /// same client had them do not count. If the store fails to end one, the login fails, and the client's former session stays live.
    /// Logins at the same time may exceed the limit until the next one, and a login ends at most 1000 sessions. One that could not
    /// enforce the limit raises [`EventKind::DisplacementIncomplete`](crate::event::EventKind::DisplacementIncomplete).
    ///
    /// Each login lists the user's sessions, with one call of the store for every hundred.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.settings.max_sessions = Some(sessions);
        self
    }

    /// Binds the sessions of browsers to their devices, where the browser supports device-bound session credentials
    /// ([W3C draft](https://w3c.github.io/webappsec-dbsc/)): it keeps a private key, in hardware if it can, and proves that it has it
    /// whenever it needs a new access token. All other browsers, and native clients, go on as without this setting. Default: none,
    /// since the browser must reach the routes of [`device_routes`](Self::device_routes).
    ///
    /// Only sessions are bound whose cookies outlive the browser ([`LoginOptions::remember`](crate::LoginOptions::remember)).
    ///
    /// It needs the [access cookie](Self::access_cookie), cookies with `Secure` and without a [domain](Self::cookie_domain), and an access
    /// lifetime of at least 5 minutes: a browser refreshes at each request once its cookie has less than 2 minutes left, and may sign
    /// only about six times in nine minutes. The lifetime is that of the [policy](Self::policy), from which each token's jitter of at most
    /// 5 % and 15 seconds for the cookie are subtracted.
    pub fn device_binding(mut self, binding: DeviceBinding) -> Self {
        self.device.binding = Some(binding);
        self
    }

    /// Sets the path below which browsers find the routes `register` and `refresh` of device-bound sessions. Default: `/auth/device`,
    /// where `Auth::routes` has them. Set it where those routes are nested, to the path that browsers request, with any prefix that a
    /// proxy or a nested router removes: `/api/auth/device`.
    ///
    /// It begins with a slash and does not end with one. It needs [`device_binding`](Self::device_binding).
    pub fn device_routes(mut self, path: impl Into<String>) -> Self {
        self.device.routes = Some(path.into());
        self
    }

    /// Sets the paths whose requests the browser never holds until the access token is refreshed: each path itself, and everything below
    /// it. Default: none beside the library's own routes, so that no request arrives without an access token. Static files, for
    /// example, do not need to wait.
    ///
    /// Requests to these paths may arrive without a valid access token, and in a bound session the refresh token does not replace it
    /// ([`DeviceBinding::Enforce`]): they are then anonymous, and the event `DeviceUnproven` reports the refresh token. So serve them outside
    /// the layer. Each path begins with a slash, and none is `/` alone or has a
    /// wildcard. It needs [`device_binding`](Self::device_binding), and replaces an earlier list.
    pub fn device_excluded_paths<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.device.excluded_paths = Some(paths.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the responses of rejections. Default: problem documents. See [`Rejection`].
    ///
    /// The closure receives the rejected request without its body. The response is sent as it is. The closure must set [`Rejection::status`], [`Rejection::challenge`] as
    /// `WWW-Authenticate`, without which no 401 may be sent (RFC 9110 §11.6.1), and [`Rejection::retry_after`] as `Retry-After`.
    /// It is not called for a [`TokenError`](crate::TokenError), whose form RFC 6749 §5.2 determines.
    ///
    /// ```
    /// # fn set(builder: tower_refresh::AuthBuilder<()>) -> tower_refresh::AuthBuilder<()> {
    /// use http::{Response, header::{RETRY_AFTER, WWW_AUTHENTICATE}};
    ///
    /// builder.on_rejection(|rejection, _request| {
    ///     let mut response = Response::new(rejection.status().to_string().into());
    ///     *response.status_mut() = rejection.status();
    ///     response.headers_mut().extend(rejection.challenge().map(|challenge| (WWW_AUTHENTICATE, challenge)));
    ///     response.headers_mut().extend(rejection.retry_after().map(|delay| (RETRY_AFTER, delay.as_secs().into())));
    ///     response
    /// })
    /// # }
    /// ```
    ///
    /// With axum the request is that of the extractor: in a nested router without the prefix of its path, which axum's `OriginalUri` in
    /// the extensions has. A handler that extracts a [`Session`](crate::Session) copies the request's headers and extensions for the
    /// rejections of its methods. A [`Rejection`] that comes from extensions alone is not known to belong to a request: see there.
    pub fn on_rejection(
        mut self,
        respond: impl Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.custom_rejection = Some(Box::new(respond));
        self
    }

    /// Sends people who must log in to the login page of the application, and back. Default: none, since programs expect 401.
    ///
    /// An anonymous GET or HEAD request for which a person waits is answered with 303 to `path?next=…`, with the requested path and query
    /// percent-encoded in `next`. A person waits if the request has `Sec-Fetch-Mode: navigate`, or without that header if its `Accept`
    /// names `text/html`. Everything else is rejected as without this setting:
    /// programs and scripts; other methods; requests with an `Authorization` header; every 403 and 503; cross-site requests; and
    /// requests for `path` itself. After the login, [`safe_next`](crate::safe_next) checks the parameter. A `next` that it refuses is
    /// left out here too.
    ///
    /// A navigation that another site started is read-only, so a refresh token that a request of our own would exchange for a lost
    /// response counts as none there. Such a navigation is not sent to log in: the response is 200 and a page that requests the
    /// same address again, which is then a request of our own.
    ///
    /// `path` is the path that browsers request, with any prefix that a proxy or a nested router removes; it may have a query. For single
    /// routes see [`RequireAuthLayer::login_page`](crate::middleware::RequireAuthLayer::login_page), which takes precedence.
    ///
    /// ```
    /// # fn set(builder: tower_refresh::AuthBuilder<()>) -> tower_refresh::AuthBuilder<()> {
    /// builder.login_page("/login") // GET /orders?page=2 is redirected to /login?next=/orders%3Fpage%3D2
    /// # }
    /// ```
    pub fn login_page(mut self, path: impl Into<String>) -> Self {
        self.login_page = Some(path.into());
        self
    }

    /// Sets a closure that receives each [`Event`], for an audit log. It runs inside the request, so it should be fast; a panic in
    /// it is caught and ignored. Default: none.
    pub fn on_event(mut self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Sets the source of the time. Default: [`SystemClock`]; tests use another one. On a target where the standard library has no
    /// time, as `wasm32-unknown-unknown`, it must be set to a clock with both methods, since the default panics there.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks every setting. With the feature `tokio` and inside a runtime, it starts to follow the store's feed of ended
    /// sessions. **Otherwise the feed is not followed**, and no event reports it: spawn [`Auth::follow_feed`].
    ///
    /// # Errors
    /// The first [`ConfigError`].
    pub fn build(self) -> Result<Auth<C>, ConfigError> {
        let Self {
            keys,
            store,
            claims,
            assess,
            mut settings,
            device,
            custom_rejection,
            login_page,
            listener,
            clock,
        } = self;
        settings.device = device.into_settings()?;
        validate(&settings)?;
        let login_page = login_page.map(LoginPage::new).transpose()?;
        let store = store.ok_or(ConfigError::MissingStore)?;
        let keys = keys.prepare()?;
        let claims = claims.ok_or(ConfigError::MissingClaims)?;

        let events = Events::new(listener, clock.clone());
        let timeout = settings.backend_timeout;
        let access_lifetime = settings.policy.access_lifetime;
        let sessions = Sessions::new(
            GuardedStore::new(store, events.clone(), timeout),
            ClaimsSource::new(claims, events.clone(), timeout, access_lifetime),
            assess.map(|assess| Assessor::new(assess, events.clone())),
            events,
            settings.policy.clone(),
            settings.feed_loss_policy,
            settings.device.as_ref().map(|device| device.binding),
        );
        let presentation = Presentation {
            realm: settings.issuer.replace('\\', "\\\\").replace('"', "\\\""),
            custom: custom_rejection,
            login_page,
        };
        let auth = Auth { inner: Arc::new(AuthInner::new(settings, keys, sessions, presentation, clock)) };
        #[cfg(feature = "tokio")]
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(auth.follow_feed());
        }
        Ok(auth)
    }
}

impl<C> fmt::Debug for AuthBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("keys", &self.keys)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[path = "defaults.rs"]
mod defaults;
