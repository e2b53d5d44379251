//! Both decisions accept any row and any input, and agree with each other.

use std::time::Duration;

use proptest::prelude::*;
use tower_refresh_core::{
    EndReason, Ended, LateBudget, RotationPolicy, SessionHandle, SessionRow, Timestamp,
    rotation::{Attempt, Rule, TokenClass, Tokens, classify, commit, roll_forward},
};

use super::config;

pub(super) fn times() -> impl Strategy<Value = Timestamp> {
    let now = 1_700_000_000_000_u64;
    prop_oneof![
        3 => prop::sample::select(vec![0, 1, i64::MAX as u64, u64::MAX - 1, u64::MAX]),
        1 => any::<u64>(),
        4 => now - 100_000..now + 100_000,
        2 => now - 100_000_000..now + 100_000_000,
    ]
    .prop_map(Timestamp::from_millis)
}

pub(super) fn generations() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..4_u32, 2 => u32::MAX - 3..=u32::MAX, 1 => any::<u32>()]
}

fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..200_000_u64).prop_map(Duration::from_millis),
        any::<u64>().prop_map(Duration::from_millis),
    ]
}

/// Valid or not: a decision must not rely on the validation at build time.
pub(super) fn policies() -> impl Strategy<Value = RotationPolicy> {
    let budgets = prop_oneof![
        Just(LateBudget::Unbounded),
        (prop_oneof![0..4_u32, any::<u32>()], durations())
            .prop_map(|(burst, refill)| LateBudget::limited(burst, refill)),
    ];
    let times = (durations(), durations(), durations());
    (times, budgets, any::<bool>()).prop_map(|((grace, damping, idle), late, end_when_spent)| {
        let mut policy = RotationPolicy::balanced();
        (policy.grace, policy.damping, policy.idle) = (grace, damping, idle);
        (policy.late, policy.end_when_spent) = (late, end_when_spent);
        policy
    })
}

pub(super) fn rows() -> impl Strategy<Value = SessionRow> {
    let ended = prop::option::weighted(0.2, (0..EndReason::ALL.len(), times()))
        .prop_map(|ended| ended.map(|(reason, at)| Ended::new(EndReason::ALL[reason], at)));
    let moments = (times(), times(), times(), times(), times());
    (generations(), any::<bool>(), moments, ended, any::<u64>()).prop_map(
        |(generation, confirmed, (created_at, rotated_at, late_budget, idle, absolute), ended, version)| {
            let mut row = SessionRow::new(
                SessionHandle::from_bytes([9; 16]),
                "alice".into(),
                created_at,
                idle,
                absolute,
            );
            (row.generation, row.confirmed) = (generation, confirmed);
            (row.rotated_at, row.late_budget) = (rotated_at, late_budget);
            (row.ended, row.version) = (ended, version);
            row.data = b"data".to_vec();
            row
        },
    )
}

/// A generation near the row's, so that every rule is reached.
pub(super) fn presented(row: &SessionRow, offset: i64) -> u32 {
    row.generation.saturating_add_signed(offset as i32)
}

pub(super) fn classes() -> impl Strategy<Value = TokenClass> {
    prop::sample::select(vec![
        TokenClass::Unknown,
        TokenClass::Ended,
        TokenClass::Expired,
        TokenClass::Unproven,
        TokenClass::Current,
        TokenClass::Previous,
        TokenClass::Overdue,
        TokenClass::Late,
        TokenClass::Spent,
        TokenClass::Reuse,
        TokenClass::Ahead,
        TokenClass::Impossible,
    ])
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_row_and_any_input_get_an_answer(
        row in prop::option::weighted(0.95, rows()),
        denied in prop::bool::weighted(0.1),
        presented in generations(),
        class in classes(),
        now in times(),
        policy in policies(),
    ) {
        let _ = policy.validate();
        let attempt = Attempt::new(row.as_ref(), presented, now).with_denied(denied);
        let first = classify(&attempt, &policy);
        let decision = commit(&attempt, class, &policy);
        let is_live = !denied && row.as_ref().is_some_and(|row| row.is_live(now));
        prop_assert_eq!(
            matches!(first, TokenClass::Unknown | TokenClass::Ended | TokenClass::Expired), !is_live,
            "the first decision recognizes a session that is not live"
        );
        prop_assert_eq!(decision.rule == Rule::NotLive, !is_live, "and so does the second");
        if !is_live {
            prop_assert_eq!(decision.write, None);
            prop_assert_eq!(decision.send, Tokens::None);
        }
        if let Some(row) = row {
            roll_forward(&row, presented, now);
        }
    }

    #[test]
    fn a_write_changes_only_what_rotations_change(
        row in rows(),
        offset in -3..=3_i64,
        class in classes(),
        now in times(),
        policy in policies(),
    ) {
        let presented = presented(&row, offset);
        let decision = commit(&Attempt::new(Some(&row), presented, now), class, &policy);
        if let Some(write) = decision.write.clone() {
            let mut fixed = write.clone();
            fixed.generation = row.generation;
            fixed.rotated_at = row.rotated_at;
            fixed.confirmed = row.confirmed;
            fixed.late_budget = row.late_budget;
            fixed.idle_expiry = row.idle_expiry;
            prop_assert_eq!(&fixed, &row, "only what rotations change is changed, the version is not");
            prop_assert_ne!(&write, &row, "a write without a change would cost a round trip to the store");
            prop_assert!(write.generation >= row.generation && write.generation - row.generation <= 1);
            prop_assert!(write.rotated_at >= row.rotated_at);
            prop_assert!(write.rotated_at == row.rotated_at || decision.rule != Rule::Damped);
            prop_assert!(write.late_budget >= row.late_budget, "a budget is only spent");
            prop_assert!(write.idle_expiry <= write.absolute_expiry);
            prop_assert!(write.idle_expiry == row.idle_expiry || decision.rule == Rule::Rotate);
        }
        if let Tokens::AccessAndRefresh { generation } = decision.send {
            prop_assert_eq!(Some(generation), presented.checked_add(1), "p is answered with T(p+1)");
        }
        let upgrade = decision.clone().for_upgrade(class);
        let spends = decision.rule == Rule::Late && class == TokenClass::Late;
        prop_assert_eq!((upgrade.rule, upgrade.send), (decision.rule, Tokens::None));
        prop_assert_eq!(upgrade.write, decision.write.filter(|_| spends), "an upgrade spends late budget alone");
    }

    #[test]
    fn at_the_same_time_the_second_decision_agrees_with_the_first(
        row in rows(),
        offset in -3..=3_i64,
        now in times(),
        policy in policies(),
    ) {
        let presented = presented(&row, offset);
        let attempt = Attempt::new(Some(&row), presented, now);
        let class = classify(&attempt, &policy);
        let rule = commit(&attempt, class, &policy).rule;
        prop_assert!(
            match class {
                TokenClass::Unknown | TokenClass::Ended | TokenClass::Expired => rule == Rule::NotLive,
                TokenClass::Current => matches!(rule, Rule::Rotate | Rule::Damped),
                TokenClass::Previous => rule == Rule::Redeliver,
                TokenClass::Overdue => matches!(rule, Rule::Late | Rule::Overtaken),
                TokenClass::Late => rule == Rule::Late,
                TokenClass::Spent | TokenClass::Reuse | TokenClass::Ahead | TokenClass::Impossible => rule == Rule::Overtaken,
                _ => false,
            },
            "{:?} became {:?}", class, rule
        );
        if class == TokenClass::Ahead {
            let restored = roll_forward(&row, presented, now);
            let attempt = Attempt::new(Some(&restored), presented, now);
            prop_assert_eq!(classify(&attempt, &policy), TokenClass::Current);
        }
    }

    #[test]
    fn a_decision_does_not_depend_on_subject_data_or_version(
        row in rows(),
        offset in -3..=3_i64,
        now in times(),
        policy in policies(),
    ) {
        let presented = presented(&row, offset);
        let mut other = row.clone();
        (other.subject, other.data, other.version) = ("bob".into(), Vec::new(), row.version.wrapping_add(1));
        let [attempt, other] = [&row, &other].map(|row| Attempt::new(Some(row), presented, now));
        let class = classify(&attempt, &policy);
        prop_assert_eq!(class, classify(&other, &policy));
        prop_assert_eq!(commit(&attempt, class, &policy).rule, commit(&other, class, &policy).rule);
    }
}
