//! c0 to c9 of the first decision, with their boundaries.

mod support;

use std::time::Duration;

use support::{DAY, HOUR, MS, ROTATED, SECOND, row};
use tower_refresh_core::{
    EndReason, Ended, LateBudget, RotationPolicy, SessionRow, Timestamp,
    rotation::{TokenClass, classify, roll_forward},
};

/// A generation presented to a row: by default 5 to generation 5, at the moment of the rotation, by the balanced
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
        assert_eq!(classify(row.as_ref(), denied, presented, now, &policy), class, "{reason}");
    }
}

fn ended(reason: EndReason) -> impl FnOnce(&mut SessionRow) {
    move |row| row.ended = Some(Ended::new(reason, ROTATED))
}

#[test]
fn c0_without_a_row_the_session_is_unknown() {
    check([
        case(TokenClass::Unknown, "never created, or purged").no_row(),
        case(TokenClass::Unknown, "the denylist does not invent a row").no_row().denied(),
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
        case(TokenClass::Ended, "denied here, not yet seen in the row").denied(),
        case(TokenClass::Ended, "an end that another clock puts in the future counts at once")
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
        case(TokenClass::Expired, "at the end of time").at(Timestamp::from_millis(u64::MAX)),
        case(TokenClass::Expired, "a row that expires at the epoch was never live")
            .row(|row| row.idle_expiry = Timestamp::default())
            .at(Timestamp::default()),
    ]);
}

#[test]
fn c3_the_newest_generation_is_current() {
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
        case(TokenClass::Current, "by a clock that runs behind the one that rotated")
            .at(ROTATED.saturating_sub(HOUR)),
    ]);
}

#[test]
fn c4_the_generation_before_is_good_within_the_grace() {
    check([
        case(TokenClass::Previous, "at once").presents(4),
        case(TokenClass::Previous, "exactly at the end of the grace").presents(4).after(30 * SECOND),
        case(TokenClass::Late, "1 ms after the grace it is late").presents(4).after(30 * SECOND + MS),
        case(TokenClass::Previous, "even when the newest was seen: a parallel request")
            .row(|row| row.confirmed = true)
            .presents(4),
        case(TokenClass::Previous, "whatever the late budget")
            .row(|row| row.late_budget = ROTATED.saturating_add(DAY))
            .presents(4),
        case(TokenClass::Previous, "the strict policy has a grace too")
            .policy(RotationPolicy::strict())
            .presents(4)
            .after(10 * SECOND),
        case(TokenClass::Reuse, "and nothing after it")
            .policy(RotationPolicy::strict())
            .presents(4)
            .after(10 * SECOND + MS),
        case(TokenClass::Previous, "a rotation in the future, by another clock, was just now")
            .presents(4)
            .at(ROTATED.saturating_sub(HOUR)),
        case(TokenClass::Previous, "a rotation at the end of time")
            .row(|row| row.rotated_at = Timestamp::from_millis(u64::MAX))
            .presents(4),
        case(TokenClass::Previous, "generation 0 before 1").row(|row| row.generation = 1).presents(0),
        case(TokenClass::Previous, "before the last generation")
            .row(|row| row.generation = u32::MAX)
            .presents(u32::MAX - 1),
    ]);
}

#[test]
fn c5_the_generation_before_is_late_after_the_grace_while_unconfirmed_and_in_budget() {
    let hours = |hours: u32| ROTATED.saturating_add(HOUR * hours);
    check([
        case(TokenClass::Late, "a laptop that slept for an hour").presents(4).after(HOUR),
        case(TokenClass::Late, "until the session expires").presents(4).after(DAY * 7 - MS),
        case(TokenClass::Reuse, "the newest was seen, so the one before should be gone")
            .row(|row| row.confirmed = true)
            .presents(4)
            .after(HOUR),
        case(TokenClass::Late, "one of two is spent: 12 h of 24 h")
            .row(|row| row.late_budget = hours(12 + 1))
            .presents(4)
            .at(hours(1)),
        case(TokenClass::Reuse, "1 ms more, and the second has not come back")
            .row(|row| row.late_budget = hours(12 + 1).saturating_add(MS))
            .presents(4)
            .at(hours(1)),
        case(TokenClass::Reuse, "both are spent")
            .row(|row| row.late_budget = hours(24 + 1))
            .presents(4)
            .at(hours(1)),
        case(TokenClass::Late, "one came back 12 h later")
            .row(|row| row.late_budget = hours(24))
            .presents(4)
            .at(hours(12)),
        case(TokenClass::Reuse, "and not a moment earlier")
            .row(|row| row.late_budget = hours(24))
            .presents(4)
            .at(hours(12).saturating_sub(MS)),
        case(TokenClass::Reuse, "a budget spent until the end of time")
            .row(|row| row.late_budget = Timestamp::from_millis(u64::MAX))
            .presents(4)
            .after(HOUR),
        case(TokenClass::Reuse, "the strict policy has no budget")
            .policy(RotationPolicy::strict())
            .presents(4)
            .after(HOUR),
        case(TokenClass::Late, "the tolerant policy has any")
            .policy(RotationPolicy::tolerant())
            .row(|row| row.late_budget = Timestamp::from_millis(u64::MAX))
            .presents(4)
            .after(HOUR),
        case(TokenClass::Reuse, "but not once the newest was seen")
            .policy(RotationPolicy::tolerant())
            .row(|row| row.confirmed = true)
            .presents(4)
            .after(HOUR),
    ]);
}

#[test]
fn c6_older_generations_are_reuse_at_any_time() {
    check([
        case(TokenClass::Reuse, "two behind, at once").presents(3),
        case(TokenClass::Reuse, "two behind, by a clock that runs behind")
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
fn c8_one_generation_ahead_is_a_write_that_the_store_lost() {
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
fn c9_two_generations_ahead_are_impossible() {
    check([
        case(TokenClass::Impossible, "two ahead").presents(7),
        case(TokenClass::Impossible, "far ahead").presents(u32::MAX),
        case(TokenClass::Impossible, "2 to 0").row(|row| row.generation = 0).presents(2),
        case(TokenClass::Impossible, "the last to 0").row(|row| row.generation = 0).presents(u32::MAX),
    ]);
}

#[test]
fn a_limited_budget_admits_as_many_as_its_burst_and_then_one_a_refill() {
    let mut policy = RotationPolicy::balanced();
    for (burst, left) in [(0, false), (1, true), (1000, true), (u32::MAX, true)] {
        policy.late = LateBudget::limited(burst, HOUR);
        let class = if left { TokenClass::Late } else { TokenClass::Reuse };
        check([case(class, "a full budget").policy(policy.clone()).presents(4).after(HOUR)]);
    }
}

#[test]
fn rolling_forward_confirms_the_presented_generation_as_of_now() {
    let lost = row();
    let now = ROTATED.saturating_add(HOUR);
    let mended = roll_forward(&lost, 6, now);
    let mut expected = lost.clone();
    (expected.generation, expected.rotated_at, expected.confirmed) = (6, now, true);
    assert_eq!(
        mended, expected,
        "generation, time and confirmation move, the version is for the swap to count"
    );

    let policy = RotationPolicy::balanced();
    assert_eq!(classify(Some(&mended), false, 6, now, &policy), TokenClass::Current);
    assert_eq!(
        classify(Some(&mended), false, 5, now, &policy),
        TokenClass::Previous,
        "a request that was on its way"
    );
    assert_eq!(classify(Some(&mended), false, 5, now.saturating_add(HOUR), &policy), TokenClass::Reuse);
}

#[test]
fn rolling_forward_takes_nothing_back() {
    let now = ROTATED.saturating_sub(HOUR);
    let mended = roll_forward(&row(), 3, now);
    assert_eq!(mended.generation, 5, "a generation that is behind does not count");
    assert_eq!(mended.rotated_at, ROTATED, "a clock that is behind does not count");
}

#[test]
fn accepted_are_exactly_current_previous_late_and_ahead() {
    for class in [TokenClass::Current, TokenClass::Previous, TokenClass::Late, TokenClass::Ahead] {
        assert!(class.is_accepted(), "{}", class.as_str());
    }
    for class in [
        TokenClass::Unknown,
        TokenClass::Ended,
        TokenClass::Expired,
        TokenClass::Reuse,
        TokenClass::Impossible,
    ] {
        assert!(!class.is_accepted(), "{}", class.as_str());
    }
}

#[test]
fn the_names_of_classes_never_change() {
    for (class, name, is_accepted) in [
        (TokenClass::Unknown, "unknown", false),
        (TokenClass::Ended, "ended", false),
        (TokenClass::Expired, "expired", false),
        (TokenClass::Current, "current", true),
        (TokenClass::Previous, "previous", true),
        (TokenClass::Late, "late", true),
        (TokenClass::Reuse, "reuse", false),
        (TokenClass::Ahead, "ahead", true),
        (TokenClass::Impossible, "impossible", false),
    ] {
        assert_eq!((class.as_str(), class.is_accepted()), (name, is_accepted));
    }
}
