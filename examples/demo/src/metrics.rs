//! The library's metrics in the Prometheus text format. docs/observability.md describes each of them.

use anyhow::{Context, Result};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_refresh::event::{EndReason, EventKind, TokenClass};

const EVENTS: &str = "tower_refresh_events_total";

/// From a lookup in memory to a store call that times out.
const SECONDS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Installs the recorder. The handle renders the metrics.
pub(crate) fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics cannot be set up")?;
    describe();
    // Counters start at 0, so that the first event is an increase.
    for kind in [
        EventKind::Login,
        EventKind::Late,
        EventKind::ResponsesLost,
        EventKind::Spent,
        EventKind::Reuse,
        EventKind::Suspicious,
        EventKind::StoreFailed,
    ] {
        start(kind.as_str(), "");
    }
    for class in [TokenClass::Current, TokenClass::Previous] {
        start(EventKind::Refresh(class).as_str(), class.as_str());
    }
    for reason in EndReason::ALL {
        start(EventKind::End(reason).as_str(), reason.as_str());
    }
    Ok(handle)
}

fn describe() {
    describe_counter!(EVENTS, "Events of sessions.");
    describe_counter!("tower_refresh_requests_total", "Requests, by outcome.");
    describe_counter!("tower_refresh_access_tokens_total", "Access tokens, by validity.");
    describe_histogram!("tower_refresh_store_seconds", Unit::Seconds, "The duration of store calls.");
    describe_histogram!(
        "tower_refresh_claims_seconds",
        Unit::Seconds,
        "The duration of calls of the claims source."
    );
    describe_histogram!(
        "tower_refresh_feed_lag_seconds",
        Unit::Seconds,
        "From a session end on another server to its report here."
    );
    describe_gauge!("tower_refresh_feed_up", "Whether the store's feed of ended sessions is connected.");
    describe_counter!("tower_refresh_jwks_fetches_total", "Fetches of the issuer's keys, by result.");
    describe_gauge!("tower_refresh_jwks_up", "Whether the last fetch of the issuer's keys succeeded.");
    describe_gauge!(
        "tower_refresh_jwks_fetched_timestamp_seconds",
        Unit::Seconds,
        "When the issuer's keys were last fetched."
    );
}

fn start(event: &'static str, detail: &'static str) {
    counter!(EVENTS, "event" => event, "detail" => detail).absolute(0);
}
