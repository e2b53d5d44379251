//! The scenarios in which the session can be bound to a key.

use std::time::Duration;

use crate::scenario::{Device, Scenario};

impl Scenario {
    /// The browser registers a key and proves that it has it, whatever responses are lost.
    pub(crate) fn device() -> Self {
        let device = Device {
            offers: 1,
            at_once: 2,
            proofs: 1,
            excuses_lost_writes: true,
            access_outlasts_transit: true,
            rival: false,
            intercepts: false,
        };
        Self { losses: u8::MAX, device: Some(device), store: 0, handler: Some(1), ..Self::new("device") }
    }

    /// The same, and a thief with every token up to a time, and with a copy of every proof that was accepted. Only answers
    /// without a token are lost.
    pub(crate) fn device_theft() -> Self {
        let handler = Some(0);
        let mut scenario = Self { name: "device, theft", thieves: 1, losses: 0, handler, ..Self::device() };
        (scenario.request_transit, scenario.response_transit) = (0, 0);
        scenario.tick = Duration::from_secs(30);
        scenario.with_device(|device| device.at_once = 1)
    }

    /// The same, and a failover whose lost writes are no excuse: outside the promises.
    pub(crate) fn device_theft_and_failover() -> Self {
        Self { name: "device, theft, failover", failovers: 1, any_write_lost: true, ..Self::device_theft() }
            .with_device(|device| device.excuses_lost_writes = false)
    }

    /// Two offers at once, and registrations that are sent again.
    pub(crate) fn device_offers() -> Self {
        Self { name: "device, offers", losses: 0, handler: Some(0), ..Self::device() }
            .with_device(|device| device.offers = 2)
    }

    /// Proofs that are sent again before the answer to the first one.
    pub(crate) fn device_repeats() -> Self {
        Self { name: "device, repeats", handler: Some(0), ..Self::device() }
            .with_device(|device| device.proofs = 2)
    }

    /// A logout on one of two servers. Only answers without a token are lost.
    pub(crate) fn device_logout() -> Self {
        let handler = Some(0);
        Self { name: "device, logout", logout: true, skew: 1, losses: 0, handler, ..Self::device() }
    }

    /// The store loses its last write. Only answers without a token are lost.
    pub(crate) fn device_failover() -> Self {
        let handler = Some(0);
        Self {
            name: "device, failover",
            failovers: 1,
            any_write_lost: true,
            losses: 0,
            handler,
            ..Self::device()
        }
    }

    /// Expiries within the run: idle after 8 ticks, absolute after 16.
    pub(crate) fn device_expiry() -> Self {
        let handler = Some(0);
        let mut scenario =
            Self { name: "device, expiry", expires: true, losses: 0, handler, ..Self::device() };
        scenario.policy.idle = scenario.tick * 8;
        scenario.policy.absolute = scenario.tick * 16;
        scenario
    }
}
