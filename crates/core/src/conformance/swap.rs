//! A swap writes if the version is unchanged, and never creates a row.

use std::time::Duration;

use super::trial::{DAY, LARGEST, MINUTE, NOW, Trial, after, before};
use crate::{EndReason, Ended, SessionBinding, SessionMeta, SessionRow, SessionStore, Subject, Timestamp};

/// The row with another value in each field that a swap writes.
fn changed(row: &SessionRow) -> SessionRow {
    SessionRow {
        generation: row.generation + 1,
        rotated_at: after(row.rotated_at, MINUTE),
        confirmed: !row.confirmed,
        late_budget: after(row.late_budget, DAY),
        idle_expiry: after(row.idle_expiry, MINUTE),
        claims_epoch: row.claims_epoch + 3,
        binding: Some(SessionBinding::from_bytes(row.generation.to_be_bytes())),
        data: [&*row.data, b"more"].concat(),
        ..row.clone()
    }
}

/// A swap writes generation, rotation time, confirmation, late budget, idle expiry, claims epoch, binding and data, and the
/// given version.
pub async fn a_swap_writes_what_may_change_and_the_given_version<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = SessionRow { data: b"data".to_vec(), ..trial.row(0) };
    trial.create(&row).await;
    let next = changed(&row);
    assert!(trial.swap(&next, trial.version(0)).await, "a swap at the stored version succeeds");
    trial.expect(&SessionRow { version: trial.version(0), ..next.clone() }).await;

    let back = SessionRow { version: trial.version(0), ..row };
    let smaller = trial.version(0) / 2;
    assert!(
        trial.swap(&back, smaller).await,
        "a swap may write smaller values, because the store makes no decisions"
    );
    trial.expect(&SessionRow { version: smaller, ..back }).await;
}

/// Data and binding can be removed, replaced, and set again, up to 64 KiB, independently of each other.
pub async fn a_swap_replaces_data_and_binding<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let long: Vec<u8> = (0..64 * 1024).map(|index| (index % 251) as u8).collect();
    let values = [&b""[..], b"a", b"bc", &long, b"", b"\0", &[0xff; 300]];
    let mut row = trial.created(0).await;
    for (number, (data, binding)) in (0..).zip(values.into_iter().zip(values.into_iter().cycle().skip(2))) {
        row.data = data.to_vec();
        row.binding = (number % 3 != 0).then(|| SessionBinding::from_bytes(binding));
        assert!(trial.swap(&row, trial.version(number)).await, "a swap at the stored version succeeds");
        row.version = trial.version(number);
        trial.expect(&row).await;
    }
}

/// A swap keeps what never changes, even if the given row has other values.
pub async fn a_swap_keeps_what_never_changes<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = SessionRow {
        authenticated_at: before(NOW, MINUTE),
        idle: Some(Duration::from_secs(77)),
        persistent: false,
        meta: SessionMeta { label: Some("phone".into()), ..SessionMeta::default() },
        ..trial.row(0)
    };
    trial.create(&row).await;
    let other = SessionRow {
        subject: Subject::new("another"),
        created_at: after(row.created_at, DAY),
        authenticated_at: after(row.created_at, DAY),
        idle: None,
        absolute_expiry: after(row.absolute_expiry, DAY),
        persistent: true,
        meta: SessionMeta { user_agent: Some("another".into()), ..SessionMeta::default() },
        ..changed(&row)
    };
    assert!(trial.swap(&other, trial.version(0)).await, "a swap at the stored version succeeds");
    trial.expect(&SessionRow { version: trial.version(0), ..changed(&row) }).await;
}

/// A swap accepts every generation, times up to the largest signed 64-bit integer, and every version up to it.
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
        claims_epoch: u32::MAX,
        ..row
    };
    assert!(trial.swap(&next, LARGEST).await, "a swap at the stored version succeeds");
    let next = SessionRow { version: LARGEST, ..next };
    trial.expect(&next).await;
    assert!(trial.swap(&next, 0).await, "a swap at the largest version succeeds");
    trial.expect(&SessionRow { version: 0, ..next }).await;
}

/// In a series of swaps, each succeeds at the version that the previous one wrote, and at no earlier version.
pub async fn each_swap_needs_the_version_of_the_one_before<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let mut row = trial.created(0).await;
    let mut earlier = Vec::new();
    for number in 0..50 {
        row = SessionRow { version: row.version, ..changed(&SessionRow { data: Vec::new(), ..row }) };
        assert!(trial.swap(&row, trial.version(number)).await, "swap {number} succeeds");
        assert!(
            !trial.swap(&row, trial.version(1000 + number)).await,
            "swap {number} does not succeed twice"
        );
        earlier.push(row.version);
        row.version = trial.version(number);
    }
    for version in earlier {
        let next = SessionRow { version, ..row.clone() };
        assert!(!trial.swap(&next, trial.version(2000)).await, "a swap at an earlier version fails");
    }
    trial.expect(&row).await;
}

/// If the store tells at once whether a row has a version, it says what a load would find, after each kind of write.
pub async fn a_version_is_told_as_a_load_would_find_it<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let handle = trial.handle(0);
    let expect = |version, expected, when: &str| {
        let told = store.has_version(handle, version);
        assert!(told.is_none_or(|told| told == expected), "{told:?} of the version {when}");
    };
    expect(trial.version(1), false, "of a row that does not exist");
    let row = trial.created(0).await;
    expect(row.version, true, "that was created");
    assert!(trial.swap(&row, trial.version(1)).await, "a swap at the stored version succeeds");
    expect(row.version, false, "before a swap");
    expect(trial.version(1), true, "of a swap");
    assert!(trial.outdate_at(handle, NOW, trial.version(2)).await.is_some(), "the claims are outdated");
    expect(trial.version(1), false, "before the claims were outdated");
    expect(trial.version(2), true, "of outdated claims");
    assert!(trial.end_at(handle, Ended::new(EndReason::Logout, NOW), trial.version(3)).await, "it ends");
    expect(trial.version(2), false, "before the end");
    expect(trial.version(3), true, "of the end");
}

/// A swap at a version other than the stored one, smaller or larger, fails and changes nothing.
pub async fn a_swap_at_another_version_changes_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let stored = trial.version(0) / 4 + (1 << 33);
    let row = SessionRow { version: stored, ..trial.row(0) };
    trial.create(&row).await;
    let others = [0, 1, stored - 1, stored + 1, stored - (1 << 32), stored + (1 << 32), stored * 2, LARGEST];
    for version in others {
        let next = SessionRow { version, ..changed(&row) };
        assert!(
            !trial.swap(&next, trial.version(1)).await,
            "a swap at version {version} of a row at version {stored} fails"
        );
        trial.expect(&row).await;
    }
}

/// Every version is stored exactly, and no write derives one from the version before: a counter would come back after a
/// failover that lost a write.
pub async fn every_write_stores_the_version_that_it_is_given<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let mut row = SessionRow { version: trial.version(100), ..trial.row(0) };
    trial.create(&row).await;
    let single_bits = (0..63).map(|bit| 1 << bit);
    for version in single_bits.chain([0, 1, LARGEST, 5, 4]) {
        assert!(trial.swap(&row, version).await, "a swap at the stored version succeeds");
        row.version = version;
        trial.expect(&row).await;
    }
    let ended = Ended::new(EndReason::Logout, NOW);
    assert!(trial.end_at(row.handle, ended, 3).await, "this call ended the session");
    trial.expect(&SessionRow { ended: Some(ended), version: 3, ..row }).await;
}

/// A swap of an unknown handle fails and creates nothing.
pub async fn a_swap_of_an_unknown_row_creates_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.row(0);
    assert!(!trial.swap(&row, trial.version(0)).await, "a swap of an unknown row fails");
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
    let ended = trial.ended(&row, EndReason::Logout, at);
    for version in [row.version, ended.version, 1] {
        let next = SessionRow { version, ..changed(&row) };
        assert!(
            !trial.swap(&next, trial.version(0)).await,
            "a swap at version {version} of an ended row fails"
        );
        trial.expect(&ended).await;
    }
}

/// A swap changes one row and no other row of the subject.
pub async fn a_swap_touches_no_other_row<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let (row, other) = (trial.created(0).await, trial.created(1).await);
    assert!(trial.swap(&changed(&row), trial.version(0)).await, "a swap at the stored version succeeds");
    trial.expect(&other).await;
}
