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
        case(TokenClass::Late, "1 ms after the grace it is late").presents(4).after(30 * SECOND + MS),
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
        case(TokenClass::Reuse, "and nothing after it")
            .policy(RotationPolicy::strict())
            .presents(4)
            .after(10 * SECOND + MS),
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
fn c6_the_previous_generation_is_late_after_the_grace_while_unconfirmed_and_in_budget() {
    let hours = |hours: u32| ROTATED.saturating_add(HOUR * hours);
    check([
        case(TokenClass::Late, "a laptop that slept for an hour").presents(4).after(HOUR),
        case(TokenClass::Late, "until the session expires").presents(4).after(DAY * 7 - MS),
        case(
            TokenClass::Reuse,
            "the current one was presented, so the client no longer has the previous one",
        )
        .row(|row| row.confirmed = true)
        .presents(4)
        .after(HOUR),
        case(TokenClass::Late, "one of two is spent: 12 h of 24 h")
            .row(|row| row.late_budget = hours(12 + 1))
            .presents(4)
            .at(hours(1)),
        case(TokenClass::Reuse, "1 ms more, and the second is not refilled")
            .row(|row| row.late_budget = hours(12 + 1).saturating_add(MS))
            .presents(4)
            .at(hours(1)),
        case(TokenClass::Reuse, "both are spent")
            .row(|row| row.late_budget = hours(24 + 1))
            .presents(4)
            .at(hours(1)),
        case(TokenClass::Late, "one is refilled 12 h later")
            .row(|row| row.late_budget = hours(24))
            .presents(4)
            .at(hours(12)),
        case(TokenClass::Reuse, "and not a moment earlier")
            .row(|row| row.late_budget = hours(24))
            .presents(4)
            .at(hours(12).saturating_sub(MS)),
        case(TokenClass::Reuse, "a budget spent until the largest time")
            .row(|row| row.late_budget = Timestamp::from_millis(u64::MAX))
            .presents(4)
            .after(HOUR),
        case(TokenClass::Reuse, "the strict policy has no budget")
            .policy(RotationPolicy::strict())
            .presents(4)
            .after(HOUR),
        case(TokenClass::Late, "the tolerant policy has an unbounded budget")
            .policy(RotationPolicy::tolerant())
            .row(|row| row.late_budget = Timestamp::from_millis(u64::MAX))
            .presents(4)
            .after(HOUR),
        case(TokenClass::Reuse, "but not after the current one was presented")
            .policy(RotationPolicy::tolerant())
            .row(|row| row.confirmed = true)
            .presents(4)
            .after(HOUR),
    ]);
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
        let class = if left { TokenClass::Late } else { TokenClass::Reuse };
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
    assert_eq!(class(5, now.saturating_add(HOUR)), TokenClass::Reuse);
}

#[test]
fn rolling_forward_never_goes_back() {
    let now = ROTATED.saturating_sub(HOUR);
    let restored = roll_forward(&row(), 3, now);
    assert_eq!(restored.generation, 5, "a generation that is behind does not count");
    assert_eq!(restored.rotated_at, ROTATED, "a clock that is behind does not count");
}

#[test]
fn exactly_current_previous_late_and_ahead_are_accepted() {
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
