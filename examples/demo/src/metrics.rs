//! The library's metrics, in the text format of Prometheus: docs/observability.md says what each means.

use anyhow::{Context, Result};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tower_refresh::event::{EndReason, EventKind, TokenClass};

const EVENTS: &str = "tower_refresh_events_total";

/// From a lookup in memory to a store at the end of its time limit.
const SECONDS: [f64; 10] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Starts counting. The handle renders what was counted.
pub(crate) fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics cannot be set up")?;
    describe();
    // Counters that begin at 0 show the first event as an increase.
    for kind in [EventKind::Login, EventKind::Late, EventKind::Reuse, EventKind::StoreFailed] {
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
    describe_counter!(EVENTS, "What happened to sessions.");
    describe_counter!("tower_refresh_requests_total", "Requests, by what the layer made of them.");
    describe_counter!("tower_refresh_access_tokens_total", "Access tokens, by what they were worth.");
    describe_histogram!("tower_refresh_store_seconds", Unit::Seconds, "How long the store took.");
    describe_histogram!("tower_refresh_claims_seconds", Unit::Seconds, "How long the claims source took.");
    describe_histogram!(
        "tower_refresh_feed_lag_seconds",
        Unit::Seconds,
        "From the end of a session elsewhere to being told of it."
    );
    describe_gauge!("tower_refresh_feed_up", "Whether the store's feed of ends is followed.");
}

fn start(event: &'static str, detail: &'static str) {
    counter!(EVENTS, "event" => event, "detail" => detail).absolute(0);
}
