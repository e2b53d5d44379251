//! Checks the responses during a fault, and prints figures.

use std::time::{Duration, Instant};

use super::{
    Service,
    crowd::{Kind, Sample, Witnesses},
};

/// The start and the end of a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
}

/// The library's timeout for a call of the store.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// For slow machines.
const MARGIN: Duration = Duration::from_secs(3);
const RECOVERED_WITHIN: Duration = Duration::from_secs(10);

/// The effect of a fault.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// The store does not respond for a while.
    StoreGone,
    /// One of the two servers does not respond.
    ServerGone,
}

impl Witnesses {
    /// Checks the requirements for every fault, and prints the figures as a row of a table.
    pub(crate) fn check(&self, name: &str, fault: Fault, outage: Outage, service: &Service) {
        let of = |kind| self.samples.iter().filter(move |sample: &&Sample| sample.kind == kind);
        for sample in &self.samples {
            let expected = match (sample.kind, sample.status) {
                (_, None) => fault == Fault::ServerGone,
                (Kind::Logout, Some(204)) => sample.removed,
                (Kind::Valid | Kind::NearExpiry | Kind::Refresh | Kind::Login, Some(200)) => !sample.removed,
                (Kind::Valid | Kind::NearExpiry, _) => false,
                (_, Some(503)) => sample.has_retry_after && !sample.removed,
                _ => false,
            };
            let after = sample.at.saturating_duration_since(outage.began);
            assert!(expected, "{name}, {after:?} after the fault began: {sample:?}");
            let limit = match sample.kind {
                Kind::Valid => Duration::ZERO,
                Kind::NearExpiry => TIME_LIMIT,
                Kind::Refresh if sample.status == Some(503) => TIME_LIMIT,
                // Two calls of the store, each with the timeout: a load or an end, then a write.
                Kind::Refresh | Kind::Login | Kind::Logout => TIME_LIMIT * 2,
            };
            assert!(sample.took < limit + MARGIN, "{name}: {sample:?}");
        }

        let unavailable: Vec<_> = self.samples.iter().filter(|sample| sample.status == Some(503)).collect();
        assert!(!unavailable.is_empty() || fault != Fault::StoreGone, "{name}: the fault had an effect");
        let early = unavailable.iter().find(|sample| sample.at < outage.began);
        assert!(early.is_none(), "{name}: 503 before the fault: {early:?}");
        let recovered =
            unavailable.iter().map(|sample| sample.at.saturating_duration_since(outage.ended)).max();
        let recovered = recovered.unwrap_or_default();
        assert!(recovered < RECOVERED_WITHIN, "{name}: recovered after {recovered:?}");
        let after = of(Kind::Refresh).filter(|sample| sample.at > outage.ended + recovered);
        assert!(after.count() > 10, "{name}: refreshed afterwards");
        self.assert_no_session_was_lost(service);

        let unanswered = self.samples.iter().filter(|sample| sample.status.is_none()).count();
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {unanswered} | {} |",
            seconds(outage.ended - outage.began),
            of(Kind::Valid).count(),
            seconds(longest(of(Kind::Valid))),
            of(Kind::NearExpiry).count(),
            seconds(longest(of(Kind::NearExpiry))),
            of(Kind::Refresh).count(),
            unavailable.len(),
            seconds(longest(unavailable.iter().copied())),
            self.ended.len(),
            seconds(recovered),
        );
    }
}

fn longest<'a>(samples: impl Iterator<Item = &'a Sample>) -> Duration {
    samples.map(|sample| sample.took).max().unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
