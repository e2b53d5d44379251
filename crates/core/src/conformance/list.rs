//! A list has the live sessions of one subject.

use std::cmp::Reverse;

use super::trial::{DAY, EASILY_CONFUSED, MINUTE, NOW, TICK, Trial, after, before, similar_to, sorted};
use crate::{EndReason, Page, SessionMeta, SessionRow, SessionStore};

/// The rows are complete, and ordered from the newest login to the oldest.
pub async fn a_list_has_whole_rows_newest_login_first<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let ages = [3, 0, 4, 1, 5, 2];
    let mut rows: Vec<_> = (0..)
        .zip(ages)
        .map(|(number, age)| SessionRow {
            generation: age,
            created_at: before(NOW, TICK * age),
            meta: SessionMeta { label: Some(format!("device {age}")), ..SessionMeta::default() },
            data: vec![number as u8],
            ..trial.row(number)
        })
        .collect();
    trial.create_all(&rows).await;
    rows.sort_by_key(|row| row.generation);
    assert_eq!(trial.list(&rows[0].subject, NOW).await, rows, "whole rows, the newest login first");
}

/// Sessions that ended or expired are not listed.
pub async fn a_list_omits_ended_and_expired_sessions<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let live = trial.created(0).await;
    let ended = trial.created(1).await;
    let idle = SessionRow { idle_expiry: after(NOW, MINUTE), ..trial.row(2) };
    let absolute = SessionRow { absolute_expiry: after(NOW, MINUTE), ..trial.row(3) };
    trial.create_all(&[idle, absolute]).await;
    let later = after(NOW, MINUTE * 2);
    assert!(trial.end(ended.handle, EndReason::Logout, after(NOW, DAY)).await, "this call ended the session");
    assert_eq!(trial.list(&live.subject, later).await, [live], "only the live session is listed");
}

/// A session is listed until one millisecond before its expiry, idle or absolute.
pub async fn an_expiry_equal_to_now_has_passed_in_a_list<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let at = after(NOW, MINUTE);
    let (by_idle, by_absolute) = (trial.subject("idle"), trial.subject("absolute"));
    let rows = [
        SessionRow { idle_expiry: at, ..trial.row_of(&by_idle, 0) },
        SessionRow { absolute_expiry: at, ..trial.row_of(&by_absolute, 1) },
    ];
    trial.create_all(&rows).await;
    for row in rows {
        assert_eq!(trial.list(&row.subject, before(at, TICK)).await.len(), 1, "live before the expiry");
        assert_eq!(trial.list(&row.subject, at).await, [], "an expiry equal to now has passed");
        assert_eq!(trial.list(&row.subject, after(at, TICK)).await, [], "after the expiry");
    }
}

/// A swapped row is listed with its new values, and until its new expiry.
pub async fn a_list_shows_what_was_swapped<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    let next = SessionRow { generation: 1, idle_expiry: after(row.idle_expiry, DAY), ..row.clone() };
    assert!(trial.swap(&next, trial.version(0)).await, "a swap at the stored version succeeds");
    let listed = trial.list(&row.subject, row.idle_expiry).await;
    assert_eq!(
        listed,
        [SessionRow { version: trial.version(0), ..next }],
        "the row is listed with its new values"
    );
}

/// Subjects are compared byte for byte.
pub async fn a_list_has_the_sessions_of_one_subject_only<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let subject = trial.subject(EASILY_CONFUSED);
    let row = trial.row_of(&subject, 0);
    trial.create(&row).await;
    for other in similar_to(&subject) {
        assert_eq!(trial.list(&other, NOW).await, [], "{other:?} has no session");
    }
    assert_eq!(trial.list(&subject, NOW).await, [row], "the subject has one");
}

/// The pages of any size are together the list: the newest login first, and of logins in the same millisecond the largest
/// handle first. A page may begin after a session that is not listed.
pub async fn pages_together_are_the_list<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let mut rows: Vec<_> = (0..12)
        .map(|number| SessionRow { created_at: before(NOW, TICK * (number as u32 / 5)), ..trial.row(number) })
        .collect();
    trial.create_all(&rows).await;
    rows.sort_by_key(|row| Reverse((row.created_at, row.handle)));
    let subject = &rows[0].subject;
    for limit in 1..14 {
        let all = trial.list_by(subject, NOW, limit).await;
        assert_eq!(all, rows, "the pages of {limit} rows are together the list");
    }

    let gone = &rows[3];
    assert!(trial.end(gone.handle, EndReason::Logout, NOW).await, "this call ended the session");
    let page = trial.page(subject, NOW, Page::after(gone, 2)).await;
    assert_eq!(page, rows[4..6], "a page may begin after a session that has ended");
    let page = trial.page(subject, NOW, Page::after(&rows[1], 3)).await;
    assert!(page.iter().eq([&rows[2], &rows[4], &rows[5]]), "a page is filled with sessions that are live");
    let unknown = SessionRow { created_at: after(NOW, TICK), ..trial.row(99) };
    assert_eq!(
        trial.page(subject, NOW, Page::after(&unknown, 1)).await,
        rows[..1],
        "after an unknown session"
    );
}

/// Ten thousand sessions of one subject are listed, and all but one are ended.
pub async fn ten_thousand_sessions_of_one_subject_are_listed_and_ended<S: SessionStore>(store: &S) {
    const SESSIONS: u32 = 10_000;
    let trial = Trial::new(store);
    let rows: Vec<_> = (0..SESSIONS)
        .map(|age| SessionRow { created_at: before(NOW, TICK * age), ..trial.row(age.into()) })
        .collect();
    trial.create_all(&rows).await;
    let listed = trial.list(&rows[0].subject, NOW).await;
    assert!(listed == rows, "all {SESSIONS} are listed, the newest login first");

    let ended = trial.end_subject(&rows[0].subject, Some(rows[0].handle), NOW).await;
    let others = sorted(rows[1..].iter().map(|row| row.handle).collect());
    assert!(ended == others, "all but the exception are ended");
    assert_eq!(trial.list(&rows[0].subject, NOW).await, rows[..1], "the exception remains");
}
