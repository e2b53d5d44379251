//! A session end is final.

use super::trial::{DAY, MINUTE, NOW, Trial, after, before};
use crate::{EndReason, Ended, SessionMeta, SessionRow, SessionStore};

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
        trial.expect(&SessionRow { ended: Some(Ended::new(reason, at)), version: 1, ..row }).await;
    }
}

/// An end sets `ended` and increments the version. The rest of the row is unchanged.
pub async fn an_end_changes_nothing_but_ended_and_version<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = SessionRow {
        generation: 4,
        rotated_at: after(NOW, MINUTE),
        confirmed: true,
        late_budget: after(NOW, DAY),
        version: 11,
        meta: SessionMeta { label: Some("phone".into()), ..SessionMeta::default() },
        data: b"data".to_vec(),
        ..trial.row(0)
    };
    trial.create(&row).await;
    assert!(trial.end(row.handle, EndReason::Reuse, NOW).await, "this call ended the session");
    trial.expect(&SessionRow { ended: Some(Ended::new(EndReason::Reuse, NOW)), version: 12, ..row }).await;
}

/// A second end, for any reason and at any time, returns `false` and changes nothing.
pub async fn an_end_happens_once<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    assert!(trial.end(row.handle, EndReason::Logout, NOW).await, "this call ended the session");
    let ended = SessionRow { ended: Some(Ended::new(EndReason::Logout, NOW)), version: 1, ..row.clone() };
    for at in [before(NOW, MINUTE), NOW, after(NOW, MINUTE)] {
        assert!(!trial.end(row.handle, EndReason::Reuse, at).await, "a second end returns false");
        trial.expect(&ended).await;
    }
    assert_eq!(trial.end_subject(&row.subject, None, NOW).await, [], "an ended session is not ended again");
    trial.expect(&ended).await;
}

/// An end succeeds regardless of how often the row was written before.
pub async fn an_end_needs_no_version<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let mut row = trial.created(0).await;
    for version in 0..3 {
        row = SessionRow { generation: row.generation + 1, version, ..row };
        assert!(trial.swap(&row).await, "a swap at the stored version succeeds");
    }
    assert!(trial.end(row.handle, EndReason::Logout, NOW).await, "this call ended the session");
    trial.expect(&SessionRow { ended: Some(Ended::new(EndReason::Logout, NOW)), version: 4, ..row }).await;
}

/// A swap fails if the session ended after its row was loaded.
pub async fn a_swap_prepared_before_the_end_fails<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    let prepared = trial.load(trial.handle(0)).await.expect("the row exists");
    assert!(trial.end(prepared.handle, EndReason::Logout, NOW).await, "this call ended the session");
    let next = SessionRow { generation: 1, ..prepared.clone() };
    assert!(!trial.swap(&next).await, "a swap prepared before the end fails");
    trial
        .expect(&SessionRow { ended: Some(Ended::new(EndReason::Logout, NOW)), version: 1, ..prepared })
        .await;
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
    trial.expect(&SessionRow { ended: Some(Ended::new(EndReason::Disabled, at)), version: 1, ..row }).await;
}

/// An end changes one row and no other row of the subject.
pub async fn an_end_touches_no_other_row<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let (row, other) = (trial.created(0).await, trial.created(1).await);
    assert!(trial.end(row.handle, EndReason::Logout, NOW).await, "this call ended the session");
    trial.expect(&other).await;
    assert_eq!(trial.list(&row.subject, NOW).await, [other], "the other session is still listed");
}
