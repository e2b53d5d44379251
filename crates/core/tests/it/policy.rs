//! Which policies are invalid, and why.

use std::time::Duration;

use tower_refresh_core::{LateBudget, PolicyError, RotationPolicy};

use crate::support::{MS, SECOND};

const TEN_YEARS: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

type Change = fn(&mut RotationPolicy);

fn check(error: Option<PolicyError>, changes: &[(&str, Change)]) {
    for (reason, change) in changes {
        let mut policy = RotationPolicy::balanced();
        change(&mut policy);
        assert_eq!(policy.validate().err(), error, "{reason}");
    }
}

#[test]
fn the_presets_are_valid_and_balanced_is_the_default() {
    for policy in [RotationPolicy::balanced(), RotationPolicy::strict(), RotationPolicy::tolerant()] {
        assert_eq!(policy.validate(), Ok(()), "{policy:?}");
    }
    assert_eq!(RotationPolicy::default(), RotationPolicy::balanced());
}

#[test]
fn the_presets_have_the_documented_values() {
    let balanced = RotationPolicy::balanced();
    assert_eq!(balanced.grace, 30 * SECOND);
    assert_eq!(balanced.damping, 60 * SECOND);
    assert_eq!(balanced.late, LateBudget::limited(2, 12 * 60 * 60 * SECOND));
    assert_eq!(balanced.access_lifetime, 600 * SECOND);
    assert_eq!(balanced.idle, 7 * 24 * 60 * 60 * SECOND);
    assert_eq!(balanced.absolute, 30 * 24 * 60 * 60 * SECOND);
    assert!(!balanced.end_when_spent);
    let mut strict = RotationPolicy::balanced();
    (strict.grace, strict.late) = (10 * SECOND, LateBudget::limited(0, 12 * 60 * 60 * SECOND));
    strict.end_when_spent = true;
    assert_eq!(RotationPolicy::strict(), strict);
    let mut tolerant = RotationPolicy::balanced();
    tolerant.late = LateBudget::Unbounded;
    assert_eq!(RotationPolicy::tolerant(), tolerant);
}

#[test]
fn values_at_the_limits_are_valid() {
    check(
        None,
        &[
            ("the shortest access lifetime", |policy| policy.access_lifetime = SECOND),
            ("the longest access lifetime", |policy| policy.access_lifetime = TEN_YEARS),
            ("the shortest absolute lifetime", |policy| policy.absolute = SECOND),
            ("the longest absolute lifetime", |policy| policy.absolute = TEN_YEARS),
            ("the shortest idle lifetime", |policy| policy.idle = SECOND),
            ("an idle lifetime beyond the absolute one", |policy| policy.idle = TEN_YEARS),
            ("no grace", |policy| (policy.grace, policy.damping) = (Duration::ZERO, 15 * SECOND)),
            ("the longest grace", |policy| (policy.grace, policy.damping) = (600 * SECOND, 615 * SECOND)),
            ("the shortest damping", |policy| policy.damping = 45 * SECOND),
            ("the longest damping", |policy| policy.damping = TEN_YEARS),
            ("no refresh ahead", |policy| policy.refresh_ahead = 0.0),
            ("nearly the whole lifetime", |policy| policy.refresh_ahead = 0.999),
            ("no late budget", |policy| policy.late = LateBudget::limited(0, SECOND)),
            ("the largest burst", |policy| policy.late = LateBudget::limited(1000, TEN_YEARS)),
        ],
    );
}

#[test]
fn lifetimes_outside_one_second_to_ten_years_are_invalid() {
    check(
        Some(PolicyError::AccessLifetime),
        &[
            ("zero", |policy| policy.access_lifetime = Duration::ZERO),
            ("too short", |policy| policy.access_lifetime = SECOND - MS),
            ("too long", |policy| policy.access_lifetime = TEN_YEARS + MS),
            ("endless", |policy| policy.access_lifetime = Duration::MAX),
        ],
    );
    check(
        Some(PolicyError::AbsoluteLifetime),
        &[
            ("zero", |policy| policy.absolute = Duration::ZERO),
            ("too short", |policy| policy.absolute = SECOND - MS),
            ("too long", |policy| policy.absolute = TEN_YEARS + MS),
            ("endless", |policy| policy.absolute = Duration::MAX),
        ],
    );
    check(
        Some(PolicyError::IdleLifetime),
        &[
            ("zero", |policy| policy.idle = Duration::ZERO),
            ("too short", |policy| policy.idle = SECOND - MS),
            ("too long", |policy| policy.idle = TEN_YEARS + MS),
            ("endless", |policy| policy.idle = Duration::MAX),
        ],
    );
}

#[test]
fn grace_and_damping_must_be_valid_in_combination() {
    check(
        Some(PolicyError::GraceTooLong),
        &[
            ("too long", |policy| (policy.grace, policy.damping) = (600 * SECOND + MS, TEN_YEARS)),
            ("endless, and nothing overflows", |policy| policy.grace = Duration::MAX),
        ],
    );
    check(
        Some(PolicyError::DampingTooShort),
        &[
            ("none", |policy| policy.damping = Duration::ZERO),
            ("as long as the grace", |policy| policy.damping = policy.grace),
            ("1 ms short", |policy| policy.damping = 45 * SECOND - MS),
            ("1 ms short without a grace", |policy| {
                (policy.grace, policy.damping) = (Duration::ZERO, 15 * SECOND - MS);
            }),
        ],
    );
    check(
        Some(PolicyError::DampingTooLong),
        &[
            ("too long", |policy| policy.damping = TEN_YEARS + MS),
            ("endless", |policy| policy.damping = Duration::MAX),
        ],
    );
}

#[test]
fn a_fraction_outside_zero_to_one_is_invalid() {
    check(
        Some(PolicyError::RefreshAhead),
        &[
            ("the whole lifetime", |policy| policy.refresh_ahead = 1.0),
            ("negative", |policy| policy.refresh_ahead = -0.1),
            ("not a number", |policy| policy.refresh_ahead = f64::NAN),
            ("infinite", |policy| policy.refresh_ahead = f64::INFINITY),
        ],
    );
}

#[test]
fn a_late_budget_must_refill_in_bounds_and_have_a_bounded_burst() {
    check(
        Some(PolicyError::LateRefill),
        &[
            ("at once", |policy| policy.late = LateBudget::limited(2, Duration::ZERO)),
            ("too soon", |policy| policy.late = LateBudget::limited(2, SECOND - MS)),
            ("too late", |policy| policy.late = LateBudget::limited(2, TEN_YEARS + MS)),
            ("never", |policy| policy.late = LateBudget::limited(0, Duration::MAX)),
        ],
    );
    check(
        Some(PolicyError::LateBurst),
        &[
            ("one too many", |policy| policy.late = LateBudget::limited(1001, SECOND)),
            ("all", |policy| policy.late = LateBudget::limited(u32::MAX, SECOND)),
        ],
    );
}

#[test]
fn every_error_has_a_message_of_its_own() {
    let errors = [
        PolicyError::AccessLifetime,
        PolicyError::AbsoluteLifetime,
        PolicyError::IdleLifetime,
        PolicyError::GraceTooLong,
        PolicyError::DampingTooShort,
        PolicyError::DampingTooLong,
        PolicyError::RefreshAhead,
        PolicyError::LateRefill,
        PolicyError::LateBurst,
    ];
    let mut texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), errors.len());
}
