//! A provider: what it says about itself, the way there, and what it says about the user.

mod client;
mod http;
mod signed_in;

use std::{error::Error, fmt, sync::Arc, time::Duration};

use openidconnect::{
    AuthenticationFlow, AuthorizationCode, ConfigurationError, CsrfToken, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse as _,
    core::{CoreAuthPrompt, CoreResponseType},
    url::{ParseError, Url},
};
use tokio::sync::{Mutex, MutexGuard};
use tower_refresh::Timestamp;

use self::{client::ProviderClient, signed_in::InvalidIdToken};
pub(crate) use self::{
    client::{Metadata, ProviderIdToken},
    http::Http,
    signed_in::{ALGORITHMS, SignedIn},
};
use crate::{attempt::Attempt, settings::ProviderSettings};

/// How long the metadata and the keys are used.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// At most one request for them in this time, whatever key identifiers clients send.
const COOLDOWN: Duration = Duration::from_secs(10);

pub(crate) struct Provider {
    pub(crate) settings: ProviderSettings,
    /// Each provider has a callback of its own, so that no response is taken for another provider's (RFC 9700 §4.4.2.2).
    callback: RedirectUrl,
    http: Http,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    metadata: Option<Arc<Metadata>>,
    fresh_until: Timestamp,
    next_fetch: Timestamp,
}

impl Provider {
    pub(crate) fn new(settings: ProviderSettings, url: &str, http: Http) -> Result<Self, ParseError> {
        let callback = RedirectUrl::new(format!("{url}/callback/{}", settings.name))?;
        Ok(Self { settings, callback, http, cache: Mutex::default() })
    }

    pub(crate) fn issuer(&self) -> &IssuerUrl {
        &self.settings.issuer
    }

    /// Where the browser goes to log in.
    pub(crate) async fn authorization_url(
        &self,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<Url, ProviderError> {
        let client = self.client(&*self.metadata(now).await?);
        let (state, nonce) = (CsrfToken::new(attempt.state.clone()), Nonce::new(attempt.nonce.clone()));
        let verifier = PkceCodeVerifier::new(attempt.verifier.clone());
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let mut request = client
            .authorize_url(flow, || state, || nonce)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scope(Scope::new("profile".to_owned()));
        if attempt.reauthenticate {
            // With `max_age` the provider must also say when the user authenticated.
            request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(Duration::ZERO);
        }
        if self.settings.form_post {
            request = request.add_extra_param("response_mode", "form_post");
        }
        Ok(request.url().0)
    }

    /// Checks the issuer of a response (RFC 9207 §2.4), before its code is sent anywhere: it may be the code of another provider.
    pub(crate) async fn check_issuer(
        &self,
        issuer: Option<&str>,
        now: Timestamp,
    ) -> Result<(), ProviderError> {
        let metadata = self.metadata(now).await?;
        let extensions = &metadata.additional_metadata().additional_metadata;
        match issuer {
            Some(issuer) if issuer == self.issuer().as_str() => Ok(()),
            None if !extensions.authorization_response_iss_parameter_supported => Ok(()),
            _ => Err(ProviderError::WrongIssuer),
        }
    }

    /// Exchanges the code for an ID token, and verifies that.
    pub(crate) async fn sign_in(
        &self,
        code: String,
        attempt: &Attempt,
        now: Timestamp,
    ) -> Result<SignedIn, ProviderError> {
        let metadata = self.metadata(now).await?;
        let client = self.client(&metadata);
        let response = client
            .exchange_code(AuthorizationCode::new(code))?
            .set_pkce_verifier(PkceCodeVerifier::new(attempt.verifier.clone()))
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                RequestTokenError::ServerResponse(response) => ProviderError::Refused(response.to_string()),
                RequestTokenError::Parse(..) => ProviderError::Unreadable,
                error => ProviderError::unreachable(&error),
            })?;
        let id_token = response.id_token().ok_or(ProviderError::NoIdToken)?;
        let result = match SignedIn::verify(id_token, &client, &attempt.nonce, now) {
            // The provider may have a new key.
            Err(InvalidIdToken::UnknownKey) => {
                let client = self.client(&*self.newer_metadata(&metadata, now).await?);
                SignedIn::verify(id_token, &client, &attempt.nonce, now)
            }
            result => result,
        };
        Ok(result?)
    }

    pub(crate) async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, ProviderError> {
        let cache = self.cache.lock().await;
        match &cache.metadata {
            Some(metadata) if now < cache.fresh_until => Ok(Arc::clone(metadata)),
            _ => self.fetch(cache, now).await,
        }
    }

    /// What the provider says now, if it is not this any more.
    pub(crate) async fn newer_metadata(
        &self,
        known: &Arc<Metadata>,
        now: Timestamp,
    ) -> Result<Arc<Metadata>, ProviderError> {
        let cache = self.cache.lock().await;
        match &cache.metadata {
            Some(metadata) if !Arc::ptr_eq(metadata, known) => Ok(Arc::clone(metadata)),
            _ => self.fetch(cache, now).await,
        }
    }

    /// Requests that need the same wait for one fetch. If it fails, the former metadata are used.
    async fn fetch(
        &self,
        mut cache: MutexGuard<'_, Cache>,
        now: Timestamp,
    ) -> Result<Arc<Metadata>, ProviderError> {
        let mut failure = ProviderError::Unreachable("it did not respond a moment ago".to_owned());
        if cache.next_fetch <= now {
            cache.next_fetch = now.saturating_add(COOLDOWN);
            match Metadata::discover_async(self.issuer().clone(), &self.http).await {
                Ok(metadata) => {
                    cache.metadata = Some(Arc::new(metadata));
                    cache.fresh_until = now.saturating_add(FRESH);
                }
                Err(error) => failure = ProviderError::unreachable(&error),
            }
        }
        cache.metadata.clone().ok_or(failure)
    }

    fn client(&self, metadata: &Metadata) -> ProviderClient {
        let ProviderSettings { client_id, client_secret, .. } = self.settings.clone();
        ProviderClient::from_provider_metadata(metadata.clone(), client_id, Some(client_secret))
            .set_redirect_uri(self.callback.clone())
    }
}

#[derive(Debug)]
pub(crate) enum ProviderError {
    /// The response says that it comes from another provider, or not from where.
    WrongIssuer,
    /// The provider rejects the code, or this client.
    Refused(String),
    /// The response has no tokens, or none that can be read.
    Unreadable,
    NoIdToken,
    InvalidIdToken(InvalidIdToken),
    Unreachable(String),
}

impl ProviderError {
    /// The error and its causes: that of an HTTP client alone does not say why.
    fn unreachable(error: &dyn Error) -> Self {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            reason.push_str(&format!(": {error}"));
            source = error.source();
        }
        Self::Unreachable(reason)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongIssuer => f.write_str("the response is not from this provider"),
            Self::Refused(reason) => write!(f, "the provider rejects the code, or this client: {reason:?}"),
            Self::Unreadable => f.write_str("the provider's tokens cannot be read"),
            Self::NoIdToken => f.write_str("the provider sent no ID token"),
            Self::InvalidIdToken(error) => write!(f, "the ID token is invalid: {error}"),
            Self::Unreachable(reason) => write!(f, "the provider does not respond as it should: {reason}"),
        }
    }
}

impl From<InvalidIdToken> for ProviderError {
    fn from(error: InvalidIdToken) -> Self {
        Self::InvalidIdToken(error)
    }
}

impl From<ConfigurationError> for ProviderError {
    fn from(error: ConfigurationError) -> Self {
        Self::unreachable(&error)
    }
}
