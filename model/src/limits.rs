//! Histories outside the bounds of the promises, with the real rules.

use crate::{
    properties,
    scenario::{Scenario, Turns},
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// A token is in transit for longer than the damping interval.
    TransitBeyondDamping,
    /// Late requests with slow handlers each spend the budget for one loss.
    SlowHandlersShareLosses,
    /// One more response is lost than the budget allows.
    LossBeyondBudget,
    /// User and thief are always within each other's grace period.
    ThiefWithinGrace,
    /// A failover loses a rotation, and a response was lost before.
    FailoverAndLoss,
    /// A failover loses that a late use was paid for, and a response was lost before.
    FailoverAndLossEnds,
    /// A thief registers a key before the browser does.
    ThiefRegistersFirst,
    /// A thief has a copy of a proof before a server has accepted it.
    ProofIntercepted,
    /// A failover loses the first proof, and with it the confirmation of the binding.
    FailoverLosesConfirmation,
    /// A failover loses a proof, and with it that its challenge was used.
    FailoverLosesProof,
    /// A request without a proof is in transit until the first proof was accepted.
    TransitBeyondAccessToken,
}

impl Limit {
    pub(crate) const ALL: [Self; 11] = [
        Self::TransitBeyondDamping,
        Self::SlowHandlersShareLosses,
        Self::LossBeyondBudget,
        Self::ThiefWithinGrace,
        Self::FailoverAndLoss,
        Self::FailoverAndLossEnds,
        Self::ThiefRegistersFirst,
        Self::ProofIntercepted,
        Self::FailoverLosesConfirmation,
        Self::FailoverLosesProof,
        Self::TransitBeyondAccessToken,
    ];

    pub(crate) fn violates(self) -> (Scenario, &'static str) {
        match self {
            Self::TransitBeyondDamping => {
                (Scenario { request_transit: 7, ..Scenario::parallel() }, properties::AUTHENTICATED)
            }
            Self::SlowHandlersShareLosses => {
                (Scenario { handler: None, ..Scenario::losses() }, properties::AUTHENTICATED)
            }
            Self::LossBeyondBudget => (
                Scenario { losses: 3, excuses_spent: false, ..Scenario::losses() },
                properties::AUTHENTICATED,
            ),
            Self::ThiefWithinGrace => {
                let turns = Turns { pause: (0, 3), exchanges: 12 };
                (Scenario { turns: Some(turns), ..Scenario::turns() }, properties::DETECTED)
            }
            Self::FailoverAndLoss => (Scenario { failovers: 1, ..Scenario::slow_loss() }, properties::JAR),
            Self::FailoverAndLossEnds => (Scenario::failover_and_losses(), properties::NEVER_REUSE),
            Self::ThiefRegistersFirst => {
                (Scenario::device_theft().with_device(|device| device.rival = true), properties::UNPROVEN)
            }
            Self::ProofIntercepted => {
                (Scenario::device_theft().with_device(|device| device.intercepts = true), properties::COPIED)
            }
            Self::FailoverLosesConfirmation => (Scenario::device_theft_and_failover(), properties::MINTED),
            Self::FailoverLosesProof => (Scenario::device_theft_and_failover(), properties::COPIED),
            Self::TransitBeyondAccessToken => (
                Scenario::device().with_device(|device| device.access_outlasts_transit = false),
                properties::UNPROVEN,
            ),
        }
    }
}
