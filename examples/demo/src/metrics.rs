//! The library's counters, in the text format of Prometheus.

use anyhow::{Context, Result};
use metrics::{counter, describe_counter};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower_refresh::{Class, EndReason, EventKind};

const EVENTS: &str = "tower_refresh_events_total";

/// Starts counting. The handle renders what was counted.
pub(crate) fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new().install_recorder().context("the metrics cannot be set up")?;
    describe_counter!(EVENTS, "What happened to sessions.");
    // Counters that begin at 0 show the first event as an increase.
    for kind in [EventKind::Login, EventKind::Late, EventKind::Reuse, EventKind::StoreFailed] {
        start(kind.as_str(), "");
    }
    for class in [Class::Current, Class::Previous] {
        start(EventKind::Refresh(class).as_str(), class.as_str());
    }
    for reason in EndReason::ALL {
        start(EventKind::End(reason).as_str(), reason.as_str());
    }
    Ok(handle)
}

fn start(event: &'static str, detail: &'static str) {
    counter!(EVENTS, "event" => event, "detail" => detail).absolute(0);
}
