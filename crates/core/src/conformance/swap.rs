//! A swap writes if the version is unchanged, and never creates a row.

use super::trial::{DAY, LARGEST, MINUTE, NOW, Trial, after};
use crate::{EndReason, Ended, SessionRow, SessionStore, Timestamp};

/// The row after a rotation.
fn rotated(row: &SessionRow) -> SessionRow {
    SessionRow {
        generation: row.generation + 1,
        rotated_at: after(row.rotated_at, MINUTE),
        confirmed: !row.confirmed,
        late_budget: after(row.late_budget, DAY),
        idle_expiry: after(row.idle_expiry, MINUTE),
        ..row.clone()
    }
}

/// A swap writes generation, rotation time, confirmation, late budget and idle expiry, and increments the version.
pub async fn a_swap_writes_what_rotations_change_and_increments_the_version<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = SessionRow { data: b"stays".to_vec(), ..trial.row(0) };
    trial.create(&row).await;
    let next = rotated(&row);
    assert!(trial.swap(&next).await, "a swap at the stored version succeeds");
    trial.expect(&SessionRow { version: 1, ..next.clone() }).await;

    let back = SessionRow { version: 1, ..row };
    assert!(trial.swap(&back).await, "a swap may write smaller values, because the store makes no decisions");
    trial.expect(&SessionRow { version: 2, ..back }).await;
}

/// A swap accepts every generation, and times up to the largest signed 64-bit integer.
pub async fn a_swap_takes_the_largest_numbers<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let largest = Timestamp::from_millis(LARGEST);
    let row = SessionRow { version: LARGEST - 1, ..trial.row(0) };
    trial.create(&row).await;
    let next = SessionRow {
        generation: u32::MAX,
        rotated_at: largest,
        late_budget: largest,
        idle_expiry: largest,
        ..row
    };
    assert!(trial.swap(&next).await, "a swap at the stored version succeeds");
    trial.expect(&SessionRow { version: LARGEST, ..next }).await;
}

/// In a series of swaps, each succeeds at the version that the previous one left.
pub async fn each_swap_needs_the_version_of_the_one_before<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let mut row = trial.created(0).await;
    for version in 0..50 {
        row = SessionRow { version, ..rotated(&row) };
        assert!(trial.swap(&row).await, "swap {version} succeeds at the version of the previous one");
        assert!(!trial.swap(&row).await, "swap {version} does not succeed twice");
    }
    trial.expect(&SessionRow { version: 50, ..row }).await;
}

/// A swap at a version older or newer than the stored one fails and changes nothing.
pub async fn a_swap_at_another_version_changes_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = SessionRow { version: 5, ..trial.row(0) };
    trial.create(&row).await;
    for version in [0, 4, 6, 5 + (1 << 32), LARGEST] {
        let next = SessionRow { version, ..rotated(&row) };
        assert!(!trial.swap(&next).await, "a swap at version {version} of a row at version 5 fails");
        trial.expect(&row).await;
    }
}

/// A swap of an unknown handle fails and creates nothing.
pub async fn a_swap_of_an_unknown_row_creates_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.row(0);
    assert!(!trial.swap(&row).await, "a swap of an unknown row fails");
    trial.expect_none(row.handle).await;
    assert_eq!(trial.list(&row.subject, NOW).await, [], "an unknown row is not listed after a swap");
    assert!(trial.try_create(&row).await, "the handle is still free");
}

/// A swap of an ended row fails at any version and changes nothing.
pub async fn a_swap_of_an_ended_row_changes_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    let at = after(NOW, MINUTE);
    assert!(trial.end(row.handle, EndReason::Logout, at).await, "this call ended the session");
    let ended = SessionRow { ended: Some(Ended::new(EndReason::Logout, at)), version: 1, ..row.clone() };
    for version in 0..3 {
        let next = SessionRow { version, ..rotated(&row) };
        assert!(!trial.swap(&next).await, "a swap at version {version} of an ended row fails");
        trial.expect(&ended).await;
    }
}

/// A swap changes one row and no other row of the subject.
pub async fn a_swap_touches_no_other_row<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let (row, other) = (trial.created(0).await, trial.created(1).await);
    assert!(trial.swap(&rotated(&row)).await, "a swap at the stored version succeeds");
    trial.expect(&other).await;
}
