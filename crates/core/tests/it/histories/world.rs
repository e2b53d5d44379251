//! A simulation: one session's row, servers whose clocks differ, a browser, and a thief with copies of its tokens.
//!
//! Time moves from event to event. The servers run the real decisions. Compare-and-swaps and reloads are separate
//! events, so that any other event may come between them. The invariants of every history are asserted where they
//! could be violated.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

use tower_refresh_core::{
    EndReason, Ended, RotationPolicy, SessionHandle, SessionRow, Timestamp,
    rotation::{Attempt, Decision, TokenClass, Tokens, classify, commit, roll_forward},
};

pub(crate) const LOGIN: Timestamp = Timestamp::from_secs(1_700_000_000);

/// One request and its timing. Times are in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// When the client sends it, since the login.
    pub(crate) at: u64,
    pub(crate) from: Sender,
    pub(crate) kind: Kind,
    pub(crate) way_there: u64,
    pub(crate) handler: u64,
    /// Each round trip to the store, in the commit.
    pub(crate) store: u64,
    pub(crate) way_back: u64,
    /// How far the server's clock is ahead.
    pub(crate) skew: i64,
    pub(crate) fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sender {
    /// Presents the token that is in the cookie jar when the request is sent.
    Browser,
    /// Presents a copy: the generation that many before the current one.
    Thief { behind: u32 },
    /// Presents a generation ahead of the row, as a store that lost writes may see.
    Prophet { ahead: u32 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A request of the site's own pages.
    Own,
    /// Its response carries no cookie: a 101, or a 2xx to an extended CONNECT.
    Upgrade,
    /// A navigation that another site started.
    Elsewhere,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fate {
    Delivered,
    /// The whole response is lost.
    Lost,
    /// The request's future is dropped before the commit begins.
    Aborted,
}

/// What happens to the session independently of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happening {
    /// The session ends: a logout or a revocation.
    End(EndReason),
    /// The store fails over and loses the last swap.
    Failover,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Leave(usize),
    Arrive(usize),
    Decide { request: usize, attempt: u32 },
    Swap { request: usize, attempt: u32 },
    Deliver { request: usize, tokens: Tokens },
    Happen(Happening),
}

/// A request under way.
struct Progress {
    presented: u32,
    class: TokenClass,
    /// The row that the server read last.
    seen: SessionRow,
    decision: Option<Decision>,
}

pub(crate) struct World {
    pub(crate) row: SessionRow,
    /// The generation in the browser's cookie jar.
    pub(crate) jar: u32,
    /// The classes of the browser's requests.
    pub(crate) classes: Vec<TokenClass>,
    /// The number of navigations from elsewhere that were not authenticated.
    pub(crate) rejected_from_elsewhere: usize,
    /// How many responses delivered tokens to the browser.
    pub(crate) delivered: usize,
    policy: RotationPolicy,
    requests: Vec<Request>,
    progress: BTreeMap<usize, Progress>,
    events: BinaryHeap<Reverse<(u64, usize)>>,
    what: Vec<Event>,
    now: u64,
    before_last_swap: Option<SessionRow>,
    /// The last version that was drawn. A version never names a second row, not even after a failover.
    drawn: u64,
    /// `None` if a lost write hides it.
    last_rotation: Option<Timestamp>,
    failed_over: bool,
}

impl World {
    pub(crate) fn new(policy: &RotationPolicy) -> Self {
        let idle = LOGIN.saturating_add(policy.idle);
        let absolute = LOGIN.saturating_add(policy.absolute);
        Self {
            row: SessionRow::new(SessionHandle::from_bytes([1; 16]), "alice".into(), LOGIN, idle, absolute),
            jar: 0,
            classes: Vec::new(),
            rejected_from_elsewhere: 0,
            delivered: 0,
            policy: policy.clone(),
            requests: Vec::new(),
            progress: BTreeMap::new(),
            events: BinaryHeap::new(),
            what: Vec::new(),
            now: 0,
            before_last_swap: None,
            drawn: 0,
            failed_over: false,
            last_rotation: Some(LOGIN),
        }
    }

    pub(crate) fn request(&mut self, request: Request) {
        self.schedule(request.at, Event::Leave(self.requests.len()));
        self.requests.push(request);
    }

    pub(crate) fn happening(&mut self, at: u64, happening: Happening) {
        self.schedule(at, Event::Happen(happening));
    }

    /// Runs until no request is under way.
    pub(crate) fn run(&mut self) {
        while let Some(Reverse((at, index))) = self.events.pop() {
            assert!(at >= self.now, "time goes forward");
            self.now = at;
            match self.what[index] {
                Event::Leave(request) => self.leave(request),
                Event::Arrive(request) => self.arrive(request),
                Event::Decide { request, attempt } => self.decide(request, attempt),
                Event::Swap { request, attempt } => self.swap(request, attempt),
                Event::Deliver { request, tokens } => self.deliver(request, tokens),
                Event::Happen(Happening::End(reason)) => self.end(reason),
                Event::Happen(Happening::Failover) => self.fail_over(),
            }
        }
    }

    /// Milliseconds since the login.
    pub(crate) fn elapsed(&self) -> u64 {
        self.now
    }

    fn schedule(&mut self, at: u64, event: Event) {
        self.events.push(Reverse((at, self.what.len())));
        self.what.push(event);
    }

    fn clock(&self, request: usize) -> Timestamp {
        let millis = LOGIN.as_millis() + self.now;
        Timestamp::from_millis(millis.saturating_add_signed(self.requests[request].skew))
    }

    fn leave(&mut self, request: usize) {
        let newest = self.row.generation;
        let presented = match self.requests[request].from {
            Sender::Browser => self.jar,
            Sender::Thief { behind } => newest.saturating_sub(behind),
            Sender::Prophet { ahead } => newest.saturating_add(ahead),
        };
        let seen = self.row.clone();
        self.progress
            .insert(request, Progress { presented, class: TokenClass::Unknown, seen, decision: None });
        self.schedule(self.now + self.requests[request].way_there, Event::Arrive(request));
    }

    fn arrive(&mut self, request: usize) {
        let now = self.clock(request);
        let presented = self.progress[&request].presented;
        let class = classify(&Attempt::new(Some(&self.row), presented, now), &self.policy);
        assert!(!class.is_accepted() || self.row.is_live(now), "a session that is not live accepts nothing");
        if self.row.is_live(now) && presented < self.row.generation.saturating_sub(1) {
            assert_eq!(class, TokenClass::Reuse, "two generations behind always ends the session");
        }
        if self.requests[request].kind == Kind::Elsewhere {
            self.rejected_from_elsewhere += usize::from(!class.is_accepted_from_elsewhere());
            return;
        }
        if self.requests[request].from == Sender::Browser {
            self.classes.push(class);
        }
        if class == TokenClass::Spent {
            assert!(!self.row.confirmed, "once the current token was presented, the previous one is no loss");
            assert!(!self.policy.end_when_spent, "this policy ends the session instead");
        }
        if class == TokenClass::Reuse {
            self.end(EndReason::Reuse);
        }
        if class == TokenClass::Ahead {
            let next = roll_forward(&self.row, presented, now);
            self.last_rotation = None;
            assert!(
                self.compare_and_swap(&next),
                "no event comes between a load and a swap at the same time"
            );
            let restored = Attempt::new(Some(&self.row), presented, now);
            assert_eq!(classify(&restored, &self.policy), TokenClass::Current);
        }
        if !class.is_accepted() || self.requests[request].fate == Fate::Aborted {
            return;
        }
        let seen = self.row.clone();
        self.progress.insert(request, Progress { presented, class, seen, decision: None });
        self.schedule(self.now + self.requests[request].handler, Event::Decide { request, attempt: 0 });
    }

    /// The first attempt uses the row of the first decision, later ones reload it. A decision without a write also needs a
    /// reload.
    fn decide(&mut self, request: usize, attempt: u32) {
        const ATTEMPTS: u32 = 3;
        if attempt == ATTEMPTS {
            return;
        }
        let now = self.clock(request);
        let stored = self.row.clone();
        let progress = self.progress.get_mut(&request).expect("the request is under way");
        if attempt > 0 {
            progress.seen = stored;
        }
        let Progress { presented, class, ref seen, .. } = *progress;
        let mut decision = commit(&Attempt::new(Some(seen), presented, now), class, &self.policy);
        if self.requests[request].kind == Kind::Upgrade {
            decision = decision.for_upgrade(class);
            let is_paid_for = decision.write.as_ref().is_none_or(|_| class == TokenClass::Late);
            assert!(is_paid_for && decision.send == Tokens::None, "an upgrade spends late budget alone");
        }
        let (writes, tokens) = (decision.write.is_some(), decision.send);
        progress.decision = Some(decision);
        let store = self.requests[request].store;
        if writes {
            self.schedule(self.now + store, Event::Swap { request, attempt });
        } else if attempt == 0 {
            self.schedule(self.now + store, Event::Decide { request, attempt: 1 });
        } else {
            self.send(request, tokens);
        }
    }

    fn swap(&mut self, request: usize, attempt: u32) {
        let decision = self.progress.get_mut(&request).and_then(|progress| progress.decision.take());
        let Decision { write, send, .. } = decision.expect("the request decided");
        if self.compare_and_swap(&write.expect("the decision writes")) {
            self.send(request, send);
        } else {
            self.decide(request, attempt + 1);
        }
    }

    fn compare_and_swap(&mut self, next: &SessionRow) -> bool {
        if self.row.ended.is_some() || self.row.version != next.version {
            return false;
        }
        let old = &self.row;
        assert_eq!(next.ended, None, "a decision never ends a session");
        assert!(next.generation >= old.generation, "a generation never goes back");
        assert!(next.generation - old.generation <= 1, "a generation increases by one");
        let forward = next.rotated_at >= old.rotated_at;
        assert!(forward || self.failed_over, "a rotation's time never goes back");
        assert!(next.idle_expiry <= next.absolute_expiry, "nothing outlives the absolute expiry");
        assert_eq!(next.absolute_expiry, old.absolute_expiry, "the absolute expiry never changes");
        if next.generation > old.generation {
            let since = self.last_rotation.map(|last| next.rotated_at.saturating_since(last));
            let damped = since.is_none_or(|since| since >= self.policy.damping);
            assert!(damped || self.failed_over, "at most one rotation per damping");
            self.last_rotation = Some(next.rotated_at);
        }
        self.before_last_swap = Some(old.clone());
        self.row = next.clone();
        self.draw_version();
        true
    }

    fn send(&mut self, request: usize, tokens: Tokens) {
        if tokens != Tokens::None {
            assert_eq!(self.row.ended, None, "nothing is sent after the session ended");
            let slack = Duration::from_millis(self.requests[request].store);
            let decided = self.clock(request).saturating_sub(slack);
            assert!(decided < self.row.absolute_expiry, "nothing is sent after the expiry");
        }
        if let Tokens::AccessAndRefresh { generation } = tokens {
            let presented = self.progress[&request].presented;
            assert_eq!(
                Some(generation),
                presented.checked_add(1),
                "the response to p carries T(p+1) or none"
            );
            assert!(generation <= self.row.generation, "only generations that were reached are sent");
        }
        if self.requests[request].fate == Fate::Delivered {
            let way_back = self.requests[request].way_back;
            self.schedule(self.now + way_back, Event::Deliver { request, tokens });
        }
    }

    fn deliver(&mut self, request: usize, tokens: Tokens) {
        if self.requests[request].from != Sender::Browser {
            return;
        }
        if tokens != Tokens::None {
            self.delivered += 1;
        }
        if let Tokens::AccessAndRefresh { generation } = tokens {
            assert!(generation >= self.jar, "the browser's generation never goes back");
            self.jar = generation;
        }
    }

    fn end(&mut self, reason: EndReason) {
        if self.row.ended.is_none() {
            let now = LOGIN.saturating_add(Duration::from_millis(self.now));
            self.row.ended = Some(Ended::new(reason, now));
            self.draw_version();
        }
    }

    fn draw_version(&mut self) {
        self.drawn += 1;
        self.row.version = self.drawn;
    }

    fn fail_over(&mut self) {
        if let Some(row) = self.before_last_swap.take().filter(|_| self.row.ended.is_none()) {
            self.row = row;
            self.failed_over = true;
        }
    }
}
