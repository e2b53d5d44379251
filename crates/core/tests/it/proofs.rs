//! Whether a refresh token is enough, or a proof of the device is required: both decisions for every state of the binding.

use std::time::Duration;

use tower_refresh_core::{
    EndReason, Ended, RotationPolicy, SessionBinding, SessionRow, Timestamp,
    rotation::{Attempt, Decision, DeviceProof, Rule, TokenClass, Tokens, classify, commit},
};

use crate::support::{DAY, HOUR, KEY, MS, ROTATED, SECOND, confirmed, row, with_binding};

const PROOFS: [DeviceProof; 3] = [DeviceProof::NotRequired, DeviceProof::Missing, DeviceProof::Given];

/// Every state of a binding, and whether it requires proofs.
fn bindings() -> [(Option<SessionBinding>, bool, &'static str); 6] {
    [
        (None, false, "no binding"),
        (Some(SessionBinding::new(KEY)), false, "not confirmed"),
        (Some(confirmed(1)), true, "confirmed"),
        (Some(confirmed(u32::MAX)), true, "confirmed, and the counter at its end"),
        (Some(SessionBinding::from_bytes(*b"\x02\0\0\0\0\0key")), true, "of another version"),
        (Some(SessionBinding::from_bytes(*b"")), true, "empty"),
    ]
}

/// A generation that is presented after a time, the row, and the class without a binding: every class of a live session.
fn presented() -> [(u32, Duration, SessionRow, TokenClass); 10] {
    let (mut seen, mut spent) = (row(), row());
    seen.confirmed = true;
    spent.late_budget = ROTATED.saturating_add(DAY * 2);
    [
        (5, SECOND, row(), TokenClass::Current),
        (5, HOUR, row(), TokenClass::Current),
        (4, SECOND, row(), TokenClass::Previous),
        (4, SECOND * 31, row(), TokenClass::Overdue),
        (4, HOUR, row(), TokenClass::Late),
        (4, HOUR, spent, TokenClass::Spent),
        (4, HOUR, seen, TokenClass::Reuse),
        (3, SECOND, row(), TokenClass::Reuse),
        (6, SECOND, row(), TokenClass::Ahead),
        (7, SECOND, row(), TokenClass::Impossible),
    ]
}

fn attempt(row: &SessionRow, presented: u32, now: Timestamp, proof: DeviceProof) -> Attempt<'_> {
    Attempt::new(Some(row), presented, now).with_proof(proof)
}

#[test]
fn a_token_alone_is_unproven_in_a_confirmed_binding_whatever_its_generation() {
    let policy = RotationPolicy::balanced();
    for (generation, after, unbound, class) in presented() {
        for (binding, is_required, reason) in bindings() {
            for proof in PROOFS {
                let row = with_binding(&unbound, binding.clone());
                let now = ROTATED.saturating_add(after);
                let expected = match (proof, class) {
                    (DeviceProof::Missing, _) if is_required => TokenClass::Unproven,
                    (DeviceProof::Given, TokenClass::Spent) => TokenClass::Late,
                    _ => class,
                };
                let found = classify(&attempt(&row, generation, now, proof), &policy);
                assert_eq!(found, expected, "{class:?}, {proof:?}, {reason}");
            }
        }
    }
}

#[test]
fn a_token_alone_is_sent_nothing_in_a_confirmed_binding_even_if_it_was_accepted_on_arrival() {
    let policy = RotationPolicy::balanced();
    for (generation, after, unbound, class) in presented() {
        for (binding, is_required, reason) in bindings() {
            let now = ROTATED.saturating_add(after);
            let not_required = attempt(&unbound, generation, now, DeviceProof::NotRequired);
            let without = commit(&not_required, class, &policy);
            let row = with_binding(&unbound, binding.clone());
            let found = commit(&attempt(&row, generation, now, DeviceProof::Missing), class, &policy);
            if is_required {
                let Decision { rule, write, send, .. } = found;
                let expected = (Rule::Overtaken, None, Tokens::None);
                assert_eq!((rule, write, send), expected, "{class:?}, {reason}");
            } else {
                let written = without.write.map(|write| with_binding(&write, binding));
                assert_eq!((found.rule, found.send), (without.rule, without.send), "{class:?}, {reason}");
                assert_eq!(found.write, written, "{class:?}, {reason}");
            }
        }
    }
}

#[test]
fn a_proof_makes_a_late_token_free_and_changes_no_other_decision() {
    let policies = [RotationPolicy::balanced(), RotationPolicy::strict(), RotationPolicy::tolerant()];
    for policy in &policies {
        for (generation, after, unbound, class) in presented() {
            let row = with_binding(&unbound, Some(confirmed(1)));
            let now = ROTATED.saturating_add(after);
            let [alone, proven] = [DeviceProof::NotRequired, DeviceProof::Given]
                .map(|proof| attempt(&row, generation, now, proof));
            let classes = [alone, proven].map(|attempt| classify(&attempt, policy));
            let is_late = class != TokenClass::Overdue && generation == 4 && after == HOUR && !row.confirmed;
            let expected = if is_late { TokenClass::Late } else { classes[0] };
            assert_eq!(classes[1], expected, "{class:?}");
            let decision = commit(&proven, classes[1], policy);
            if matches!(classes[1], TokenClass::Late | TokenClass::Overdue) {
                let mut written = row.clone();
                written.rotated_at = now;
                let send = Tokens::AccessAndRefresh { generation: 5 };
                assert_eq!((decision.rule, decision.send), (Rule::Late, send), "{class:?}");
                assert_eq!(decision.write, Some(written), "no budget is spent: {class:?}");
            } else {
                assert_eq!(decision, commit(&alone, classes[1], policy), "{class:?}");
            }
        }
    }
}

#[test]
fn a_session_that_is_not_live_is_reported_as_such_before_a_proof_is_missed() {
    let policy = RotationPolicy::balanced();
    let dead = |row: Option<&SessionRow>, denied, now, class, reason| {
        for proof in PROOFS {
            let attempt = Attempt::new(row, 5, now).with_denied(denied).with_proof(proof);
            assert_eq!(classify(&attempt, &policy), class, "{reason}, {proof:?}");
            let decision = commit(&attempt, TokenClass::Current, &policy);
            assert_eq!((decision.rule, decision.write), (Rule::NotLive, None), "{reason}, {proof:?}");
        }
    };
    let bound = with_binding(&row(), Some(confirmed(1)));
    let mut ended = bound.clone();
    ended.ended = Some(Ended::new(EndReason::Logout, ROTATED));
    dead(None, false, ROTATED, TokenClass::Unknown, "no row");
    dead(Some(&bound), true, ROTATED, TokenClass::Ended, "denied");
    dead(Some(&ended), false, ROTATED, TokenClass::Ended, "ended");
    dead(Some(&bound), false, ROTATED.saturating_add(DAY * 7), TokenClass::Expired, "expired");
    let live = attempt(&bound, 5, ROTATED.saturating_add(DAY * 7 - MS), DeviceProof::Missing);
    assert_eq!(classify(&live, &policy), TokenClass::Unproven, "1 ms before it expires");
}
