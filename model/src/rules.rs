//! The rules of the world: those of `tower_refresh_core`, or a mutant of them.

use tower_refresh_core::{
    RotationPolicy, SessionRow, Timestamp,
    rotation::{Attempt, Decision, Rule, TokenClass, classify, commit, roll_forward},
};

use crate::{mutant::Mutant, scenario::Kind};

#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) policy: RotationPolicy,
    pub(crate) mutant: Option<Mutant>,
}

impl Rules {
    pub(crate) fn real(policy: RotationPolicy) -> Self {
        Self { policy, mutant: None }
    }

    pub(crate) fn mutated(mut policy: RotationPolicy, mutant: Mutant) -> Self {
        mutant.policy(&mut policy);
        Self { policy, mutant: Some(mutant) }
    }

    pub(crate) fn are(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    pub(crate) fn classify(
        &self,
        row: &SessionRow,
        denied: bool,
        presented: u8,
        now: Timestamp,
    ) -> TokenClass {
        let attempt = Attempt::new(Some(row), presented.into(), now).with_denied(denied);
        let attempt = self.alone(attempt, false);
        match self.mutant {
            None => classify(&attempt, &self.policy),
            Some(mutant) => mutant.classify(row, attempt, &self.policy),
        }
    }

    pub(crate) fn commit(
        &self,
        row: &SessionRow,
        denied: bool,
        presented: u8,
        class: TokenClass,
        now: Timestamp,
        kind: Kind,
    ) -> Decision {
        let attempt = Attempt::new(Some(row), presented.into(), now).with_denied(denied);
        let attempt = self.alone(attempt, true);
        let decision = match self.mutant {
            None => commit(&attempt, class, &self.policy),
            Some(mutant) => mutant.commit(row, attempt, class, &self.policy),
        };
        if kind != Kind::Upgrade {
            return decision;
        }
        let mut decision = decision.for_upgrade(class);
        if self.are(Mutant::UpgradeSpendsNothing) {
            (decision.write, decision.rule) = (None, Rule::Overtaken);
        }
        decision
    }

    pub(crate) fn roll_forward(&self, row: &SessionRow, presented: u8, now: Timestamp) -> SessionRow {
        let presented = presented.into();
        match self.mutant {
            None => roll_forward(row, presented, now),
            Some(mutant) => mutant.roll_forward(row, presented, now),
        }
    }
}
