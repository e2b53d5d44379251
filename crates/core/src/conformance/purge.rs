//! A purge removes the rows of sessions that ended or expired, and they stay removed.

use super::trial::{DAY, MINUTE, NOW, PURGE, TICK, Trial, after, before, sorted};
use crate::{EndReason, SessionRow, SessionStore, Timestamp};

/// A session that logged in an hour before [`PURGE`].
fn row<S: SessionStore>(trial: &Trial<'_, S>, number: u64) -> SessionRow {
    let login = before(PURGE, MINUTE * 60);
    SessionRow { created_at: login, rotated_at: login, ..trial.row(number) }
}

/// Rows of sessions that ended or expired before the given time are removed. Those at that time or later, and live
/// sessions, remain.
pub async fn a_purge_removes_exactly_the_rows_dead_before_the_given_time<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let (early, late) = (before(PURGE, TICK), after(PURGE, TICK));
    let gone = [
        SessionRow { idle_expiry: early, ..row(&trial, 0) },
        SessionRow { absolute_expiry: early, ..row(&trial, 1) },
        SessionRow { idle_expiry: early, absolute_expiry: early, ..row(&trial, 2) },
        row(&trial, 3),
    ];
    let stays = [
        SessionRow { idle_expiry: PURGE, ..row(&trial, 10) },
        SessionRow { absolute_expiry: PURGE, ..row(&trial, 11) },
        SessionRow { idle_expiry: late, ..row(&trial, 12) },
        row(&trial, 13),
    ];
    let ended_then = row(&trial, 14);
    let ended_later = row(&trial, 15);
    trial.create_all(&gone).await;
    trial.create_all(&stays).await;
    trial.create_all(&[ended_then.clone(), ended_later.clone()]).await;
    assert!(trial.end(gone[3].handle, EndReason::Logout, early).await, "this call ended the session");
    assert!(trial.end(ended_then.handle, EndReason::Logout, PURGE).await, "this call ended the session");
    assert!(trial.end(ended_later.handle, EndReason::Logout, late).await, "this call ended the session");

    trial.purge().await;
    for row in gone {
        trial.expect_none(row.handle).await;
    }
    for row in stays {
        trial.expect(&row).await;
    }
    for row in [ended_then, ended_later] {
        assert!(
            trial.load(row.handle).await.is_some(),
            "a session that ended at the given time or later remains"
        );
    }
}

/// The earlier of session end and expiry counts, in whichever order they are written.
pub async fn a_purge_uses_the_earlier_of_session_end_and_expiry<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let early = before(PURGE, MINUTE);
    let expired_then_ended = SessionRow { idle_expiry: early, ..row(&trial, 0) };
    let ended_long_before_expiry = row(&trial, 1);
    let ended_at_the_epoch = row(&trial, 2);
    trial
        .create_all(&[
            expired_then_ended.clone(),
            ended_long_before_expiry.clone(),
            ended_at_the_epoch.clone(),
        ])
        .await;
    for (row, at) in [
        (&expired_then_ended, after(PURGE, MINUTE)),
        (&ended_long_before_expiry, early),
        (&ended_at_the_epoch, Timestamp::default()),
    ] {
        assert!(
            trial.end(row.handle, EndReason::Revoked, at).await || trial.load(row.handle).await.is_none()
        );
    }
    trial.purge().await;
    for row in [expired_then_ended, ended_long_before_expiry, ended_at_the_epoch] {
        trial.expect_none(row.handle).await;
    }
}

/// A swap that moves the idle expiry counts: a prolonged session remains, a shortened one is removed.
pub async fn a_purge_follows_a_moved_expiry<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let (soon, late) = (after(PURGE, TICK), after(NOW, DAY));
    let (prolonged, shortened) = (
        SessionRow { idle_expiry: soon, ..row(&trial, 0) },
        SessionRow { idle_expiry: late, ..row(&trial, 1) },
    );
    trial.create_all(&[prolonged.clone(), shortened.clone()]).await;
    let prolonged = SessionRow { idle_expiry: late, ..prolonged };
    let shortened = SessionRow { idle_expiry: before(PURGE, TICK), ..shortened };
    for row in [&prolonged, &shortened] {
        assert!(trial.swap(row, trial.version(0)).await, "a swap at the stored version succeeds");
    }
    trial.purge().await;
    trial.expect(&SessionRow { version: trial.version(0), ..prolonged }).await;
    trial.expect_none(shortened.handle).await;
}

/// Repeated until it returns 0, a purge removes all rows, regardless of how many each call removes.
pub async fn purging_until_nothing_is_left_removes_all<S: SessionStore>(store: &S) {
    const ROWS: u64 = 2_500;
    let trial = Trial::new(store);
    let rows: Vec<_> = (0..ROWS)
        .map(|number| SessionRow {
            idle_expiry: before(PURGE, TICK * (1 + number as u32)),
            ..row(&trial, number)
        })
        .collect();
    trial.create_all(&rows).await;
    trial.purge().await;
    for row in rows {
        trial.expect_none(row.handle).await;
    }
}

/// If no session ended or expired before the given time, nothing is removed and 0 is returned.
pub async fn a_purge_of_nothing_removes_nothing<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let row = trial.created(0).await;
    assert_eq!(trial.purge_once(Timestamp::default()).await, 0, "no session ended before the epoch");
    trial.expect(&row).await;
}

/// No swap and no end revives a purged session. Its handle is free, and its subject no longer has it.
pub async fn nothing_revives_a_purged_session<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let other = trial.created(10).await;
    let purged = SessionRow { idle_expiry: before(PURGE, TICK), ..row(&trial, 0) };
    trial.create(&purged).await;
    trial.purge().await;

    let prolonged = SessionRow { idle_expiry: after(NOW, DAY), ..purged.clone() };
    assert!(!trial.swap(&prolonged, trial.version(0)).await, "a swap of a purged row fails");
    trial.expect_none(purged.handle).await;
    assert!(!trial.end(purged.handle, EndReason::Logout, NOW).await, "an end of a purged row returns false");
    trial.expect_none(purged.handle).await;
    assert_eq!(trial.list(&purged.subject, NOW).await, [other], "a purged row is not listed");

    trial.create(&prolonged).await;
    trial.expect(&prolonged).await;
    let ended = trial.end_subject(&prolonged.subject, None, NOW).await;
    assert_eq!(ended, sorted(vec![prolonged.handle, trial.handle(10)]), "the new session is the subject's");
}
