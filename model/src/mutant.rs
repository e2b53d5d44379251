//! Wrong rules, derived from the right ones: the row, the policy or the result is altered before or after the call.

use std::time::Duration;

use tower_refresh_core::{
    LateBudget, RotationPolicy, SessionRow, Timestamp,
    rotation::{Attempt, Decision, Rule, TokenClass, Tokens, classify, commit, roll_forward},
};

use crate::{properties, scenario::Scenario};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    NoDamping,
    DampingAsGrace,
    InfiniteDamping,
    DampedGetsItsTokenAgain,
    CommitBeforeHandler,
    BudgetSpentOnArrival,
    LateForAnyClass,
    LateUnbounded,
    SlidingGrace,
    AnyOlderGeneration,
    Upsert,
    GraceAfterEnd,
    NoRollForward,
    RollForwardKeepsTime,
    RollForwardUnconfirmed,
    NeverConfirmed,
    SentWithoutSwap,
    OvertakenGetsNewest,
    AbsoluteMoves,
    ClockAheadIsLongAgo,
    FailoverLosesEnd,
    PreviousForTheGrace,
    ConfirmMovesTime,
    SpentEnds,
    ElsewhereCommits,
    UpgradeSpendsNothing,
    VersionsReturn,
    PreviousSpends,
    DampingExclusive,
    OverdueGetsNothing,
    TokenAloneMints,
    ProofCheckedOnArrivalAlone,
    BindingCountsAtOnce,
    SecondKeyReplaces,
    ChallengeWorksTwice,
    RejectedWithoutChallenge,
    ProofSpendsBudget,
    ProofSendsNoRefreshToken,
    ProofAfterEnd,
    ReuseRefusesProof,
    ResendsOnAnyLoad,
    ResendsWhatEnded,
    ResendsWithoutProof,
}

impl Mutant {
    pub(crate) const ALL: [Self; 43] = [
        Self::NoDamping,
        Self::DampingAsGrace,
        Self::InfiniteDamping,
        Self::DampedGetsItsTokenAgain,
        Self::CommitBeforeHandler,
        Self::BudgetSpentOnArrival,
        Self::LateForAnyClass,
        Self::LateUnbounded,
        Self::SlidingGrace,
        Self::AnyOlderGeneration,
        Self::Upsert,
        Self::GraceAfterEnd,
        Self::NoRollForward,
        Self::RollForwardKeepsTime,
        Self::RollForwardUnconfirmed,
        Self::NeverConfirmed,
        Self::SentWithoutSwap,
        Self::OvertakenGetsNewest,
        Self::AbsoluteMoves,
        Self::ClockAheadIsLongAgo,
        Self::FailoverLosesEnd,
        Self::PreviousForTheGrace,
        Self::ConfirmMovesTime,
        Self::SpentEnds,
        Self::ElsewhereCommits,
        Self::UpgradeSpendsNothing,
        Self::VersionsReturn,
        Self::PreviousSpends,
        Self::DampingExclusive,
        Self::OverdueGetsNothing,
        Self::TokenAloneMints,
        Self::ProofCheckedOnArrivalAlone,
        Self::BindingCountsAtOnce,
        Self::SecondKeyReplaces,
        Self::ChallengeWorksTwice,
        Self::RejectedWithoutChallenge,
        Self::ProofSpendsBudget,
        Self::ProofSendsNoRefreshToken,
        Self::ProofAfterEnd,
        Self::ReuseRefusesProof,
        Self::ResendsOnAnyLoad,
        Self::ResendsWhatEnded,
        Self::ResendsWithoutProof,
    ];

    /// A scenario in which the real rules satisfy all properties, and the property that the mutant must violate there.
    pub(crate) fn violates(self) -> (Scenario, &'static str) {
        match self {
            Self::NoDamping => (Scenario::parallel(), properties::AUTHENTICATED),
            Self::DampingAsGrace => (Scenario::parallel(), properties::JAR),
            Self::InfiniteDamping => (Scenario::turns(), properties::DETECTED),
            Self::DampedGetsItsTokenAgain => (Scenario::parallel(), properties::JAR),
            Self::CommitBeforeHandler => (Scenario::parallel(), properties::AUTHENTICATED),
            Self::BudgetSpentOnArrival => (Scenario::losses(), properties::AUTHENTICATED),
            Self::LateForAnyClass => (Scenario::slow_loss(), properties::AUTHENTICATED),
            Self::LateUnbounded => (Scenario::turns(), properties::DETECTED),
            Self::SlidingGrace => (Scenario::theft(), properties::STALE),
            Self::AnyOlderGeneration => (Scenario::theft(), properties::TWO_BEHIND),
            Self::Upsert => (Scenario::logout(), properties::REVIVED),
            Self::GraceAfterEnd => (Scenario::logout(), properties::ENDED),
            Self::NoRollForward => (Scenario::failover(), properties::LOGGED_IN),
            Self::RollForwardKeepsTime => (Scenario::failover(), properties::AUTHENTICATED),
            Self::RollForwardUnconfirmed => (Scenario::theft_and_failover(), properties::STALE),
            Self::NeverConfirmed => (Scenario::theft(), properties::STALE),
            Self::SentWithoutSwap => (Scenario::logout(), properties::AFTER_END),
            Self::OvertakenGetsNewest => (Scenario::theft(), properties::SUCCESSOR),
            Self::AbsoluteMoves => (Scenario::expiry(), properties::EXPIRED),
            Self::ClockAheadIsLongAgo => (Scenario::skew(), properties::AUTHENTICATED),
            Self::FailoverLosesEnd => (Scenario::logout_and_failover(), properties::REVIVED),
            Self::PreviousForTheGrace => (Scenario::losses(), properties::NEVER_REUSE),
            Self::ConfirmMovesTime => (Scenario::failover(), properties::JAR),
            Self::SpentEnds => (Scenario::any_losses(), properties::NEVER_REUSE),
            Self::ElsewhereCommits => (Scenario::elsewhere(), properties::AUTHENTICATED),
            Self::UpgradeSpendsNothing => (Scenario::upgrades(), properties::UPGRADE),
            Self::VersionsReturn => (Scenario::failover(), properties::FORWARD),
            Self::PreviousSpends => (Scenario::slow_loss(), properties::AUTHENTICATED),
            Self::DampingExclusive => (Scenario::any_losses_and_skew(), properties::NEVER_REUSE),
            Self::OverdueGetsNothing => (Scenario::losses(), properties::LOGGED_IN),
            Self::TokenAloneMints => (Scenario::device_theft(), properties::MINTED),
            Self::ProofCheckedOnArrivalAlone => (Scenario::device_theft(), properties::MINTED),
            Self::BindingCountsAtOnce => (Scenario::device(), properties::UNPROVEN),
            Self::SecondKeyReplaces => (Scenario::device_theft(), properties::KEY),
            Self::ChallengeWorksTwice => (Scenario::device_theft(), properties::COPIED),
            Self::RejectedWithoutChallenge => (Scenario::device(), properties::ROUND),
            Self::ProofSpendsBudget => (Scenario::device(), properties::FREE),
            Self::ProofSendsNoRefreshToken => (Scenario::device(), properties::LOGGED_IN),
            Self::ReuseRefusesProof => (Scenario::device_theft(), properties::PROVEN),
            Self::ProofAfterEnd => (Scenario::device_logout(), properties::AFTER_END),
            Self::ResendsOnAnyLoad => (Scenario::resent_after_logout(), properties::AFTER_END),
            Self::ResendsWhatEnded => (Scenario::resent_after_logout(), properties::AFTER_END),
            Self::ResendsWithoutProof => (Scenario::resent_without_proof(), properties::MINTED),
        }
    }

    pub(crate) fn policy(self, policy: &mut RotationPolicy) {
        match self {
            Self::NoDamping => policy.damping = Duration::ZERO,
            Self::DampingAsGrace => policy.damping = policy.grace + Duration::from_secs(1),
            Self::InfiniteDamping => policy.damping = Duration::MAX,
            Self::LateUnbounded => policy.late = LateBudget::Unbounded,
            Self::SpentEnds => policy.end_when_spent = true,
            _ => {}
        }
    }

    pub(crate) fn classify(
        self,
        row: &SessionRow,
        attempt: Attempt<'_>,
        policy: &RotationPolicy,
    ) -> TokenClass {
        let mut seen = self.seen_by(row, attempt.now, policy);
        let previous = row.generation.saturating_sub(1);
        let is_overdue = attempt.now.saturating_since(row.rotated_at) > policy.grace;
        if self == Self::PreviousForTheGrace && is_overdue && attempt.generation == previous {
            seen.rotated_at = Timestamp::default();
        }
        let mut attempt = attempt;
        if self == Self::AnyOlderGeneration {
            attempt.generation = attempt.generation.max(previous);
        } else {
            attempt.row = Some(&seen);
        }
        match classify(&attempt, &self.damping(policy)) {
            TokenClass::Ahead if self == Self::NoRollForward => TokenClass::Impossible,
            class => class,
        }
    }

    pub(crate) fn commit(
        self,
        row: &SessionRow,
        attempt: Attempt<'_>,
        class: TokenClass,
        policy: &RotationPolicy,
    ) -> Decision {
        let now = attempt.now;
        let mut seen = self.seen_by(row, now, policy);
        let class = match self {
            Self::LateForAnyClass => TokenClass::Late,
            Self::PreviousSpends if class == TokenClass::Previous => TokenClass::Overdue,
            Self::OverdueGetsNothing if class == TokenClass::Overdue => TokenClass::Previous,
            _ => class,
        };
        if self == Self::BudgetSpentOnArrival {
            seen.late_budget = Timestamp::default();
        }
        let mut attempt = attempt;
        attempt.row = Some(&seen);
        let mut decision = commit(&attempt, class, &self.damping(policy));
        let again = Tokens::AccessAndRefresh { generation: row.generation };
        match (self, decision.rule) {
            (Self::DampedGetsItsTokenAgain, Rule::Damped) => decision.send = again,
            (Self::OvertakenGetsNewest, Rule::Overtaken) => decision.send = again,
            (Self::SlidingGrace, Rule::Redeliver) => {
                let mut slid = row.clone();
                slid.rotated_at = row.rotated_at.max(now);
                decision.write = Some(slid);
            }
            (Self::NeverConfirmed, Rule::Damped) => decision.write = None,
            _ => {}
        }
        if let Some(write) = &mut decision.write {
            match (self, decision.rule) {
                (Self::BudgetSpentOnArrival, _) => write.late_budget = row.late_budget,
                (Self::ConfirmMovesTime, Rule::Damped) => write.rotated_at = row.rotated_at.max(now),
                (Self::AbsoluteMoves, Rule::Rotate) => {
                    write.absolute_expiry = now.saturating_add(policy.absolute);
                }
                _ => {}
            }
        }
        decision
    }

    pub(crate) fn roll_forward(self, row: &SessionRow, presented: u32, now: Timestamp) -> SessionRow {
        let mut rolled = roll_forward(row, presented, now);
        match self {
            Self::RollForwardKeepsTime => rolled.rotated_at = row.rotated_at,
            Self::RollForwardUnconfirmed => rolled.confirmed = row.confirmed,
            _ => {}
        }
        rolled
    }

    /// The policy as the mutant reads it: the rules include the end of the damping interval, in whole milliseconds.
    fn damping(self, policy: &RotationPolicy) -> RotationPolicy {
        let mut policy = policy.clone();
        if self == Self::DampingExclusive {
            policy.damping -= Duration::from_millis(1);
        }
        policy
    }

    /// The row as the mutant reads it.
    fn seen_by(self, row: &SessionRow, now: Timestamp, policy: &RotationPolicy) -> SessionRow {
        let mut seen = row.clone();
        match (self, row.ended) {
            (Self::GraceAfterEnd, Some(ended)) if now.saturating_since(ended.at) <= policy.grace => {
                seen.ended = None;
                seen.rotated_at = ended.at;
            }
            (Self::ClockAheadIsLongAgo, _) if row.rotated_at > now => seen.rotated_at = Timestamp::default(),
            _ => {}
        }
        seen
    }
}
