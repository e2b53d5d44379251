//! The rules c0 to c10 of the first decision, with their boundaries.

use std::time::Duration;

use tower_refresh_core::{
    EndReason, Ended, LateBudget, RotationPolicy, SessionRow, Timestamp,
    rotation::{Attempt, TokenClass, classify, roll_forward},
};

use crate::support::{DAY, HOUR, MS, ROTATED, SECOND, row};

/// A generation presented to a row: by default 5 to generation 5, at the moment of the rotation, with the balanced
/// policy.
struct Case {
    reason: &'static str,
    class: TokenClass,
    row: Option<SessionRow>,
    denied: bool,
    presented: u32,
    now: Timestamp,
    policy: RotationPolicy,
}

fn case(class: TokenClass, reason: &'static str) -> Case {
    let policy = RotationPolicy::balanced();
    Case { reason, class, row: Some(row()), denied: false, presented: 5, now: ROTATED, policy }
}

impl Case {
    fn row(mut self, change: impl FnOnce(&mut SessionRow)) -> Self {
        self.row.as_mut().map(change);
        self
    }

    fn no_row(self) -> Self {
        Self { row: None, ..self }
    }

    fn denied(self) -> Self {
        Self { denied: true, ..self }
    }

    fn presents(self, presented: u32) -> Self {
        Self { presented, ..self }
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
}

fn check(cases: impl IntoIterator<Item = Case>) {
    for Case { reason, class, row, denied, presented, now, policy } in cases {
        let attempt = Attempt::new(row.as_ref(), presented, now).with_denied(denied);
        assert_eq!(classify(&attempt, &policy), class, "{reason}");
    }
}

fn ended(reason: EndReason) -> impl FnOnce(&mut SessionRow) {
    move |row| row.ended = Some(Ended::new(reason, ROTATED))
}

#[test]
fn c0_without_a_row_the_session_is_unknown() {
    check([
        case(TokenClass::Unknown, "never created, or purged").no_row(),
        case(TokenClass::Unknown, "the denylist does not create a row").no_row().denied(),
        case(TokenClass::Unknown, "at any generation").no_row().presents(u32::MAX),
    ]);
}

#[test]
fn c1_an_ended_or_denied_session_is_ended_whatever_is_presented() {
    for reason in EndReason::ALL {
        check([case(TokenClass::Ended, reason.as_str()).row(ended(reason))]);
    }
    check([
        case(TokenClass::Ended, "ended in the row, and denied").row(ended(EndReason::Logout)).denied(),
        case(TokenClass::Ended, "denied here, the row not yet ended").denied(),
        case(TokenClass::Ended, "a session that ended in the future, by another clock, has ended now")
            .row(|row| row.ended = Some(Ended::new(EndReason::Logout, ROTATED.saturating_add(DAY)))),
        case(TokenClass::Ended, "ended comes before expired").row(ended(EndReason::Logout)).after(DAY * 100),
        case(TokenClass::Ended, "ended comes before reuse").row(ended(EndReason::Reuse)).presents(0),
        case(TokenClass::Ended, "ended comes before previous").row(ended(EndReason::Logout)).presents(4),
        case(TokenClass::Ended, "ended comes before ahead").row(ended(EndReason::Logout)).presents(6),
        case(TokenClass::Ended, "denied comes before reuse").denied().presents(0),
    ]);
}

#[test]
fn c2_a_session_past_an_expiry_is_expired_whatever_is_presented() {
    check([
        case(TokenClass::Current, "1 ms before the idle expiry").after(DAY * 7 - MS),
        case(TokenClass::Expired, "the idle expiry itself is past").after(DAY * 7),
        case(TokenClass::Current, "1 ms before the absolute expiry")
            .row(|row| row.absolute_expiry = ROTATED.saturating_add(HOUR))
            .after(HOUR - MS),
        case(TokenClass::Expired, "the absolute expiry itself is past")
            .row(|row| row.absolute_expiry = ROTATED.saturating_add(HOUR))
            .after(HOUR),
        case(TokenClass::Expired, "expired comes before reuse: nothing is left to protect")
            .after(DAY * 7)
            .presents(0),
        case(TokenClass::Expired, "expired comes before previous").after(DAY * 7).presents(4),
        case(TokenClass::Expired, "expired comes before ahead").after(DAY * 7).presents(6),
        case(TokenClass::Expired, "at the largest time").at(Timestamp::from_millis(u64::MAX)),
        case(TokenClass::Expired, "a row that expires at the epoch was never live")
            .row(|row| row.idle_expiry = Timestamp::default())
            .at(Timestamp::default()),
    ]);
}

#[test]
fn c3_the_generation_of_the_row_is_current() {
    check([
        case(TokenClass::Current, "at once"),
        case(TokenClass::Current, "after the grace").after(31 * SECOND),
        case(TokenClass::Current, "after the damping").after(61 * SECOND),
        case(TokenClass::Current, "confirmed").row(|row| row.confirmed = true),
        case(TokenClass::Current, "with the late budget spent")
            .row(|row| row.late_budget = ROTATED.saturating_add(DAY)),
        case(TokenClass::Current, "generation 0").row(|row| row.generation = 0).presents(0),
        case(TokenClass::Current, "the last generation")
            .row(|row| row.generation = u32::MAX)
            .presents(u32::MAX),
        case(TokenClass::Current, "with a clock that is behind the one that rotated")
            .at(ROTATED.saturating_sub(HOUR)),
    ]);
}

#[test]
fn c4_the_previous_generation_is_accepted_within_the_grace() {
    check([
        case(TokenClass::Previous, "at once").presents(4),
        case(TokenClass::Previous, "exactly at the end of the grace").presents(4).after(30 * SECOND),
        case(TokenClass::Overdue, "1 ms after the grace it is overdue").presents(4).after(30 * SECOND + MS),
        case(TokenClass::Previous, "even if the current one was presented: a parallel request")
            .row(|row| row.confirmed = true)
            .presents(4),
        case(TokenClass::Previous, "whatever the late budget")
            .row(|row| row.late_budget = ROTATED.saturating_add(DAY))
            .presents(4),
        case(TokenClass::Previous, "the strict policy has a grace too")
            .policy(RotationPolicy::strict())
            .presents(4)
            .after(10 * SECOND),
        case(TokenClass::Previous, "a rotation in the future, by another clock, counts as just now")
            .presents(4)
            .at(ROTATED.saturating_sub(HOUR)),
        case(TokenClass::Previous, "a rotation at the largest time")
            .row(|row| row.rotated_at = Timestamp::from_millis(u64::MAX))
            .presents(4),
        case(TokenClass::Previous, "generation 0 before 1").row(|row| row.generation = 1).presents(0),
        case(TokenClass::Previous, "before the last generation")
            .row(|row| row.generation = u32::MAX)
            .presents(u32::MAX - 1),
    ]);
}

#[test]
fn c5_the_previous_generation_is_overdue_from_the_grace_to_the_damping() {
    let overdue = |reason| case(TokenClass::Overdue, reason).presents(4).after(60 * SECOND);
    check([
        overdue("1 ms after the grace").after(30 * SECOND + MS),
        overdue("exactly at the end of the damping"),
        overdue("even if the current one was presented: its request may have been sent before")
            .row(|row| row.confirmed = true),
        overdue("whatever the late budget").row(|row| row.late_budget = ROTATED.saturating_add(DAY)),
        overdue("the strict policy").policy(RotationPolicy::strict()),
        overdue("the strict policy, 1 ms after its grace")
            .policy(RotationPolicy::strict())
            .after(10 * SECOND + MS),
        overdue("generation 0 before 1").row(|row| row.generation = 1).presents(0),
        case(TokenClass::Late, "1 ms after the damping it is late").presents(4).after(60 * SECOND + MS),
        case(TokenClass::Reuse, "1 ms after the damping, if the current one was presented")
            .row(|row| row.confirmed = true)
            .presents(4)
            .after(60 * SECOND + MS),
        case(TokenClass::Reuse, "1 ms after the damping, the strict policy")
            .policy(RotationPolicy::strict())
            .presents(4)
            .after(60 * SECOND + MS),
        case(TokenClass::Reuse, "two behind is never overdue").presents(3).after(60 * SECOND),
    ]);
}

#[test]
fn c6_the_previous_generation_is_late_after_the_damping_while_unconfirmed_and_in_budget() {
    let hours = |hours: u32| ROTATED.saturating_add(HOUR * hours);
    let late = |reason| case(TokenClass::Late, reason).presents(4).after(HOUR);
    check([
        late("a laptop that slept for an hour"),
        late("until the session expires").after(DAY * 7 - MS),
        late("one of two is spent: 12 h of 24 h").row(|row| row.late_budget = hours(12 + 1)).at(hours(1)),
        late("one is refilled 12 h later").row(|row| row.late_budget = hours(24)).at(hours(12)),
        late("the tolerant policy has an unbounded budget")
            .policy(RotationPolicy::tolerant())
            .row(|row| row.late_budget = Timestamp::from_millis(u64::MAX)),
        late("budget counts before `end_when_spent`").policy(ending_when_spent(RotationPolicy::balanced())),
    ]);
}

/// The rows of c7: the previous generation, unconfirmed, and no budget left.
fn spent(class: TokenClass, change: impl Fn(RotationPolicy) -> RotationPolicy) -> [Case; 5] {
    let hours = |hours: u32| ROTATED.saturating_add(HOUR * hours);
    let spent =
        |reason| case(class, reason).presents(4).after(HOUR).policy(change(RotationPolicy::balanced()));
    let mut no_budget = RotationPolicy::balanced();
    no_budget.late = LateBudget::limited(0, HOUR);
    [
        spent("both are spent").row(|row| row.late_budget = hours(24 + 1)).at(hours(1)),
        spent("1 ms less than one is refilled")
            .row(|row| row.late_budget = hours(12 + 1).saturating_add(MS))
            .at(hours(1)),
        spent("and not a moment earlier")
            .row(|row| row.late_budget = hours(24))
            .at(hours(12).saturating_sub(MS)),
        spent("a budget spent until the largest time")
            .row(|row| row.late_budget = Timestamp::from_millis(u64::MAX)),
        spent("a budget of nothing").policy(change(no_budget)),
    ]
}

fn ending_when_spent(policy: RotationPolicy) -> RotationPolicy {
    let mut policy = policy;
    policy.end_when_spent = true;
    policy
}

#[test]
fn c7_without_budget_it_is_spent_while_unconfirmed_or_reuse_if_the_policy_says_so() {
    check(spent(TokenClass::Spent, |policy| policy));
    check(spent(TokenClass::Reuse, ending_when_spent));
    check([
        case(TokenClass::Reuse, "the strict policy has no budget, and says so")
            .policy(RotationPolicy::strict())
            .presents(4)
            .after(HOUR),
        case(TokenClass::Overdue, "not within the damping")
            .policy(ending_when_spent(RotationPolicy::balanced()))
            .row(|row| row.late_budget = ROTATED.saturating_add(DAY))
            .presents(4)
            .after(60 * SECOND),
    ]);
}

#[test]
fn c8_the_previous_generation_is_reuse_after_the_damping_once_the_current_one_was_presented() {
    for policy in [RotationPolicy::balanced(), RotationPolicy::strict(), RotationPolicy::tolerant()] {
        check([case(TokenClass::Reuse, "the client no longer has the previous one")
            .policy(policy)
            .row(|row| row.confirmed = true)
            .presents(4)
            .after(60 * SECOND + MS)]);
    }
}

#[test]
fn c8_older_generations_are_reuse_at_any_time() {
    check([
        case(TokenClass::Reuse, "two behind, at once").presents(3),
        case(TokenClass::Reuse, "two behind, with a clock that is behind")
            .presents(3)
            .at(ROTATED.saturating_sub(HOUR)),
        case(TokenClass::Reuse, "two behind, with an unbounded budget")
            .policy(RotationPolicy::tolerant())
            .presents(3),
        case(TokenClass::Reuse, "the first of five").presents(0),
        case(TokenClass::Reuse, "0 to 2").row(|row| row.generation = 2).presents(0),
        case(TokenClass::Reuse, "0 to the last").row(|row| row.generation = u32::MAX).presents(0),
        case(TokenClass::Reuse, "two before the last")
            .row(|row| row.generation = u32::MAX)
            .presents(u32::MAX - 2),
    ]);
}

#[test]
fn c9_one_generation_ahead_is_a_write_that_the_store_lost() {
    check([
        case(TokenClass::Ahead, "at once").presents(6),
        case(TokenClass::Ahead, "later").presents(6).after(DAY),
        case(TokenClass::Ahead, "1 to 0").row(|row| row.generation = 0).presents(1),
        case(TokenClass::Ahead, "the last generation")
            .row(|row| row.generation = u32::MAX - 1)
            .presents(u32::MAX),
    ]);
}

#[test]
fn c10_two_generations_ahead_are_impossible() {
    check([
        case(TokenClass::Impossible, "two ahead").presents(7),
        case(TokenClass::Impossible, "far ahead").presents(u32::MAX),
        case(TokenClass::Impossible, "2 to 0").row(|row| row.generation = 0).presents(2),
        case(TokenClass::Impossible, "the last to 0").row(|row| row.generation = 0).presents(u32::MAX),
    ]);
}

#[test]
fn a_full_budget_accepts_unless_its_burst_is_zero() {
    let mut policy = RotationPolicy::balanced();
    for (burst, left) in [(0, false), (1, true), (1000, true), (u32::MAX, true)] {
        policy.late = LateBudget::limited(burst, HOUR);
        let class = if left { TokenClass::Late } else { TokenClass::Spent };
        check([case(class, "a full budget").policy(policy.clone()).presents(4).after(HOUR)]);
    }
}

#[test]
fn rolling_forward_confirms_the_presented_generation_as_of_now() {
    let lost = row();
    let now = ROTATED.saturating_add(HOUR);
    let restored = roll_forward(&lost, 6, now);
    let mut expected = lost.clone();
    (expected.generation, expected.rotated_at, expected.confirmed) = (6, now, true);
    assert_eq!(
        restored, expected,
        "generation, time and confirmation change; the version changes with the swap"
    );

    let policy = RotationPolicy::balanced();
    let class = |presented, now| classify(&Attempt::new(Some(&restored), presented, now), &policy);
    assert_eq!(class(6, now), TokenClass::Current);
    assert_eq!(class(5, now), TokenClass::Previous, "a request that was under way");
    assert_eq!(class(5, now.saturating_add(60 * SECOND)), TokenClass::Overdue);
    assert_eq!(class(5, now.saturating_add(60 * SECOND + MS)), TokenClass::Reuse);
}

#[test]
fn rolling_forward_never_goes_back() {
    let now = ROTATED.saturating_sub(HOUR);
    let restored = roll_forward(&row(), 3, now);
    assert_eq!(restored.generation, 5, "a generation that is behind does not count");
    assert_eq!(restored.rotated_at, ROTATED, "a clock that is behind does not count");
}

#[test]
fn the_classes_that_authenticate_and_their_names_never_change() {
    for (class, name, is_accepted, is_accepted_from_elsewhere) in [
        (TokenClass::Unknown, "unknown", false, false),
        (TokenClass::Ended, "ended", false, false),
        (TokenClass::Expired, "expired", false, false),
        (TokenClass::Unproven, "unproven", false, false),
        (TokenClass::Current, "current", true, true),
        (TokenClass::Previous, "previous", true, true),
        (TokenClass::Overdue, "overdue", true, true),
        (TokenClass::Late, "late", true, false),
        (TokenClass::Spent, "spent", false, false),
        (TokenClass::Reuse, "reuse", false, false),
        (TokenClass::Ahead, "ahead", true, true),
        (TokenClass::Impossible, "impossible", false, false),
    ] {
        assert_eq!(class.as_str(), name);
        assert_eq!(class.is_accepted(), is_accepted, "{name}");
        assert_eq!(class.is_accepted_from_elsewhere(), is_accepted_from_elsewhere, "{name}");
    }
}
