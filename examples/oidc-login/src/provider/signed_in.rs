//! What an ID token says, after it was verified (OpenID Connect Core §3.1.3.7).

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use openidconnect::{
    ClaimsVerificationError, Nonce, SignatureVerificationError,
    core::CoreJwsSigningAlgorithm::{
        self, EcdsaP256Sha256, EcdsaP384Sha384, EdDsa, RsaSsaPkcs1V15Sha256, RsaSsaPssSha256,
    },
};
use tower_refresh::{Subject, Timestamp};

use super::client::{ProviderClaims, ProviderClient, ProviderIdToken};
use crate::accounts;

/// Signatures by the provider's keys only. With HMAC, anybody who knows the client secret could sign.
pub(crate) const ALGORITHMS: [CoreJwsSigningAlgorithm; 5] =
    [RsaSsaPkcs1V15Sha256, RsaSsaPssSha256, EcdsaP256Sha256, EcdsaP384Sha384, EdDsa];

/// How far the provider's clock may be ahead.
const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

pub(crate) struct SignedIn {
    pub(crate) subject: Subject,
    pub(crate) name: String,
    /// The session at the provider.
    pub(crate) sid: Option<String>,
    /// `None` if the provider does not say.
    auth_time: Option<Timestamp>,
    /// How the user authenticated, in the provider's words.
    pub(crate) acr: Option<String>,
    pub(crate) issued_at: Timestamp,
    pub(crate) id_token: String,
}

impl SignedIn {
    pub(super) fn verify(
        id_token: &ProviderIdToken,
        client: &ProviderClient,
        nonce: &str,
        now: Timestamp,
    ) -> Result<Self, InvalidIdToken> {
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(|| date(now))
            .set_issue_time_verifier_fn(|issued_at| {
                let is_past = issued_at <= date(now.saturating_add(CLOCKS_DIFFER));
                if is_past { Ok(()) } else { Err("issued in the future".to_owned()) }
            });
        let claims = id_token.claims(&verifier, &Nonce::new(nonce.to_owned()))?;
        // The verifier rejects a second audience, but does not look at this one (Core §3.1.3.7, step 5).
        if claims.authorized_party().is_some_and(|party| party != client.client_id()) {
            return Err(InvalidIdToken::AuthorizedParty);
        }
        let subject = accounts::subject(claims.issuer(), claims.subject()).ok_or(InvalidIdToken::Subject)?;
        let ProviderTimes { issued_at, auth_time } = ProviderTimes::of(claims);
        Ok(Self {
            subject,
            name: name(claims),
            sid: claims.additional_claims().sid.clone(),
            auth_time,
            acr: claims.auth_context_ref().map(|acr| acr.to_string()),
            issued_at,
            id_token: id_token.to_string(),
        })
    }

    /// When the user authenticated. If the provider does not say, it may be any time ago: never recent.
    pub(crate) fn authenticated_at(&self) -> Timestamp {
        self.auth_time.unwrap_or_default()
    }

    /// Whether the user has authenticated since `start`. A provider may ignore `prompt=login`.
    pub(crate) fn is_authenticated_since(&self, start: Timestamp) -> bool {
        self.auth_time.is_some_and(|time| start <= time.saturating_add(CLOCKS_DIFFER))
    }
}

struct ProviderTimes {
    issued_at: Timestamp,
    auth_time: Option<Timestamp>,
}

impl ProviderTimes {
    fn of(claims: &ProviderClaims) -> Self {
        Self { issued_at: timestamp(claims.issue_time()), auth_time: claims.auth_time().map(timestamp) }
    }
}

/// To show; it identifies no user.
fn name(claims: &ProviderClaims) -> String {
    let name = claims.name().and_then(|name| name.get(None)).map(|name| name.to_string());
    name.unwrap_or_else(|| claims.subject().to_string())
}

/// A time that chrono does not have is after every expiry.
fn date(time: Timestamp) -> DateTime<Utc> {
    let millis = i64::try_from(time.as_millis()).ok();
    millis.and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// A time before 1970 is never recent.
fn timestamp(date: DateTime<Utc>) -> Timestamp {
    Timestamp::from_secs(date.timestamp().try_into().unwrap_or_default())
}

#[derive(Debug)]
pub(crate) enum InvalidIdToken {
    UnknownKey,
    Claims(ClaimsVerificationError),
    AuthorizedParty,
    Subject,
}

impl fmt::Display for InvalidIdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey => f.write_str("no key of the provider has this identifier"),
            Self::Claims(error) => error.fmt(f),
            Self::AuthorizedParty => f.write_str("it is for another client (azp)"),
            Self::Subject => f.write_str("its sub is empty, too long or not ASCII"),
        }
    }
}

impl From<ClaimsVerificationError> for InvalidIdToken {
    fn from(error: ClaimsVerificationError) -> Self {
        match error {
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
                Self::UnknownKey
            }
            error => Self::Claims(error),
        }
    }
}
