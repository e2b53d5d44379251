//! The rules r1 to r6 of the second decision, with their boundaries.

use std::time::Duration;

use tower_refresh_core::{
    EndReason, Ended, RotationPolicy, SessionRow, Timestamp,
    rotation::{Attempt, Decision, Rule, TokenClass, Tokens, commit},
};

use crate::support::{DAY, HOUR, MS, ROTATED, SECOND, row};

/// A generation presented to a row: by default 5 to generation 5, at the moment of the rotation, with the balanced
/// policy. No write is expected.
struct Case {
    reason: &'static str,
    rule: Rule,
    send: Tokens,
    write: Option<SessionRow>,
    row: Option<SessionRow>,
    denied: bool,
    presented: u32,
    class: TokenClass,
    now: Timestamp,
    policy: RotationPolicy,
}

fn case(rule: Rule, send: Tokens, reason: &'static str) -> Case {
    Case {
        reason,
        rule,
        send,
        write: None,
        row: Some(row()),
        denied: false,
        presented: 5,
        class: TokenClass::Current,
        now: ROTATED,
        policy: RotationPolicy::balanced(),
    }
}

fn refresh(generation: u32) -> Tokens {
    Tokens::AccessAndRefresh { generation }
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

    fn presents(self, presented: u32, class: TokenClass) -> Self {
        Self { presented, class, ..self }
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

    /// Expects the row to be written with `change`; call it last.
    fn writes(self, change: impl FnOnce(&mut SessionRow, Timestamp)) -> Self {
        let mut write = self.row.clone();
        if let Some(row) = &mut write {
            change(row, self.now);
        }
        Self { write, ..self }
    }
}

fn check(cases: impl IntoIterator<Item = Case>) {
    for case in cases {
        let attempt = Attempt::new(case.row.as_ref(), case.presented, case.now).with_denied(case.denied);
        let Decision { rule, write, send, .. } = commit(&attempt, case.class, &case.policy);
        assert_eq!((rule, send), (case.rule, case.send), "{}", case.reason);
        assert_eq!(write, case.write, "{}", case.reason);
    }
}

#[test]
fn r1_a_session_that_is_not_live_sends_nothing() {
    let dead = |reason| case(Rule::NotLive, Tokens::None, reason);
    check([
        dead("no row").no_row(),
        dead("denied").denied(),
        dead("denied, the previous generation").denied().presents(4, TokenClass::Previous),
        dead("ended while the handler ran")
            .row(|row| row.ended = Some(Ended::new(EndReason::Logout, ROTATED)))
            .after(HOUR),
        dead("ended, by a clock that is ahead")
            .row(|row| row.ended = Some(Ended::new(EndReason::Logout, ROTATED.saturating_add(DAY)))),
        dead("ended, and presented late")
            .row(|row| row.ended = Some(Ended::new(EndReason::Reuse, ROTATED)))
            .presents(4, TokenClass::Late)
            .after(HOUR),
        dead("expired idle while the handler ran").after(DAY * 7),
        dead("expired absolutely while the handler ran")
            .row(|row| row.absolute_expiry = ROTATED.saturating_add(HOUR))
            .after(HOUR),
    ]);
}

#[test]
fn r2_the_current_generation_is_not_rotated_within_the_damping() {
    let confirmation = |row: &mut SessionRow, _: Timestamp| row.confirmed = true;
    let damped = |reason| case(Rule::Damped, Tokens::Access, reason);
    check([
        damped("at once, and it is confirmed").writes(confirmation),
        damped("exactly at the end of the damping").after(60 * SECOND).writes(confirmation),
        damped("confirmed already: no write").row(|row| row.confirmed = true),
        damped("the rotation lies in the future, by another clock")
            .row(|row| row.confirmed = true)
            .at(ROTATED.saturating_sub(HOUR)),
        damped("the generations are used up")
            .row(|row| (row.generation, row.confirmed) = (u32::MAX, true))
            .presents(u32::MAX, TokenClass::Current)
            .after(DAY),
        damped("the generations are used up, and the last is confirmed")
            .row(|row| row.generation = u32::MAX)
            .presents(u32::MAX, TokenClass::Current)
            .after(DAY)
            .writes(confirmation),
        damped("rolled forward in this very request")
            .row(|row| row.confirmed = true)
            .presents(5, TokenClass::Ahead),
        damped("confirmed with a clock that is behind").at(ROTATED.saturating_sub(HOUR)).writes(confirmation),
        damped("a login within this minute is not rotated")
            .row(|row| row.generation = 0)
            .presents(0, TokenClass::Current)
            .writes(confirmation),
    ]);
}

#[test]
fn r3_the_current_generation_is_rotated_after_the_damping() {
    let rotation = |next| {
        move |row: &mut SessionRow, now: Timestamp| {
            (row.generation, row.rotated_at, row.confirmed) = (next, now, false);
            row.idle_expiry = now.saturating_add(DAY * 7).min(row.absolute_expiry);
        }
    };
    let rotate = |next, reason| case(Rule::Rotate, refresh(next), reason);
    check([
        rotate(6, "1 ms after the damping").after(60 * SECOND + MS).writes(rotation(6)),
        rotate(6, "an hour later").after(HOUR).writes(rotation(6)),
        rotate(6, "a confirmed row becomes unconfirmed")
            .row(|row| row.confirmed = true)
            .after(HOUR)
            .writes(rotation(6)),
        rotate(6, "1 ms before it would have expired").after(DAY * 7 - MS).writes(rotation(6)),
        rotate(6, "the idle expiry stops at the absolute one")
            .row(|row| row.absolute_expiry = ROTATED.saturating_add(HOUR * 2))
            .after(HOUR)
            .writes(|row, now| {
                (row.generation, row.rotated_at) = (6, now);
                row.idle_expiry = row.absolute_expiry;
            }),
        rotate(1, "the first rotation")
            .row(|row| row.generation = 0)
            .presents(0, TokenClass::Current)
            .after(HOUR)
            .writes(rotation(1)),
        rotate(u32::MAX, "the last rotation")
            .row(|row| row.generation = u32::MAX - 1)
            .presents(u32::MAX - 1, TokenClass::Current)
            .after(HOUR)
            .writes(rotation(u32::MAX)),
        rotate(6, "the late budget stays")
            .row(|row| row.late_budget = ROTATED.saturating_add(DAY))
            .after(HOUR)
            .writes(rotation(6)),
    ]);
}

#[test]
fn r4_the_previous_generation_receives_the_successor_that_exists() {
    let redeliver = |reason| case(Rule::Redeliver, refresh(5), reason).presents(4, TokenClass::Previous);
    check([
        redeliver("at once"),
        redeliver("exactly at the end of the grace").after(30 * SECOND),
        redeliver("even if the successor was presented").row(|row| row.confirmed = true),
        redeliver("it was current when the request arrived: another request rotated")
            .presents(4, TokenClass::Current),
        redeliver("it was late when the request arrived: another request spent the budget")
            .presents(4, TokenClass::Late)
            .after(30 * SECOND),
        redeliver("a rotation in the future, by another clock, counts as just now")
            .at(ROTATED.saturating_sub(HOUR)),
        redeliver("the strict policy").policy(RotationPolicy::strict()).after(10 * SECOND),
        case(Rule::Redeliver, refresh(u32::MAX), "the last generation")
            .row(|row| row.generation = u32::MAX)
            .presents(u32::MAX - 1, TokenClass::Previous),
    ]);
}

#[test]
fn r5_an_overdue_or_late_generation_receives_the_successor_and_spends_budget() {
    let spent = |until: Timestamp| {
        move |row: &mut SessionRow, now: Timestamp| (row.late_budget, row.rotated_at) = (until, now)
    };
    let hours = |hours: u32| ROTATED.saturating_add(HOUR * hours);
    let late = |reason| case(Rule::Late, refresh(5), reason).presents(4, TokenClass::Late);
    check([
        late("1 ms after the grace")
            .after(30 * SECOND + MS)
            .writes(spent(hours(12).saturating_add(30 * SECOND + MS))),
        late("the first of a full budget").at(hours(1)).writes(spent(hours(13))),
        late("the second").row(|row| row.late_budget = hours(13)).at(hours(1)).writes(spent(hours(25))),
        late("a budget that was full long ago")
            .row(|row| row.late_budget = ROTATED.saturating_sub(DAY))
            .at(hours(1))
            .writes(spent(hours(13))),
        late("overdue when it arrived")
            .presents(4, TokenClass::Overdue)
            .after(30 * SECOND + MS)
            .writes(spent(hours(12).saturating_add(30 * SECOND + MS))),
        late("overdue when it arrived, and slower than the damping")
            .presents(4, TokenClass::Overdue)
            .at(hours(1))
            .writes(spent(hours(13))),
        late("the policy ends sessions only when no budget is left")
            .policy(ending_when_spent())
            .at(hours(1))
            .writes(spent(hours(13))),
        late("an unbounded budget is never spent")
            .policy(RotationPolicy::tolerant())
            .at(hours(1))
            .writes(|row, now| row.rotated_at = now),
    ]);
}

#[test]
fn r6_an_overtaken_request_is_sent_nothing() {
    let overtaken = |reason| case(Rule::Overtaken, Tokens::None, reason);
    let hours = |hours: u32| ROTATED.saturating_add(HOUR * hours);
    check([
        overtaken("late, and the successor was presented while the handler ran")
            .row(|row| row.confirmed = true)
            .presents(4, TokenClass::Late)
            .after(HOUR),
        overtaken("overdue, and the successor was presented")
            .row(|row| row.confirmed = true)
            .presents(4, TokenClass::Overdue)
            .after(31 * SECOND),
        overtaken("overdue, and no budget is left")
            .row(|row| row.late_budget = hours(24))
            .presents(4, TokenClass::Overdue)
            .after(31 * SECOND),
        overtaken("overdue, and the strict policy has no budget")
            .policy(RotationPolicy::strict())
            .presents(4, TokenClass::Overdue)
            .after(11 * SECOND),
        overtaken("late, and another request spent the last of the budget long ago")
            .row(|row| row.late_budget = hours(24))
            .presents(4, TokenClass::Late)
            .at(hours(1)),
        overtaken("the strict policy has no budget")
            .policy(RotationPolicy::strict())
            .presents(4, TokenClass::Late)
            .after(HOUR),
        overtaken("previous when it arrived, and slow: nothing was lost, so no budget is spent")
            .presents(4, TokenClass::Previous)
            .after(30 * SECOND + MS),
        overtaken("current when it arrived, and slower than the rotation and grace of another request")
            .presents(4, TokenClass::Current)
            .after(HOUR),
        overtaken("two behind").presents(3, TokenClass::Current).after(HOUR),
        overtaken("two behind, within the grace").presents(3, TokenClass::Previous),
        overtaken("ahead of a row that lost a write").presents(6, TokenClass::Ahead),
        overtaken("far ahead").presents(u32::MAX, TokenClass::Impossible),
        overtaken("far behind").row(|row| row.generation = u32::MAX).presents(0, TokenClass::Reuse),
    ]);
}

fn ending_when_spent() -> RotationPolicy {
    let mut policy = RotationPolicy::balanced();
    policy.end_when_spent = true;
    policy
}

/// What an upgrade takes from the decision for a generation presented to a row.
fn for_upgrade(row: &SessionRow, presented: u32, class: TokenClass, after: Duration) -> Decision {
    let attempt = Attempt::new(Some(row), presented, ROTATED.saturating_add(after));
    let decision = commit(&attempt, class, &RotationPolicy::balanced());
    let upgrade = decision.clone().for_upgrade(class);
    assert_eq!(upgrade.rule, decision.rule);
    assert!(upgrade.write.is_none() || upgrade.write == decision.write);
    upgrade
}

#[test]
fn an_upgrade_spends_the_budget_of_a_late_generation_and_sends_nothing() {
    let upgrade = for_upgrade(&row(), 4, TokenClass::Late, HOUR);
    let mut spent = row();
    spent.rotated_at = ROTATED.saturating_add(HOUR);
    spent.late_budget = ROTATED.saturating_add(HOUR * 13);
    assert_eq!((upgrade.rule, upgrade.send, upgrade.write), (Rule::Late, Tokens::None, Some(spent)));
}

#[test]
fn an_upgrade_writes_and_sends_nothing_else() {
    let confirmed = |row: &mut SessionRow| row.confirmed = true;
    for (reason, presented, class, after, change) in [
        ("no confirmation", 5, TokenClass::Current, SECOND, None),
        ("no rotation", 5, TokenClass::Current, HOUR, None),
        ("no successor", 4, TokenClass::Previous, SECOND, None),
        ("an overdue generation is accepted for nothing", 4, TokenClass::Overdue, 31 * SECOND, None),
        ("overdue when it arrived, and slow", 4, TokenClass::Overdue, HOUR, None),
        ("late when it arrived, and meanwhile paid for", 4, TokenClass::Late, SECOND, None),
        ("late when it arrived, and meanwhile overtaken", 4, TokenClass::Late, HOUR, Some(confirmed)),
        ("expired meanwhile", 4, TokenClass::Late, DAY * 7, None),
    ] {
        let mut row = row();
        if let Some(change) = change {
            change(&mut row);
        }
        let upgrade = for_upgrade(&row, presented, class, after);
        assert_eq!((upgrade.send, upgrade.write), (Tokens::None, None), "{reason}");
    }
}

#[test]
fn r3_moves_the_idle_expiry_by_the_lifetime_of_the_row_or_else_of_the_policy() {
    let (policy, now) = (RotationPolicy::balanced(), ROTATED.saturating_add(HOUR));
    for (own, lifetime) in [(Some(DAY * 2), DAY * 2), (Some(DAY * 20), DAY * 20), (None, policy.idle)] {
        let mut row = row();
        row.idle = own;
        let decision = commit(&Attempt::new(Some(&row), 5, now), TokenClass::Current, &policy);
        let write = decision.write.expect("it rotates");
        assert_eq!(write.idle_expiry, now.saturating_add(lifetime), "{own:?}");
        assert_eq!(write.idle, own, "{own:?}");
        assert_eq!(write.version, row.version, "the store compares the version that was loaded");
    }
    let mut row = row();
    row.idle = Some(DAY * 400);
    let decision = commit(&Attempt::new(Some(&row), 5, now), TokenClass::Current, &policy);
    assert_eq!(decision.write.map(|row| row.idle_expiry), Some(row.absolute_expiry), "no later than that");
}
