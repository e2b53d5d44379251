//! Metrics through the `metrics` crate, and spans through `tracing`. Without those features every function here is empty.
//!
//! docs/observability.md lists every name and label.
#![cfg_attr(not(all(feature = "metrics", feature = "tracing")), allow(unused_imports, unused_variables))]

use std::time::Duration;
#[cfg(feature = "metrics")]
use std::time::Instant;

use tower_refresh_core::{SessionHandle, Timestamp};
#[cfg(feature = "tracing")]
use tracing::Instrument;

/// How the credentials of a request were judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestOutcome {
    Authenticated,
    Refreshed,
    Anonymous,
    Unavailable,
    InvalidClaims,
    CrossSite,
    Rejected,
}

/// How an access token was judged.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TokenOutcome {
    Cached,
    Verified,
    Expired,
    Revoked,
    Invalid,
}

/// Literal names and labels make keys that are built at compile time, so that counting allocates nothing.
#[cfg(feature = "metrics")]
macro_rules! count {
    ($name:literal, $label:literal: $value:expr => { $($pattern:pat => $text:literal,)+ }) => {
        match $value {
            $($pattern => metrics::counter!($name, $label => $text).increment(1),)+
        }
    };
}

/// Counts a request whose credentials have been read.
#[inline]
pub(crate) fn request(outcome: RequestOutcome) {
    #[cfg(feature = "metrics")]
    count!("tower_refresh_requests_total", "outcome": outcome => {
        RequestOutcome::Authenticated => "authenticated",
        RequestOutcome::Refreshed => "refreshed",
        RequestOutcome::Anonymous => "anonymous",
        RequestOutcome::Unavailable => "unavailable",
        RequestOutcome::InvalidClaims => "invalid_claims",
        RequestOutcome::CrossSite => "cross_site",
        RequestOutcome::Rejected => "rejected",
    });
}

/// Counts an access token that has been verified, or found in the cache.
#[inline]
pub(crate) fn access_token(outcome: TokenOutcome) {
    #[cfg(feature = "metrics")]
    count!("tower_refresh_access_tokens_total", "result": outcome => {
        TokenOutcome::Cached => "cached",
        TokenOutcome::Verified => "verified",
        TokenOutcome::Expired => "expired",
        TokenOutcome::Revoked => "revoked",
        TokenOutcome::Invalid => "invalid",
    });
}

/// Shows whether the store's feed of ended sessions is up.
pub(crate) fn feed_up(is_up: bool) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("tower_refresh_feed_up").set(f64::from(u8::from(is_up)));
}

/// Records the time between the end of a session and its arrival through the feed, by the clocks of both servers.
pub(crate) fn feed_lag(lag: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!("tower_refresh_feed_lag_seconds").record(lag);
}

/// Shows whether the last fetch of the issuer's keys succeeded.
pub(crate) fn jwks_up(is_up: bool) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("tower_refresh_jwks_up").set(f64::from(u8::from(is_up)));
}

/// Counts a fetch of the issuer's keys.
pub(crate) fn jwks_fetch(succeeded: bool) {
    jwks_up(succeeded);
    #[cfg(feature = "metrics")]
    metrics::counter!("tower_refresh_jwks_fetches_total", "result" => result(succeeded)).increment(1);
}

/// Shows when the issuer's keys were last fetched, in seconds since 1970: their age is the time since then.
pub(crate) fn jwks_fetched_at(now: Timestamp) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("tower_refresh_jwks_fetched_timestamp_seconds").set(now.as_millis() as f64 / 1000.0);
}

/// Wraps the load of a refresh, which all requests that wait for it share, in a span.
pub(crate) fn load_span<F: Future>(
    session: SessionHandle,
    generation: u32,
    future: F,
) -> impl Future<Output = F::Output> {
    #[cfg(feature = "tracing")]
    let future = future.instrument(tracing::debug_span!(
        target: "tower_refresh",
        "refresh_load",
        %session,
        generation,
    ));
    future
}

/// Wraps the commit of a refresh in a span.
pub(crate) fn commit_span<F: Future>(
    session: SessionHandle,
    generation: u32,
    future: F,
) -> impl Future<Output = F::Output> {
    #[cfg(feature = "tracing")]
    let future = future.instrument(tracing::debug_span!(
        target: "tower_refresh",
        "refresh_commit",
        %session,
        generation,
    ));
    future
}

/// Times a call of the store or of the claims source.
pub(crate) struct Stopwatch {
    #[cfg(feature = "metrics")]
    started: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            started: Instant::now(),
        }
    }

    pub(crate) fn record_store_call(&self, call: &'static str, succeeded: bool) {
        #[cfg(feature = "metrics")]
        metrics::histogram!("tower_refresh_store_seconds", "call" => call, "result" => result(succeeded))
            .record(self.started.elapsed());
    }

    pub(crate) fn record_claims_call(&self, succeeded: bool) {
        #[cfg(feature = "metrics")]
        metrics::histogram!("tower_refresh_claims_seconds", "result" => result(succeeded))
            .record(self.started.elapsed());
    }
}

#[cfg(feature = "metrics")]
const fn result(succeeded: bool) -> &'static str {
    if succeeded { "ok" } else { "error" }
}
