//! What is counted and timed, through the `metrics` crate, and the spans of `tracing`. Without those features all of this
//! is nothing.
//!
//! Every name and label is in docs/observability.md.
#![cfg_attr(not(all(feature = "metrics", feature = "tracing")), allow(unused_imports, unused_variables))]

use std::time::Duration;
#[cfg(feature = "metrics")]
use std::time::Instant;

use tower_refresh_core::SessionHandle;
#[cfg(feature = "tracing")]
use tracing::Instrument;

use crate::{
    RejectionKind,
    state::Outcome,
    verify::{InvalidTokenReason, Verdict},
};

/// Names and labels that are literals make keys that are built at compile time: a request pays for no allocation.
#[cfg(feature = "metrics")]
macro_rules! count {
    ($name:literal, $label:literal: $value:expr => { $($pattern:pat => $text:literal,)+ }) => {
        match $value {
            $($pattern => metrics::counter!($name, $label => $text).increment(1),)+
        }
    };
}

/// A request whose credentials have been read.
pub(crate) fn request<C>(outcome: &Outcome<C>, was_refreshed: bool) {
    #[cfg(feature = "metrics")]
    count!("tower_refresh_requests_total", "outcome": (outcome, was_refreshed) => {
        (Outcome::Authenticated(_), false) => "authenticated",
        (Outcome::Authenticated(_), true) => "refreshed",
        (Outcome::Anonymous, _) => "anonymous",
        (Outcome::Refused(RejectionKind::Unavailable), _) => "unavailable",
        (Outcome::Refused(RejectionKind::CrossSite), _) => "cross_site",
        (Outcome::Refused(_), _) => "rejected",
    });
}

/// An access token that was judged, from memory or anew.
pub(crate) fn access_token<T>(verdict: &Verdict<T>, was_cached: bool) {
    #[cfg(feature = "metrics")]
    count!("tower_refresh_access_tokens_total", "result": (verdict, was_cached) => {
        (Verdict::Valid(_), true) => "cached",
        (Verdict::Valid(_), false) => "verified",
        (Verdict::Expired { .. } | Verdict::Invalid(InvalidTokenReason::Expired), _) => "expired",
        (Verdict::Invalid(InvalidTokenReason::Revoked), _) => "revoked",
        (Verdict::Invalid(_), _) => "invalid",
    });
}

/// Whether the store's feed of ends is up.
pub(crate) fn feed_up(is_up: bool) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("tower_refresh_feed_up").set(f64::from(u8::from(is_up)));
}

/// How long after a session ended the feed told of it, by the two servers' clocks.
pub(crate) fn feed_lag(lag: Duration) {
    #[cfg(feature = "metrics")]
    metrics::histogram!("tower_refresh_feed_lag_seconds").record(lag);
}

/// `future` in a span for the first half of a refresh, which is shared by the requests that wait for it.
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

/// `future` in a span for the second half of a refresh.
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

/// Times a call of what the layer waits for.
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

    /// A call of the store is over.
    pub(crate) fn store_answered(&self, call: &'static str, succeeded: bool) {
        #[cfg(feature = "metrics")]
        metrics::histogram!("tower_refresh_store_seconds", "call" => call, "result" => result(succeeded))
            .record(self.started.elapsed());
    }

    /// A call of the claims source is over.
    pub(crate) fn claims_answered(&self, succeeded: bool) {
        #[cfg(feature = "metrics")]
        metrics::histogram!("tower_refresh_claims_seconds", "result" => result(succeeded))
            .record(self.started.elapsed());
    }
}

#[cfg(feature = "metrics")]
const fn result(succeeded: bool) -> &'static str {
    if succeeded { "ok" } else { "error" }
}
