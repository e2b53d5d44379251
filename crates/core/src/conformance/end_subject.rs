//! Ending the sessions of a subject ends all of them and no others.

use super::trial::{DAY, EASILY_CONFUSED, MINUTE, NOW, Trial, after, similar_to, sorted};
use crate::{EndReason, SessionHandle, SessionRow, SessionStore};

fn handles<'a>(rows: impl IntoIterator<Item = &'a SessionRow>) -> Vec<SessionHandle> {
    sorted(rows.into_iter().map(|row| row.handle).collect())
}

/// Every session ends, with the given version, including expired ones, which may be live by the clock of another
/// server.
pub async fn ending_a_subject_ends_all_its_sessions<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let mut rows: Vec<_> =
        (0..10).map(|number| SessionRow { version: trial.version(number), ..trial.row(number) }).collect();
    rows.push(SessionRow { idle_expiry: NOW, ..trial.row(10) });
    trial.create_all(&rows).await;
    assert_eq!(trial.end_subject(&rows[0].subject, None, NOW).await, handles(&rows), "all are ended");
    for row in &rows {
        trial.expect(&trial.ended(row, EndReason::Revoked, NOW)).await;
    }
    assert_eq!(trial.list(&rows[0].subject, NOW).await, [], "none is listed");
}

/// The exception stays live and unchanged. An exception that is unknown or belongs to another subject has no effect.
pub async fn ending_a_subject_spares_the_exception<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let rows: Vec<_> = (0..5).map(|number| trial.row(number)).collect();
    trial.create_all(&rows).await;
    let spared = &rows[2];
    let others: Vec<_> = rows.iter().filter(|row| row.handle != spared.handle).collect();
    let ended = trial.end_subject(&spared.subject, Some(spared.handle), NOW).await;
    assert_eq!(ended, handles(others.iter().copied()), "all but the exception are ended");
    trial.expect(spared).await;
    let listed = trial.list(&spared.subject, NOW).await;
    assert!(listed.iter().eq([spared]), "the exception is still listed");

    let bob = trial.row_of(&trial.subject("bob"), 10);
    trial.create(&bob).await;
    let ended = trial.end_subject(&spared.subject, Some(bob.handle), NOW).await;
    assert_eq!(ended, [spared.handle], "an exception of another subject has no effect");
    trial.expect(&bob).await;
    let ended = trial.end_subject(&bob.subject, Some(trial.handle(99)), NOW).await;
    assert_eq!(ended, [bob.handle], "an unknown exception has no effect");
}

/// It returns the sessions that this call ended. Sessions that had ended before keep their reason.
pub async fn ending_a_subject_returns_exactly_what_it_ended<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let (gone, here) = (trial.created(0).await, trial.created(1).await);
    assert!(trial.end(gone.handle, EndReason::Logout, NOW).await, "this call ended the session");
    let at = after(NOW, MINUTE);
    assert_eq!(trial.end_subject(&here.subject, None, at).await, [here.handle], "only the live one is ended");
    trial.expect(&trial.ended(&gone, EndReason::Logout, NOW)).await;
    assert_eq!(trial.end_subject(&here.subject, None, at).await, [], "there is nothing left to end");
}

/// Subjects are compared byte for byte.
pub async fn ending_a_subject_leaves_similar_subjects_alone<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let subject = trial.subject(EASILY_CONFUSED);
    let row = trial.row_of(&subject, 0);
    let others: Vec<_> =
        (1..).zip(similar_to(&subject)).map(|(number, other)| trial.row_of(&other, number)).collect();
    trial.create(&row).await;
    trial.create_all(&others).await;
    assert_eq!(trial.end_subject(&subject, None, NOW).await, [row.handle], "only the subject's own is ended");
    for other in &others {
        trial.expect(other).await;
        let ended = trial.end_subject(&other.subject, None, NOW).await;
        assert_eq!(ended, [other.handle], "{:?} has one session", other.subject);
    }
}

/// Swaps fail if the sessions ended after their rows were loaded.
pub async fn swaps_prepared_before_a_subject_is_ended_fail<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let rows: Vec<_> = (0..3).map(|number| trial.row(number)).collect();
    trial.create_all(&rows).await;
    trial.end_subject(&rows[0].subject, None, NOW).await;
    for row in &rows {
        assert!(
            !trial.swap(&SessionRow { generation: 1, ..row.clone() }, trial.version(0)).await,
            "a swap prepared before fails"
        );
        trial.expect(&trial.ended(row, EndReason::Revoked, NOW)).await;
    }
}

/// A later login is a new session, even if its time is before that of the end.
pub async fn ending_a_subject_leaves_later_logins_alone<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let first = trial.created(0).await;
    let later = after(NOW, DAY);
    assert_eq!(trial.end_subject(&first.subject, None, later).await, [first.handle], "the session is ended");
    let second = trial.created(1).await;
    trial.expect(&second).await;
    assert!(
        trial.swap(&SessionRow { generation: 1, ..second.clone() }, trial.version(0)).await,
        "the new session can be swapped"
    );
    assert_eq!(trial.list(&second.subject, NOW).await.len(), 1, "the new session is listed");
}

/// A subject without sessions is not an error.
pub async fn ending_an_unknown_subject_ends_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    assert_eq!(trial.end_subject(&trial.subject("unknown"), None, NOW).await, [], "nothing is ended");
    trial.expect(&row).await;
}
