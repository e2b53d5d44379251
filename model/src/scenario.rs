//! What may happen, and how often: the bounds of one run.

use std::time::Duration;

use tower_refresh_core::{LateBudget, RotationPolicy, Timestamp};

/// The present, in every state: what lies behind is kept as ticks before it, so that histories have no end.
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) policy: RotationPolicy,
    pub(crate) tick: Duration,
    /// How many requests the browser may have under way.
    pub(crate) tabs: usize,
    /// How many requests the thief may have under way.
    pub(crate) thieves: usize,
    /// The most ticks from the browser to the decision.
    pub(crate) way_there: u8,
    /// The most ticks from a decision to its compare-and-swap.
    pub(crate) store: u8,
    /// The most ticks from the response head to the browser.
    pub(crate) way_back: u8,
    /// The most ticks of a handler; `None` is any number.
    pub(crate) handler: Option<u8>,
    /// How many ticks the second server's clock is ahead.
    pub(crate) skew: u8,
    /// How many responses of the browser's may be lost.
    pub(crate) losses: u8,
    /// How many times the store may lose its last write.
    pub(crate) failovers: u8,
    /// Whether a version that was lost names another row afterwards.
    pub(crate) versions_return: bool,
    /// Whether the user may log out.
    pub(crate) logout: bool,
    /// Whether time counts towards the expiries.
    pub(crate) expires: bool,
    pub(crate) turns: Option<Turns>,
    /// The properties that do not hold here; `limits.rs` has a counter-example of each.
    pub(crate) waived: &'static [&'static str],
}

/// The thief has a copy from the start, and the user and he use the session in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    /// The fewest and the most ticks between the end of one exchange and the next.
    pub(crate) pause: (u8, u8),
    pub(crate) exchanges: u8,
}

impl Scenario {
    /// One tab, and nothing that disturbs it. Both ways and the store take as long as the policy forgives.
    fn new(name: &'static str) -> Self {
        Self {
            name,
            policy: RotationPolicy::balanced(),
            tick: Duration::from_secs(10),
            tabs: 1,
            thieves: 0,
            way_there: 1,
            store: 1,
            way_back: 1,
            handler: None,
            skew: 0,
            losses: 0,
            failovers: 0,
            versions_return: false,
            logout: false,
            expires: false,
            turns: None,
            waived: &[],
        }
    }

    /// Three requests at once, handlers that take any time, aborts.
    pub(crate) fn parallel() -> Self {
        Self { tabs: 3, ..Self::new("parallel") }
    }

    /// Two servers whose clocks differ.
    pub(crate) fn skew() -> Self {
        Self { tabs: 2, store: 0, skew: 1, ..Self::new("skew") }
    }

    /// As many lost responses as the late budget allows; every request is over within the grace.
    pub(crate) fn losses() -> Self {
        Self { tabs: 2, store: 0, handler: Some(1), losses: 2, ..Self::new("losses") }
    }

    /// The store loses its last acknowledged write.
    pub(crate) fn failover() -> Self {
        Self { tabs: 2, failovers: 1, ..Self::new("failover") }
    }

    /// The user logs out on one of two servers while other requests are under way.
    pub(crate) fn logout() -> Self {
        Self { tabs: 2, store: 0, skew: 1, logout: true, ..Self::new("logout") }
    }

    /// A thief copies the token at any time and uses it, or any older one, at any time.
    pub(crate) fn theft() -> Self {
        Self { thieves: 1, store: 0, skew: 1, logout: true, ..Self::new("theft") }
    }

    /// Lives that end within the run: idle after 12 ticks, in any case after 30.
    pub(crate) fn expiry() -> Self {
        let mut scenario = Self { tabs: 2, expires: true, ..Self::new("expiry") };
        scenario.policy.idle = scenario.tick * 12;
        scenario.policy.absolute = scenario.tick * 30;
        scenario
    }

    /// The user and a thief take turns, each out of the other's grace.
    pub(crate) fn turns() -> Self {
        let turns = Turns { pause: (4, 8), exchanges: 14 };
        Self { thieves: 1, store: 0, handler: Some(0), losses: 2, turns: Some(turns), ..Self::new("turns") }
    }

    /// What `cargo test` checks.
    pub(crate) fn bounded() -> Vec<Self> {
        vec![
            Self::parallel(),
            Self::skew(),
            Self::losses(),
            Self::failover(),
            Self::logout(),
            Self::theft(),
            Self::expiry(),
            Self::turns(),
        ]
    }

    /// What takes minutes: finer ticks and more at once.
    pub(crate) fn deep() -> Vec<Self> {
        vec![]
    }

    pub(crate) fn grace(&self) -> u8 {
        self.ticks(self.policy.grace) as u8
    }

    pub(crate) fn damping(&self) -> u8 {
        self.ticks(self.policy.damping) as u8
    }

    pub(crate) fn burst(&self) -> u8 {
        match self.policy.late {
            LateBudget::Limited { burst, .. } => burst as u8,
            _ => u8::MAX,
        }
    }

    /// A time this old is as old as any older one: no rule can tell them apart.
    pub(crate) fn oldest(&self) -> i8 {
        -((self.damping() + self.skew + 1) as i8)
    }

    pub(crate) fn servers(&self) -> u8 {
        if self.skew > 0 || self.logout { 2 } else { 1 }
    }

    /// The present by a server's clock.
    pub(crate) fn clock(&self, server: u8) -> Timestamp {
        self.at(i32::from(server * self.skew))
    }

    pub(crate) fn at(&self, ticks: i32) -> Timestamp {
        let distance = self.tick * ticks.unsigned_abs();
        if ticks < 0 { NOW.saturating_sub(distance) } else { NOW.saturating_add(distance) }
    }

    /// Ticks from the present, later than it or earlier.
    pub(crate) fn ticks_to(&self, time: Timestamp) -> i32 {
        self.ticks(time.saturating_since(NOW)) - self.ticks(NOW.saturating_since(time))
    }

    /// Rounded up.
    pub(crate) fn ticks(&self, duration: Duration) -> i32 {
        duration.as_millis().div_ceil(self.tick.as_millis()) as i32
    }

    /// One use of the late budget, in ticks. It does not come back within a run.
    pub(crate) fn refill(&self) -> i32 {
        match self.policy.late {
            LateBudget::Limited { refill, .. } => self.ticks(refill),
            _ => 1,
        }
    }
}
