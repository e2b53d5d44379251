//! The registration of a device's key, and its proofs: what is accepted, written and sent.

use std::time::Duration;

use tower_refresh_core::{
    EndReason, Ended, RotationPolicy, SessionBinding, SessionRow, Timestamp,
    rotation::{ProofAttempt, Proven, Registration, TokenClass, Tokens, prove, register},
};

use crate::support::{DAY, HOUR, KEY, MS, ROTATED, SECOND, confirmed, row, with_binding};

/// Bindings that no version of this crate has written.
const UNKNOWN: [&[u8]; 4] = [b"", b"\x01", b"\x01\x01\0\0\0", b"\x02\0\0\0\0\x03key"];

fn ended(reason: EndReason) -> SessionRow {
    let mut row = row();
    row.ended = Some(Ended::new(reason, ROTATED));
    row
}

fn with(binding: SessionBinding) -> SessionRow {
    with_binding(&row(), Some(binding))
}

#[test]
fn a_registration_binds_a_live_session_once() {
    let other = SessionBinding::new(b"another key");
    let longer = SessionBinding::new(&[KEY, b"."].concat());
    let bind = || {
        let bound = with(SessionBinding::new(KEY));
        assert!(bound.binding.as_ref().is_some_and(|binding| !binding.is_confirmed()));
        Registration::Bind(Box::new(bound))
    };
    for (row, denied, after, expected, reason) in [
        (Some(row()), false, SECOND, bind(), "the first one"),
        (Some(row()), false, DAY * 7 - MS, bind(), "1 ms before the session expires"),
        (None, false, SECOND, Registration::NotLive, "no row"),
        (None, true, SECOND, Registration::NotLive, "no row, and denied"),
        (Some(row()), true, SECOND, Registration::NotLive, "denied"),
        (Some(row()), false, DAY * 7, Registration::NotLive, "expired"),
        (Some(ended(EndReason::Logout)), false, SECOND, Registration::NotLive, "ended"),
        (Some(with(SessionBinding::new(KEY))), false, SECOND, Registration::SameKey, "sent again"),
        (Some(with(confirmed(9))), false, SECOND, Registration::Confirmed, "sent again after proofs"),
        (Some(with(confirmed(9))), true, SECOND, Registration::NotLive, "sent again, denied"),
        (Some(with(confirmed(9))), false, DAY * 7, Registration::NotLive, "sent again, expired"),
        (Some(with(other)), false, SECOND, Registration::OtherKey, "another key, not confirmed"),
        (Some(with(longer)), false, SECOND, Registration::OtherKey, "a key that begins alike"),
    ] {
        let found = register(row.as_ref(), denied, KEY, ROTATED.saturating_add(after));
        assert_eq!(found, expected, "{reason}");
    }
    let refused = register(Some(&with(confirmed(9))), false, b"another key", ROTATED);
    assert_eq!(refused, Registration::OtherKey, "another key, confirmed");
    for reason in EndReason::ALL {
        let ended = with_binding(&ended(reason), Some(SessionBinding::new(KEY)));
        assert_eq!(register(Some(&ended), false, KEY, ROTATED), Registration::NotLive, "{reason}");
    }
}

#[test]
fn a_binding_of_an_unknown_format_is_never_replaced() {
    for bytes in UNKNOWN {
        for key in [KEY, b"", b"key", bytes] {
            let row = with(SessionBinding::from_bytes(bytes));
            assert_eq!(register(Some(&row), false, key, ROTATED), Registration::OtherKey, "{bytes:?}");
        }
    }
}

/// A proof: by default for the counter 3 of a confirmed binding, a second after generation 5 was reached, without a token.
struct Case {
    reason: &'static str,
    row: Option<SessionRow>,
    denied: bool,
    counter: u32,
    generation: Option<u32>,
    now: Timestamp,
    policy: RotationPolicy,
}

fn case(reason: &'static str) -> Case {
    Case {
        reason,
        row: Some(with(confirmed(3))),
        denied: false,
        counter: 3,
        generation: None,
        now: ROTATED.saturating_add(SECOND),
        policy: RotationPolicy::balanced(),
    }
}

impl Case {
    fn row(mut self, change: impl FnOnce(&mut SessionRow)) -> Self {
        self.row.as_mut().map(change);
        self
    }

    fn binding(self, binding: SessionBinding) -> Self {
        self.row(|row| row.binding = Some(binding))
    }

    fn no_row(self) -> Self {
        Self { row: None, ..self }
    }

    fn denied(self) -> Self {
        Self { denied: true, ..self }
    }

    fn counter(self, counter: u32) -> Self {
        Self { counter, ..self }
    }

    fn with(self, generation: u32) -> Self {
        Self { generation: Some(generation), ..self }
    }

    fn after(self, time: Duration) -> Self {
        Self { now: ROTATED.saturating_add(time), ..self }
    }

    fn at(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    fn policy(self, policy: RotationPolicy) -> Self {
        Self { policy, ..self }
    }

    fn prove(&self) -> Proven {
        let attempt = ProofAttempt::new(self.row.as_ref(), self.counter, self.now)
            .with_denied(self.denied)
            .with_generation(self.generation);
        prove(&attempt, &self.policy)
    }

    /// Expects that the proof is accepted. Every accepted one uses up its challenge and moves the idle expiry; `change` is the
    /// rest.
    fn accepts(
        self,
        class: Option<TokenClass>,
        send: Tokens,
        change: impl FnOnce(&mut SessionRow, Timestamp),
    ) {
        let mut expected = self.row.clone().expect("an accepted proof has a row");
        expected.binding = Some(confirmed(self.counter.wrapping_add(1)));
        expected.idle_expiry = self.now.saturating_add(DAY * 7).min(expected.absolute_expiry);
        change(&mut expected, self.now);
        let Proven::Accepted { write, class: found, send: sent, .. } = self.prove() else {
            panic!("{}: {:?}", self.reason, self.prove());
        };
        assert_eq!((found, sent), (class, send), "{}", self.reason);
        assert_eq!(*write, expected, "{}", self.reason);
    }
}

fn check(expected: &Proven, cases: impl IntoIterator<Item = Case>) {
    for case in cases {
        assert_eq!(&case.prove(), expected, "{}", case.reason);
    }
}

fn no_more(_: &mut SessionRow, _: Timestamp) {}

fn as_seen(row: &mut SessionRow, _: Timestamp) {
    row.confirmed = true;
}

fn refresh(generation: u32) -> Tokens {
    Tokens::AccessAndRefresh { generation }
}

#[test]
fn a_proof_for_a_session_that_is_not_live_is_worth_nothing() {
    check(
        &Proven::NotLive,
        [
            case("no row").no_row(),
            case("no row, and denied").no_row().denied(),
            case("denied").denied(),
            case("denied, with the current token").denied().with(5),
            case("expired idle").after(DAY * 7),
            case("expired idle, with the current token").after(DAY * 7).with(5),
            case("expired absolutely").row(|row| row.absolute_expiry = row.rotated_at),
            case("ended comes before not bound")
                .row(|row| row.ended = Some(Ended::new(EndReason::Logout, ROTATED)))
                .row(|row| row.binding = None),
            case("expired comes before a challenge that was used").after(DAY * 7).counter(2),
        ],
    );
    for reason in EndReason::ALL {
        let end = |row: &mut SessionRow| row.ended = Some(Ended::new(reason, ROTATED));
        let ended = || case(reason.as_str()).row(end);
        check(&Proven::NotLive, [ended(), ended().with(5), ended().with(3), ended().counter(2)]);
    }
}

#[test]
fn a_proof_for_a_session_without_a_binding_is_worth_nothing() {
    let unbound = |reason| case(reason).row(|row| row.binding = None);
    check(
        &Proven::NotBound,
        [
            unbound("without a token"),
            unbound("the counter of a new binding").counter(0),
            unbound("with the current token").with(5),
            unbound("with a token that was reused").with(3),
        ],
    );
}

#[test]
fn a_proof_for_another_challenge_changes_nothing() {
    check(
        &Proven::StaleChallenge,
        [
            case("the one before").counter(2),
            case("the first").counter(0),
            case("the next").counter(4),
            case("far ahead").counter(u32::MAX),
            case("with the current token").counter(2).with(5),
            case("with a late token").counter(2).with(4).after(HOUR),
            case("with a token that was reused: it ends no session").counter(2).with(3),
            case("with a token ahead: nothing is rolled forward").counter(2).with(6),
            case("a binding that is not confirmed").binding(SessionBinding::new(KEY)).counter(1),
            case("before the first, by wrapping").binding(confirmed(0)).counter(u32::MAX),
            case("after the last, by wrapping").binding(confirmed(u32::MAX)).counter(0),
        ],
    );
    for bytes in UNKNOWN {
        let unknown = || case("of an unknown format").binding(SessionBinding::from_bytes(bytes));
        check(&Proven::StaleChallenge, [0, 1, 3, u32::MAX].map(|counter| unknown().counter(counter)));
    }
}

#[test]
fn a_proof_without_a_token_is_sent_an_access_token_and_extends_the_session() {
    let accepts = |case: Case| case.accepts(None, Tokens::Access, no_more);
    accepts(case("the challenge of the row"));
    accepts(case("the first proof confirms the binding").binding(SessionBinding::new(KEY)).counter(0));
    accepts(case("the counter wraps").binding(confirmed(u32::MAX)).counter(u32::MAX));
    accepts(case("the token would rotate, but none came").after(HOUR));
    accepts(case("1 ms before the session expires").after(DAY * 7 - MS));
    accepts(case("a clock that is behind").at(ROTATED.saturating_sub(HOUR)));
    accepts(case("generations and budget used up").row(|row| {
        (row.generation, row.late_budget) = (u32::MAX, Timestamp::from_millis(u64::MAX));
    }));
    accepts(case("the idle expiry stops at the absolute one").after(DAY * 6).row(|row| {
        row.absolute_expiry = ROTATED.saturating_add(DAY * 8);
    }));
}

#[test]
fn a_proof_extends_the_session_by_the_lifetime_of_the_row_or_else_of_the_policy() {
    for (own, lifetime) in [(Some(DAY * 2), DAY * 2), (Some(DAY * 20), DAY * 20), (None, DAY * 3)] {
        let mut policy = RotationPolicy::balanced();
        policy.idle = DAY * 3;
        case("its own")
            .policy(policy)
            .row(|row| row.idle = own)
            .accepts(None, Tokens::Access, |row, now| row.idle_expiry = now.saturating_add(lifetime));
    }
    case("longer than the session").row(|row| row.idle = Some(DAY * 400)).accepts(
        None,
        Tokens::Access,
        |row, _| row.idle_expiry = row.absolute_expiry,
    );
}

#[test]
fn a_proof_commits_the_current_token_that_came_along() {
    let current = Some(TokenClass::Current);
    let rotated = |next| {
        move |row: &mut SessionRow, now: Timestamp| {
            (row.generation, row.rotated_at, row.confirmed) = (next, now, false);
        }
    };
    let damped = |case: Case| case.with(5).accepts(current, Tokens::Access, as_seen);
    damped(case("within the damping"));
    damped(case("exactly at the end of the damping").after(60 * SECOND));
    damped(case("seen before").row(|row| row.confirmed = true));
    damped(case("a clock that is behind").at(ROTATED.saturating_sub(HOUR)));
    case("1 ms after the damping").with(5).after(60 * SECOND + MS).accepts(current, refresh(6), rotated(6));
    case("an hour later").with(5).after(HOUR).accepts(current, refresh(6), rotated(6));
    case("the first proof").with(5).after(HOUR).binding(SessionBinding::new(KEY)).counter(0).accepts(
        current,
        refresh(6),
        rotated(6),
    );
    case("the idle expiry stops at the absolute one")
        .with(5)
        .after(HOUR)
        .row(|row| row.absolute_expiry = ROTATED.saturating_add(HOUR * 2))
        .accepts(current, refresh(6), rotated(6));
    case("the generations are used up")
        .with(u32::MAX)
        .after(DAY)
        .row(|row| row.generation = u32::MAX)
        .accepts(current, Tokens::Access, as_seen);
}

#[test]
fn a_proof_is_sent_the_successor_of_the_previous_token_at_no_cost() {
    let spent = |row: &mut SessionRow| row.late_budget = ROTATED.saturating_add(DAY * 2);
    let previous = |case: Case| case.with(4).accepts(Some(TokenClass::Previous), refresh(5), no_more);
    previous(case("at once"));
    previous(case("exactly at the end of the grace").after(30 * SECOND));
    previous(case("even if the current one was seen").row(|row| row.confirmed = true));
    let paid = |row: &mut SessionRow, now: Timestamp| row.rotated_at = now;
    let overdue = |case: Case| case.with(4).accepts(Some(TokenClass::Overdue), refresh(5), paid);
    overdue(case("1 ms after the grace").after(30 * SECOND + MS));
    overdue(case("exactly at the end of the damping").after(60 * SECOND));
    overdue(case("no budget is left").after(31 * SECOND).row(spent));
    overdue(case("the strict policy").after(31 * SECOND).policy(RotationPolicy::strict()));
    let late = |case: Case| case.with(4).accepts(Some(TokenClass::Late), refresh(5), paid);
    late(case("1 ms after the damping").after(60 * SECOND + MS));
    late(case("with a full budget").after(HOUR));
    late(case("no budget is left").after(HOUR).row(spent));
    late(case("the strict policy, which has none").after(HOUR).policy(RotationPolicy::strict()));
    late(case("an unbounded budget").after(HOUR).policy(RotationPolicy::tolerant()));
    late(case("the first proof").after(HOUR).binding(SessionBinding::new(KEY)).counter(0));
}

#[test]
fn a_proof_with_a_token_that_is_worth_nothing_is_sent_an_access_token_alone() {
    let worthless = |class, case: Case| case.accepts(Some(class), Tokens::Access, no_more);
    let seen = |reason| case(reason).row(|row| row.confirmed = true);
    worthless(TokenClass::Overdue, seen("overdue, and the current one was seen").with(4).after(31 * SECOND));
    worthless(TokenClass::Reuse, seen("late, and the current one was seen").with(4).after(HOUR));
    worthless(TokenClass::Reuse, case("two behind").with(3));
    worthless(TokenClass::Reuse, case("far behind").with(0).after(HOUR));
    worthless(TokenClass::Impossible, case("two ahead").with(7));
    worthless(TokenClass::Impossible, case("far ahead").with(u32::MAX));
}

#[test]
fn a_proof_rolls_the_row_forward_to_a_token_ahead() {
    let rolled = |row: &mut SessionRow, now: Timestamp| {
        (row.generation, row.rotated_at, row.confirmed) = (6, now, true);
    };
    let ahead = |case: Case| case.with(6).accepts(Some(TokenClass::Ahead), Tokens::Access, rolled);
    ahead(case("at once"));
    ahead(case("long after the rotation before").after(DAY));
    ahead(case("the store lost the confirmation too").binding(SessionBinding::new(KEY)).counter(0));
}

#[test]
fn a_challenge_works_once() {
    let mut row = with(SessionBinding::new(KEY));
    for counter in 0..4 {
        for generation in [None, Some(row.generation)] {
            let proof = || {
                let mut case = case("again").counter(counter);
                (case.row, case.generation) = (Some(row.clone()), generation);
                case
            };
            let Proven::Accepted { write, .. } = proof().prove() else { panic!("{counter} is accepted") };
            let again = Case { row: Some((*write).clone()), ..proof() };
            check(&Proven::StaleChallenge, [again]);
            if generation.is_some() {
                row = *write;
            }
        }
    }
    assert_eq!(row.binding, Some(confirmed(4)));
}
