//! Registrations, proofs and the tokens of bound sessions: invariants for any row and any input.

use proptest::prelude::*;
use tower_refresh_core::{
    SessionBinding, Timestamp,
    rotation::{
        Attempt, DeviceProof, ProofAttempt, Proven, Registration, Rule, TokenClass, Tokens, classify, commit,
        prove, register,
    },
};

use crate::support::with_binding;

use super::{
    config,
    decisions::{classes, generations, policies, presented, rows, times},
};

/// Unconfirmed, confirmed, or bytes of any other kind.
fn bindings() -> impl Strategy<Value = SessionBinding> {
    let known = (any::<u8>(), generations(), prop::collection::vec(any::<u8>(), 0..4)).prop_map(
        |(flags, counter, key)| {
            SessionBinding::from_bytes([&[1, flags], &counter.to_be_bytes()[..], &key].concat())
        },
    );
    let other = prop::collection::vec(any::<u8>(), 0..9).prop_map(SessionBinding::from_bytes);
    prop_oneof![6 => known, 1 => other]
}

/// The row's counter, or one near it.
fn counter(binding: &SessionBinding, offset: i32) -> u32 {
    binding.counter().unwrap_or_default().wrapping_add_signed(offset)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_binding_that_is_not_enforced_changes_no_decision(
        row in rows(),
        binding in bindings(),
        offset in -3..=3_i64,
        class in classes(),
        now in times(),
        policy in policies(),
    ) {
        let presented = presented(&row, offset);
        let bound = with_binding(&row, Some(binding));
        let [without, with] = [&row, &bound].map(|row| Attempt::new(Some(row), presented, now));
        prop_assert_eq!(classify(&with, &policy), classify(&without, &policy));
        let [without, with] = [without, with].map(|attempt| commit(&attempt, class, &policy));
        prop_assert_eq!((with.rule, with.send), (without.rule, without.send));
        let written = without.write.map(|write| with_binding(&write, bound.binding));
        prop_assert_eq!(with.write, written);
    }

    #[test]
    fn a_missing_proof_matters_in_a_confirmed_binding_alone_and_writes_nothing_there(
        row in rows(),
        binding in prop::option::of(bindings()),
        offset in -3..=3_i64,
        class in classes(),
        now in times(),
        policy in policies(),
    ) {
        let presented = presented(&row, offset);
        let row = with_binding(&row, binding);
        let attempt = Attempt::new(Some(&row), presented, now);
        let alone = attempt.with_proof(DeviceProof::Missing);
        let decision = commit(&alone, class, &policy);
        if row.is_live(now) && row.binding.as_ref().is_some_and(SessionBinding::is_confirmed) {
            prop_assert_eq!(classify(&alone, &policy), TokenClass::Unproven);
            prop_assert_eq!((decision.rule, decision.write, decision.send), (Rule::Overtaken, None, Tokens::None));
        } else {
            prop_assert_eq!(classify(&alone, &policy), classify(&attempt, &policy));
            prop_assert_eq!(decision, commit(&attempt, class, &policy));
        }
    }

    #[test]
    fn a_registration_changes_the_binding_of_an_unbound_live_session_alone(
        row in prop::option::weighted(0.95, rows()),
        binding in prop::option::of(bindings()),
        denied in prop::bool::weighted(0.1),
        key in prop::collection::vec(any::<u8>(), 0..4),
        now in times(),
    ) {
        let row = row.map(|row| with_binding(&row, binding));
        let is_live = !denied && row.as_ref().is_some_and(|row| row.is_live(now));
        let stored = row.as_ref().and_then(|row| row.binding.as_ref());
        match register(row.as_ref(), denied, &key, now) {
            Registration::NotLive => prop_assert!(!is_live),
            Registration::Bind(write) => {
                prop_assert!(is_live && stored.is_none());
                let new = write.binding.clone().expect("it is bound");
                prop_assert_eq!((new.key(), new.counter()), (Some(&key[..]), Some(0)));
                prop_assert!(!new.is_confirmed());
                prop_assert_eq!(Some(with_binding(&write, None)), row);
            }
            same @ (Registration::SameKey | Registration::Confirmed) => {
                prop_assert!(is_live && stored.is_some_and(|stored| stored.key() == Some(&key[..])));
                let is_confirmed = stored.is_some_and(SessionBinding::is_confirmed);
                prop_assert_eq!(same == Registration::Confirmed, is_confirmed);
            }
            Registration::OtherKey => {
                prop_assert!(is_live && stored.is_some_and(|stored| stored.key() != Some(&key[..])));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_proof_is_accepted_for_the_counter_of_a_live_session_and_changes_no_more_than_it_must(
        row in rows(),
        binding in prop::option::weighted(0.95, bindings()),
        denied in prop::bool::weighted(0.1),
        offset in -1..=1_i32,
        generation in prop::option::of(-3..=3_i64),
        now in times(),
        policy in policies(),
    ) {
        let row = with_binding(&row, binding);
        let counter = row.binding.as_ref().map_or(0, |binding| counter(binding, offset));
        let generation = generation.map(|offset| presented(&row, offset));
        let attempt =
            ProofAttempt::new(Some(&row), counter, now).with_denied(denied).with_generation(generation);
        let is_live = !denied && row.is_live(now);
        let Proven::Accepted { write, class, send, .. } = prove(&attempt, &policy) else {
            let known = row.binding.as_ref().and_then(SessionBinding::counter);
            prop_assert!(!is_live || known != Some(counter));
            return Ok(());
        };
        prop_assert!(is_live, "only a live session accepts proofs");
        let old = row.binding.clone().expect("only a bound session accepts proofs");
        let new = write.binding.clone().expect("a binding stays");
        prop_assert_eq!(old.counter(), Some(counter), "only the challenge of the row is accepted");
        prop_assert_eq!(new.counter(), Some(counter.wrapping_add(1)), "a challenge works once");
        prop_assert_eq!(new.key(), old.key(), "a key never changes");
        prop_assert!(new.is_confirmed());
        prop_assert_eq!(class.is_some(), generation.is_some());
        prop_assert!(write.generation >= row.generation && write.generation - row.generation <= 1);
        prop_assert!(write.rotated_at >= row.rotated_at);
        let lifetime = row.idle.unwrap_or(policy.idle);
        prop_assert_eq!(write.idle_expiry, now.saturating_add(lifetime).min(row.absolute_expiry));
        let mut fixed = (*write).clone();
        fixed.binding = row.binding.clone();
        fixed.idle_expiry = row.idle_expiry;
        if class.is_some_and(TokenClass::is_accepted) {
            (fixed.generation, fixed.rotated_at) = (row.generation, row.rotated_at);
            fixed.confirmed = row.confirmed;
        }
        prop_assert_eq!(&fixed, &row, "budget, version and the rest stay, and without a token everything");
        match send {
            Tokens::Access => {}
            Tokens::AccessAndRefresh { generation: sent } => {
                prop_assert_eq!(generation.and_then(|presented| presented.checked_add(1)), Some(sent));
                prop_assert_eq!(sent, write.generation, "the newest one");
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_proof_for_no_session_is_worth_nothing(counter in generations(), now in times(), policy in policies()) {
        let now: Timestamp = now;
        prop_assert_eq!(prove(&ProofAttempt::new(None, counter, now), &policy), Proven::NotLive);
    }
}
