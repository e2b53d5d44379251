//! Outdating the claims of a session counts, and changes nothing else.

use std::time::Duration;

use super::{
    join::join_all,
    trial::{DAY, LARGEST, MINUTE, NOW, Trial, after, before},
};
use crate::{EndReason, SessionBinding, SessionMeta, SessionRow, SessionStore};

const RACERS: u32 = 16;

/// Each call adds one to the epoch that is stored and returns the sum, also if a swap has written the epoch.
pub async fn outdating_claims_adds_one_to_the_epoch_and_returns_it<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = SessionRow { claims_epoch: 6, ..trial.row(0) };
    trial.create(&row).await;
    for epoch in 7..10 {
        assert_eq!(trial.outdate(row.handle, NOW).await, Some(epoch), "the new epoch is returned");
        trial.expect(&trial.outdated(&row, epoch)).await;
    }
    let next = SessionRow { claims_epoch: 200, ..trial.outdated(&row, 9) };
    assert!(trial.swap(&next, trial.version(0)).await, "a swap at the stored version succeeds");
    assert_eq!(trial.outdate(row.handle, NOW).await, Some(201), "the new epoch is returned");
    trial.expect(&trial.outdated(&row, 201)).await;
}

/// Outdating claims writes the epoch and the given version. The rest of the row is unchanged.
pub async fn outdating_claims_changes_nothing_but_epoch_and_version<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = SessionRow {
        generation: 4,
        rotated_at: after(NOW, MINUTE),
        confirmed: true,
        late_budget: after(NOW, DAY),
        authenticated_at: before(NOW, DAY),
        idle: Some(Duration::from_secs(9)),
        persistent: false,
        claims_epoch: 12,
        binding: Some(SessionBinding::from_bytes(*b"key")),
        meta: SessionMeta { label: Some("phone".into()), ..SessionMeta::default() },
        data: b"data".to_vec(),
        ..trial.row(0)
    };
    trial.create(&row).await;
    for (epoch, version) in (13..).zip([trial.version(1), trial.version(1) / 2, LARGEST, 0]) {
        let outdated = trial.outdate_at(row.handle, after(NOW, DAY), version).await;
        assert_eq!(outdated, Some(epoch), "the new epoch is returned");
        trial.expect(&SessionRow { claims_epoch: epoch, version, ..row.clone() }).await;
    }
    let listed = SessionRow { claims_epoch: 16, version: 0, ..row };
    assert_eq!(trial.list(&listed.subject, NOW).await, [listed], "the list has the new epoch");
}

/// A swap fails if the claims were outdated after its row was loaded, so that no client gets a token with them.
pub async fn a_swap_prepared_before_claims_were_outdated_fails<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let prepared = trial.created(0).await;
    assert_eq!(trial.outdate(prepared.handle, NOW).await, Some(1), "the new epoch is returned");
    let next = SessionRow { generation: 1, ..prepared.clone() };
    assert!(!trial.swap(&next, trial.version(0)).await, "a swap prepared before fails");
    let outdated = trial.outdated(&prepared, 1);
    trial.expect(&outdated).await;
    let next = SessionRow { generation: 1, ..outdated };
    assert!(trial.swap(&next, trial.version(0)).await, "a swap at the new version succeeds");
    trial.expect(&SessionRow { version: trial.version(0), ..next }).await;
}

/// Claims are outdated regardless of how often the row was written before.
pub async fn outdating_claims_needs_no_version<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let mut row = trial.created(0).await;
    for number in 0..3 {
        row.generation += 1;
        assert!(trial.swap(&row, trial.version(number)).await, "a swap at the stored version succeeds");
        row.version = trial.version(number);
    }
    assert_eq!(trial.outdate(row.handle, NOW).await, Some(1), "the new epoch is returned");
    trial.expect(&trial.outdated(&row, 1)).await;
}

/// The claims of an ended session are not outdated: the call returns `None` and changes nothing.
pub async fn claims_of_an_ended_session_are_not_outdated<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for (number, reason) in (0..).zip(EndReason::ALL) {
        let row = trial.created(number).await;
        assert!(trial.end(row.handle, reason, NOW).await, "this call ended the session");
        for at in [before(NOW, MINUTE), NOW, after(NOW, MINUTE)] {
            assert_eq!(trial.outdate(row.handle, at).await, None, "the session has ended: {reason}");
            trial.expect(&trial.ended(&row, reason, NOW)).await;
        }
    }
}

/// For an unknown handle the call returns `None` and creates nothing.
pub async fn outdating_claims_of_an_unknown_row_creates_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.row(0);
    assert_eq!(trial.outdate(row.handle, NOW).await, None, "there is no such row");
    trial.expect_none(row.handle).await;
    assert_eq!(trial.list(&row.subject, NOW).await, [], "an unknown row is not listed");
    assert!(trial.try_create(&row).await, "the handle is still free");
    trial.expect(&row).await;
}

/// The claims of an expired session, which may be live by the clock of another server, can be outdated.
pub async fn claims_of_an_expired_session_can_be_outdated<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    let at = after(row.absolute_expiry, MINUTE);
    assert_eq!(trial.outdate(row.handle, at).await, Some(1), "the new epoch is returned");
    trial.expect(&trial.outdated(&row, 1)).await;
}

/// The epoch has the whole range of `u32`. At its largest value it stays, and the version is stored all the same.
pub async fn the_largest_epoch_stays<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let i32_max = i32::MAX as u32;
    let cases =
        [(i32_max - 1, i32_max), (i32_max, i32_max + 1), (u32::MAX - 1, u32::MAX), (u32::MAX, u32::MAX)];
    for (number, (stored, epoch)) in (0..).zip(cases) {
        let row = SessionRow { claims_epoch: stored, ..trial.row(number) };
        trial.create(&row).await;
        assert_eq!(trial.outdate(row.handle, NOW).await, Some(epoch), "the epoch after {stored}");
        trial.expect(&trial.outdated(&row, epoch)).await;
    }
}

/// Outdating claims changes one row and no other row of the subject.
pub async fn outdating_claims_touches_no_other_row<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let (row, other) = (trial.created(0).await, trial.created(1).await);
    assert_eq!(trial.outdate(row.handle, NOW).await, Some(1), "the new epoch is returned");
    trial.expect(&other).await;
}

/// Of many calls for one session, each counts and returns an epoch of its own.
pub async fn each_of_many_calls_outdates_claims<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    let calls = (0..RACERS).map(|racer| trial.outdate_at(row.handle, NOW, trial.version(racer.into())));
    let epochs = join_all(calls).await;
    let last = (0..).zip(&epochs).find(|(_, epoch)| **epoch == Some(RACERS)).map(|(racer, _)| racer);
    let last = last.expect("the last call returns the number of calls");
    let mut sorted: Vec<_> = epochs.into_iter().flatten().collect();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=RACERS).collect::<Vec<_>>(), "each call returns another epoch");
    trial.expect(&SessionRow { claims_epoch: RACERS, version: trial.version(last), ..row }).await;
}

/// Among swaps that keep the epoch, a call counts, and neither it nor the swap before it is lost.
pub async fn outdating_claims_among_swaps_loses_neither<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for round in 0..RACERS {
        let row = trial.created(round.into()).await;
        let racer = |racer: u32| {
            let (trial, row) = (&trial, &row);
            async move {
                if racer == round {
                    return trial.outdate(row.handle, NOW).await == Some(1);
                }
                let next = SessionRow { generation: 1 + racer, ..row.clone() };
                trial.swap(&next, trial.version(racer.into())).await
            }
        };
        let wins = join_all((0..RACERS).map(racer)).await;
        assert!(wins[round as usize], "the new epoch is returned");
        let swapped: Vec<_> = (0..RACERS).zip(&wins).filter(|&(racer, &won)| won && racer != round).collect();
        assert!(swapped.len() <= 1, "at most one swap succeeds");
        let generation = swapped.first().map_or(0, |(racer, _)| 1 + racer);
        trial.expect(&trial.outdated(&SessionRow { generation, ..row }, 1)).await;
    }
}

/// A session that ends among the calls has ended, and has the epoch of the last call before.
pub async fn an_end_among_calls_that_outdate_claims_is_final<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for round in 0..RACERS {
        let row = trial.created(round.into()).await;
        let racer = |racer: u32| {
            let (trial, row) = (&trial, &row);
            async move {
                if racer == round {
                    assert!(
                        trial.end(row.handle, EndReason::Reuse, NOW).await,
                        "this call ended the session"
                    );
                    return None;
                }
                trial.outdate(row.handle, NOW).await
            }
        };
        let epochs = join_all((0..RACERS).map(racer)).await;
        let claims_epoch = epochs.iter().flatten().count() as u32;
        let ended = trial.ended(&SessionRow { claims_epoch, ..row }, EndReason::Reuse, NOW);
        trial.expect(&ended).await;
        assert_eq!(trial.outdate(ended.handle, NOW).await, None, "the session has ended");
    }
}
