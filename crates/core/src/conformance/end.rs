//! A session end is final.

use std::time::Duration;

use super::trial::{DAY, MINUTE, NOW, Trial, after, before};
use crate::{EndReason, Ended, SessionBinding, SessionMeta, SessionRow, SessionStore};

/// An ended session is loaded with the reason and the time of its end, for each reason.
pub async fn an_end_is_loaded_with_its_reason_and_time<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for (number, reason) in (0..).zip(EndReason::ALL) {
        let row = trial.created(number).await;
        let at = after(NOW, MINUTE * number as u32);
        assert!(
            trial.end(row.handle, reason, at).await,
            "an end for {reason} reports that it ended the session"
        );
        trial.expect(&trial.ended(&row, reason, at)).await;
    }
}

/// An end writes `ended` and the given version. The rest of the row is unchanged.
pub async fn an_end_changes_nothing_but_ended_and_version<S: SessionStore>(store: &S) {
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
        version: trial.version(0),
        meta: SessionMeta { label: Some("phone".into()), ..SessionMeta::default() },
        data: b"data".to_vec(),
        ..trial.row(0)
    };
    trial.create(&row).await;
    assert!(trial.end(row.handle, EndReason::Reuse, NOW).await, "this call ended the session");
    trial.expect(&trial.ended(&row, EndReason::Reuse, NOW)).await;
}

/// A second end, for any reason and at any time, returns `false` and changes nothing.
pub async fn an_end_happens_once<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    assert!(trial.end(row.handle, EndReason::Logout, NOW).await, "this call ended the session");
    let ended = trial.ended(&row, EndReason::Logout, NOW);
    for (number, at) in (0..).zip([before(NOW, MINUTE), NOW, after(NOW, MINUTE)]) {
        let again = Ended::new(EndReason::Reuse, at);
        assert!(!trial.end_at(row.handle, again, trial.version(number)).await, "a second end returns false");
        trial.expect(&ended).await;
    }
    assert_eq!(trial.end_subject(&row.subject, None, NOW).await, [], "an ended session is not ended again");
    trial.expect(&ended).await;
}

/// An end succeeds regardless of how often the row was written before.
pub async fn an_end_needs_no_version<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let mut row = trial.created(0).await;
    for number in 0..3 {
        row.generation += 1;
        assert!(trial.swap(&row, trial.version(number)).await, "a swap at the stored version succeeds");
        row.version = trial.version(number);
    }
    assert!(trial.end(row.handle, EndReason::Logout, NOW).await, "this call ended the session");
    trial.expect(&trial.ended(&row, EndReason::Logout, NOW)).await;
}

/// A swap fails if the session ended after its row was loaded.
pub async fn a_swap_prepared_before_the_end_fails<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    let prepared = trial.load(trial.handle(0)).await.expect("the row exists");
    assert!(trial.end(prepared.handle, EndReason::Logout, NOW).await, "this call ended the session");
    let next = SessionRow { generation: 1, ..prepared.clone() };
    assert!(!trial.swap(&next, trial.version(0)).await, "a swap prepared before the end fails");
    trial.expect(&trial.ended(&prepared, EndReason::Logout, NOW)).await;
}

/// An end of an unknown handle returns `false` and creates nothing.
pub async fn an_end_of_an_unknown_row_creates_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.row(0);
    assert!(!trial.end(row.handle, EndReason::Logout, NOW).await, "an end of an unknown row returns false");
    trial.expect_none(row.handle).await;
    assert!(trial.try_create(&row).await, "the handle is still free");
    trial.expect(&row).await;
}

/// An expired session, which may be live by the clock of another server, can be ended.
pub async fn an_expired_session_can_be_ended<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    let at = after(row.absolute_expiry, MINUTE);
    assert!(trial.end(row.handle, EndReason::Disabled, at).await, "this call ended the session");
    trial.expect(&trial.ended(&row, EndReason::Disabled, at)).await;
}

/// An end changes one row and no other row of the subject.
pub async fn an_end_touches_no_other_row<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let (row, other) = (trial.created(0).await, trial.created(1).await);
    assert!(trial.end(row.handle, EndReason::Logout, NOW).await, "this call ended the session");
    trial.expect(&other).await;
    assert_eq!(trial.list(&row.subject, NOW).await, [other], "the other session is still listed");
}
