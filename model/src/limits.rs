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
}

impl Limit {
    pub(crate) const ALL: [Self; 6] = [
        Self::TransitBeyondDamping,
        Self::SlowHandlersShareLosses,
        Self::LossBeyondBudget,
        Self::ThiefWithinGrace,
        Self::FailoverAndLoss,
        Self::FailoverAndLossEnds,
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
        }
    }
}
