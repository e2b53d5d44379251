//! The rules for registrations and proofs: those of `tower_refresh_core`, or a mutant of them.

use tower_refresh_core::{
    SessionBinding, SessionRow, Timestamp,
    rotation::{
        Attempt, DeviceProof, ProofAttempt, Proven, Registration, TokenClass, Tokens, classify, commit,
        prove, register,
    },
};

use crate::{mutant::Mutant, rules::Rules};

impl Rules {
    pub(crate) fn register(&self, row: &SessionRow, denied: bool, key: u8, now: Timestamp) -> Registration {
        let mut row = row.clone();
        if self.are(Mutant::SecondKeyReplaces) {
            row.binding = None;
        }
        match register(Some(&row), denied, &[key], now) {
            Registration::Bind(mut write) if self.are(Mutant::BindingCountsAtOnce) => {
                write.binding = Some(SessionBinding::from_bytes([1, 1, 0, 0, 0, 0, key]));
                Registration::Bind(write)
            }
            registration => registration,
        }
    }

    pub(crate) fn prove(
        &self,
        row: &SessionRow,
        denied: bool,
        counter: u8,
        generation: Option<u8>,
        now: Timestamp,
    ) -> Proven {
        let mut row = row.clone();
        let mut denied = denied;
        let mut attempt =
            ProofAttempt::new(None, counter.into(), now).with_generation(generation.map(u32::from));
        match self.mutant {
            Some(Mutant::ProofAfterEnd) => (row.ended, denied) = (None, false),
            Some(Mutant::ChallengeWorksTwice) => {
                let stored = row.binding.as_ref().and_then(SessionBinding::counter);
                attempt.counter =
                    stored.filter(|stored| *stored > attempt.counter).unwrap_or(attempt.counter);
            }
            Some(Mutant::ProofSendsNoRefreshToken | Mutant::ProofSpendsBudget) => attempt.generation = None,
            _ => {}
        }
        attempt.row = Some(&row);
        if let (true, Some(presented)) = (self.are(Mutant::ReuseRefusesProof), generation) {
            let attempt = Attempt::new(Some(&row), presented.into(), now).with_proof(DeviceProof::Given);
            if classify(&attempt, &self.policy) == TokenClass::Reuse {
                return Proven::StaleChallenge;
            }
        }
        let mut proven = prove(&attempt.with_denied(denied), &self.policy);
        if let (true, Some(presented), Proven::Accepted { write, class, send, .. }) =
            (self.are(Mutant::ProofSpendsBudget), generation, &mut proven)
        {
            let proven_row = write.clone();
            let alone = Attempt::new(Some(&proven_row), presented.into(), now);
            let found = classify(&alone, &self.policy);
            let decision = commit(&alone, found, &self.policy);
            *class = Some(found);
            if let (true, Some(committed)) = (found.is_accepted(), decision.write) {
                **write = committed;
            }
            if found.is_accepted() && decision.send != Tokens::None {
                *send = decision.send;
            }
        }
        proven
    }

    /// The attempt of a request without a proof.
    pub(crate) fn alone<'a>(&self, attempt: Attempt<'a>, is_commit: bool) -> Attempt<'a> {
        let is_never_required = self.are(Mutant::TokenAloneMints);
        if is_never_required || is_commit && self.are(Mutant::ProofCheckedOnArrivalAlone) {
            return attempt;
        }
        attempt.with_proof(DeviceProof::Missing)
    }
}
