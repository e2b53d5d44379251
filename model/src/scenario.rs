//! The bounds of a run: the events that may happen, and how often.

use std::time::Duration;

use tower_refresh_core::{LateBudget, RotationPolicy, Timestamp};

/// The present, in every state. Past times are stored as ticks before it, so that the length of a history is not bounded.
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) policy: RotationPolicy,
    pub(crate) tick: Duration,
    /// The most requests of the browser in progress at once.
    pub(crate) tabs: usize,
    /// The most requests of the thief in progress at once.
    pub(crate) thieves: usize,
    /// The most ticks from the browser to the decision.
    pub(crate) request_transit: u8,
    /// The most ticks from a decision to its compare-and-swap.
    pub(crate) store: u8,
    /// The most ticks from the response head to the browser.
    pub(crate) response_transit: u8,
    /// The most ticks of a handler; `None` is any number.
    pub(crate) handler: Option<u8>,
    /// The ticks by which the second server's clock is ahead.
    pub(crate) skew: u8,
    /// The most responses to the browser that are lost; `u8::MAX` is any number.
    pub(crate) losses: u8,
    /// The most times that the store loses its last write, if that was a rotation.
    pub(crate) failovers: u8,
    /// Whether a failover may also lose any other write.
    pub(crate) any_write_lost: bool,
    /// The most writes that one failover loses.
    pub(crate) writes_lost: usize,
    /// Whether a browser that lost more than the budget allows may be rejected.
    pub(crate) excuses_spent: bool,
    /// Whether requests may be upgrades.
    pub(crate) upgrades: bool,
    /// Whether other sites start navigations.
    pub(crate) elsewhere: bool,
    /// Whether the user may log out.
    pub(crate) logout: bool,
    /// Whether time counts towards the expiries.
    pub(crate) expires: bool,
    /// The ticks for which tokens are sent again on the row that a load has read, without another look into the store; and, if there
    /// are any, within the grace period on the row that the server has written last.
    pub(crate) recent: u8,
    pub(crate) device: Option<Device>,
    pub(crate) turns: Option<Turns>,
}

/// The browser can bind the session to a key. The thief has no key that the session is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device {
    /// How often the browser is offered a registration. Each one has its own key.
    pub(crate) offers: u8,
    /// The most requests of the browser in progress at once, of all kinds.
    pub(crate) at_once: usize,
    /// The most proofs among them: the browser waits for the last one alone.
    pub(crate) proofs: usize,
    /// Whether a lost write may make bindings and challenges what they were before.
    pub(crate) excuses_lost_writes: bool,
    /// Whether the access token of the registration lasts until the requests have arrived that left before without a proof.
    pub(crate) access_outlasts_transit: bool,
    /// Whether the thief may register a key before the browser does.
    pub(crate) rival: bool,
    /// Whether the thief has copies of proofs that no server has accepted yet.
    pub(crate) intercepts: bool,
}

/// The thief has a copy from the start, and user and thief use the session in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    /// The fewest and the most ticks between the end of one exchange and the next.
    pub(crate) pause: (u8, u8),
    pub(crate) exchanges: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A request of the site's own pages.
    Own,
    /// Its response is a 101, or a 2xx to an extended CONNECT.
    Upgrade,
    /// A navigation that another site started, and whose response it may discard at any time.
    Elsewhere,
    /// The registration of a key.
    Register { key: u8 },
    /// A proof of the device, instead of which a thief may send a copy.
    Proof(Proof),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Proof {
    pub(crate) key: u8,
    /// The signed challenge.
    pub(crate) counter: u8,
    /// Whether it comes without a refresh token, as for a navigation from elsewhere.
    pub(crate) alone: bool,
}

impl Scenario {
    /// One tab without disturbances. Both transits and the store take as long as the policy allows.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            policy: RotationPolicy::balanced(),
            tick: Duration::from_secs(10),
            tabs: 1,
            thieves: 0,
            request_transit: 1,
            store: 1,
            response_transit: 1,
            handler: None,
            skew: 0,
            losses: 0,
            failovers: 0,
            any_write_lost: false,
            writes_lost: 1,
            excuses_spent: true,
            upgrades: false,
            elsewhere: false,
            logout: false,
            expires: false,
            recent: 0,
            device: None,
            turns: None,
        }
    }

    /// Three requests at once, handlers of any duration, aborts.
    pub(crate) fn parallel() -> Self {
        Self { tabs: 3, ..Self::new("parallel") }
    }

    /// The shortest valid damping interval, in ticks of five seconds. It allows half the transit.
    pub(crate) fn least_damping() -> Self {
        let mut scenario = Self { tabs: 2, tick: Duration::from_secs(5), ..Self::new("least damping") };
        scenario.policy.damping = scenario.policy.grace + Duration::from_secs(15);
        scenario
    }

    /// Two servers whose clocks differ.
    pub(crate) fn skew() -> Self {
        Self { tabs: 2, store: 0, skew: 1, ..Self::new("skew") }
    }

    /// As many lost responses as the late budget allows; every request completes within the grace period.
    pub(crate) fn losses() -> Self {
        Self { tabs: 2, store: 0, handler: Some(1), losses: 2, ..Self::new("losses") }
    }

    /// One lost response, and handlers of any duration.
    pub(crate) fn slow_loss() -> Self {
        Self { tabs: 2, losses: 1, ..Self::new("slow loss") }
    }

    /// Any number of lost responses, and handlers of any duration.
    pub(crate) fn any_losses() -> Self {
        Self { tabs: 2, losses: u8::MAX, ..Self::new("any losses") }
    }

    /// The same on two servers whose clocks differ.
    pub(crate) fn any_losses_and_skew() -> Self {
        Self { name: "any losses, skew", skew: 1, store: 0, ..Self::any_losses() }
    }

    /// Other sites start navigations, and discard their responses.
    pub(crate) fn elsewhere() -> Self {
        Self { tabs: 3, elsewhere: true, handler: Some(1), store: 0, losses: 1, ..Self::new("elsewhere") }
    }

    /// One lost response, and upgrades.
    pub(crate) fn upgrades() -> Self {
        Self { tabs: 2, upgrades: true, losses: 1, ..Self::new("upgrades") }
    }

    /// The store loses its last acknowledged write, of any kind.
    pub(crate) fn failover() -> Self {
        Self { tabs: 2, failovers: 1, any_write_lost: true, ..Self::new("failover") }
    }

    /// The same, and any number of lost responses: outside the promises.
    pub(crate) fn failover_and_losses() -> Self {
        Self { name: "failover, losses", losses: u8::MAX, ..Self::failover() }
    }

    /// The user logs out on one of two servers while other requests are in progress.
    pub(crate) fn logout() -> Self {
        Self { tabs: 2, store: 0, skew: 1, logout: true, ..Self::new("logout") }
    }

    /// The same with one clock, and the store loses a rotation.
    pub(crate) fn logout_and_failover() -> Self {
        Self { name: "logout, failover", skew: 0, failovers: 1, ..Self::logout() }
    }

    /// A thief copies the token at any time and uses it, or any older one, at any time.
    pub(crate) fn theft() -> Self {
        Self { thieves: 1, store: 0, ..Self::new("theft") }
    }

    /// The same with quick handlers, and the store loses its last write.
    pub(crate) fn theft_and_failover() -> Self {
        let handler = Some(1);
        Self { name: "theft, failover", failovers: 1, any_write_lost: true, handler, ..Self::theft() }
    }

    /// The thief also starts navigations from elsewhere. Handlers are quick.
    pub(crate) fn theft_elsewhere() -> Self {
        Self { name: "theft, elsewhere", elsewhere: true, handler: Some(1), ..Self::theft() }
    }

    /// Expiries within the run: idle after 12 ticks, absolute after 30.
    pub(crate) fn expiry() -> Self {
        let mut scenario = Self { tabs: 2, expires: true, ..Self::new("expiry") };
        scenario.policy.idle = scenario.tick * 12;
        scenario.policy.absolute = scenario.tick * 30;
        scenario
    }

    /// The user and a thief take turns, each outside the other's grace period.
    pub(crate) fn turns() -> Self {
        let turns = Turns { pause: (4, 8), exchanges: 12 };
        Self { thieves: 1, store: 0, handler: Some(0), losses: 2, turns: Some(turns), ..Self::new("turns") }
    }

    /// The same world, where tokens are sent again without another look into the store.
    fn resending(self, name: &'static str) -> Self {
        Self { name, recent: 1, ..self }
    }

    /// A logout on one of two servers, while tokens are sent again.
    pub(crate) fn resent_after_logout() -> Self {
        Self::logout().resending("resent, logout")
    }

    /// The user's device is bound, and tokens might be sent again.
    pub(crate) fn resent_without_proof() -> Self {
        Self::device_theft().resending("resent, device")
    }

    /// The scenarios of `cargo test`.
    pub(crate) fn bounded() -> Vec<Self> {
        vec![
            Self::parallel(),
            Self::least_damping(),
            Self::skew(),
            Self::losses(),
            Self::slow_loss(),
            Self::any_losses(),
            Self::any_losses_and_skew(),
            Self::elsewhere(),
            Self::upgrades(),
            Self::failover(),
            Self::logout(),
            Self::logout_and_failover(),
            Self::theft(),
            Self::theft_and_failover(),
            Self::theft_elsewhere(),
            Self::expiry(),
            Self::turns(),
            Self::parallel().resending("resent, parallel"),
            Self::any_losses_and_skew().resending("resent, losses, skew"),
            Self::failover().resending("resent, failover"),
            Self::resent_after_logout(),
            Self::logout_and_failover().resending("resent, both"),
            Self::theft().resending("resent, theft"),
            Self::expiry().resending("resent, expiry"),
            Self::resent_without_proof(),
            Self::device(),
            Self::device_offers(),
            Self::device_repeats(),
            Self::device_theft(),
            Self::device_failover(),
            Self::device_logout(),
            Self::device_expiry(),
        ]
    }

    /// The scenarios that take minutes: finer ticks and more requests at once.
    pub(crate) fn deep() -> Vec<Self> {
        vec![
            Self { name: "parallel, finer", ..Self::parallel() }.finer(),
            Self { name: "parallel, four", tabs: 4, ..Self::parallel() },
            Self { name: "skew, finer", tabs: 3, ..Self::skew() }.finer(),
            Self { name: "losses, finer", tabs: 3, ..Self::losses() }.finer(),
            Self { name: "slow loss, three", tabs: 3, ..Self::slow_loss() },
            Self { name: "any losses, three", tabs: 3, ..Self::any_losses() },
            Self { name: "any losses, finer", ..Self::any_losses_and_skew() }.finer(),
            Self { name: "any losses, otherwise", upgrades: true, elsewhere: true, ..Self::any_losses() },
            Self { name: "elsewhere, four", tabs: 4, ..Self::elsewhere() },
            Self { name: "upgrades, three", tabs: 3, ..Self::upgrades() },
            Self {
                name: "transit beyond grace",
                request_transit: 2,
                response_transit: 2,
                store: 2,
                ..Self::parallel()
            },
            Self::parallel().with_policy("strict, parallel", RotationPolicy::strict()),
            Self { request_transit: 2, response_transit: 2, ..Self::parallel() }
                .with_policy("strict, slower", RotationPolicy::strict()),
            Self::skew().with_policy("strict, skew", RotationPolicy::strict()),
            Self::failover().with_policy("strict, failover", RotationPolicy::strict()),
            Self::any_losses().with_policy("tolerant, any losses", RotationPolicy::tolerant()),
            Self { name: "failover, three", tabs: 3, ..Self::failover() },
            Self { name: "failover, finer", ..Self::failover() }.finer(),
            Self { name: "failover, skew", skew: 1, store: 0, tabs: 3, ..Self::failover() },
            Self { name: "failover, two writes", writes_lost: 2, ..Self::failover() },
            Self { name: "failover, otherwise", upgrades: true, elsewhere: true, ..Self::failover() },
            Self { name: "logout, three", tabs: 3, ..Self::logout() },
            Self { name: "theft, skew, logout", skew: 1, logout: true, ..Self::theft() },
            Self { name: "theft, failover, slow", handler: None, ..Self::theft_and_failover() },
            Self { name: "theft, elsewhere, slow", handler: None, ..Self::theft_elsewhere() },
            Self { name: "theft, upgrades", upgrades: true, handler: Some(1), ..Self::theft() },
            Self { name: "theft, otherwise", upgrades: true, handler: None, ..Self::theft_elsewhere() },
            Self { name: "theft, two tabs", tabs: 2, ..Self::theft() },
            Self { name: "theft, two thieves", thieves: 2, ..Self::theft() },
            Self { name: "expiry, three", tabs: 3, ..Self::expiry() },
            Self { name: "turns, finer", ..Self::turns() }.finer(),
            Self { name: "device, slow", handler: None, store: 1, ..Self::device() },
            Self { name: "device, otherwise", upgrades: true, elsewhere: true, ..Self::device() },
            Self { losses: 0, ..Self::device() }.with_policy("strict, device", RotationPolicy::strict()),
            Self { name: "device, failover, two", writes_lost: 2, ..Self::device_failover() },
            Self { name: "device, theft, two", ..Self::device_theft() }
                .with_device(|device| device.at_once = 2),
            Self { name: "device, theft, fails", ..Self::device_theft_and_failover() }
                .with_device(|device| device.excuses_lost_writes = true),
        ]
    }

    fn with_policy(self, name: &'static str, policy: RotationPolicy) -> Self {
        Self { name, policy, ..self }
    }

    pub(crate) fn with_device(mut self, change: impl FnOnce(&mut Device)) -> Self {
        self.device.as_mut().map(change);
        self
    }

    /// The same times, in ticks of half the length.
    fn finer(self) -> Self {
        let twice = |(fewest, most)| (fewest * 2, most * 2);
        Self {
            tick: self.tick / 2,
            request_transit: self.request_transit * 2,
            store: self.store * 2,
            response_transit: self.response_transit * 2,
            handler: self.handler.map(|most| most * 2),
            skew: self.skew * 2,
            recent: self.recent * 2,
            turns: self.turns.map(|turns| Turns { pause: twice(turns.pause), ..turns }),
            ..self
        }
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

    /// No rule can distinguish a time this old from an older one.
    pub(crate) fn oldest(&self) -> i8 {
        -((self.damping() + self.skew + 1) as i8)
    }

    /// The most ticks from the browser to the decision, to its swap, and back, with the difference of the clocks.
    pub(crate) fn transit(&self) -> u8 {
        self.request_transit + self.store + self.response_transit + self.skew
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        let upgrades = self.upgrades.then_some(Kind::Upgrade);
        let elsewhere = self.elsewhere.then_some(Kind::Elsewhere);
        [Some(Kind::Own), upgrades, elsewhere].into_iter().flatten()
    }

    /// Whether a browser may find the late budget spent: lost responses and its own upgrades spend it.
    pub(crate) fn is_beyond_budget(&self, losses: u8, unsent: u8) -> bool {
        self.excuses_spent && (self.losses == u8::MAX || losses + unsent > self.burst())
    }

    pub(crate) fn servers(&self) -> u8 {
        if self.skew > 0 || self.logout { 2 } else { 1 }
    }

    /// The present on a server's clock.
    pub(crate) fn clock(&self, server: u8) -> Timestamp {
        self.at(i32::from(server * self.skew))
    }

    pub(crate) fn at(&self, ticks: i32) -> Timestamp {
        let distance = self.tick * ticks.unsigned_abs();
        if ticks < 0 { NOW.saturating_sub(distance) } else { NOW.saturating_add(distance) }
    }

    /// Ticks from the present; negative if earlier.
    pub(crate) fn ticks_to(&self, time: Timestamp) -> i32 {
        self.ticks(time.saturating_since(NOW)) - self.ticks(NOW.saturating_since(time))
    }

    /// Rounded up.
    pub(crate) fn ticks(&self, duration: Duration) -> i32 {
        duration.as_millis().div_ceil(self.tick.as_millis()) as i32
    }

    /// The refill time of one late use, in ticks. It exceeds the length of a run.
    pub(crate) fn refill(&self) -> i32 {
        match self.policy.late {
            LateBudget::Limited { refill, .. } => self.ticks(refill),
            _ => 1,
        }
    }
}
