//! Histories outside the bounds of the promises, with the real rules.

use crate::{
    properties,
    scenario::{Scenario, Turns},
};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    /// A token is in transit for longer than the grace period.
    TransitBeyondGrace,
    /// Late requests with slow handlers each spend the budget for one loss.
    SlowHandlersShareLosses,
    /// One more response is lost than the budget allows.
    LossBeyondBudget,
    /// User and thief are always within each other's grace period.
    ThiefWithinGrace,
    /// A failover loses the write that a token was seen.
    FailoverLosesConfirmation,
    /// A failover loses a rotation, and a response was lost before.
    FailoverAndLoss,
    /// A failover brings back a version that a request has read.
    VersionReturns,
}

impl Limit {
    pub(crate) const ALL: [Self; 7] = [
        Self::TransitBeyondGrace,
        Self::SlowHandlersShareLosses,
        Self::LossBeyondBudget,
        Self::ThiefWithinGrace,
        Self::FailoverLosesConfirmation,
        Self::FailoverAndLoss,
        Self::VersionReturns,
    ];

    pub(crate) fn violates(self) -> (Scenario, &'static str) {
        match self {
            Self::TransitBeyondGrace => {
                (Scenario { request_transit: 4, ..Scenario::parallel() }, properties::AUTHENTICATED)
            }
            Self::SlowHandlersShareLosses => {
                (Scenario { handler: None, ..Scenario::losses() }, properties::AUTHENTICATED)
            }
            Self::LossBeyondBudget => {
                (Scenario { losses: 3, ..Scenario::losses() }, properties::AUTHENTICATED)
            }
            Self::ThiefWithinGrace => {
                let turns = Turns { pause: (0, 3), exchanges: 12 };
                (Scenario { turns: Some(turns), ..Scenario::turns() }, properties::DETECTED)
            }
            Self::FailoverLosesConfirmation => {
                (Scenario { any_write_lost: true, ..Scenario::failover() }, properties::AUTHENTICATED)
            }
            Self::FailoverAndLoss => (Scenario { failovers: 1, ..Scenario::slow_loss() }, properties::JAR),
            Self::VersionReturns => {
                (Scenario { versions_return: true, ..Scenario::failover() }, properties::FORWARD)
            }
        }
    }
}
