//! Concurrent calls have the effect of some sequence of them.

use super::{
    join::join_all,
    trial::{MINUTE, NOW, Trial, after, sorted},
};
use crate::{EndReason, Ended, SessionRow, SessionStore};

const RACERS: u32 = 16;
const ROUNDS: u64 = 10;

fn count(wins: &[bool]) -> usize {
    wins.iter().filter(|&&won| won).count()
}

/// Of many creates of one handle, exactly one succeeds, and its row is the stored one.
pub async fn of_many_creates_of_one_handle_one_succeeds<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for round in 0..ROUNDS {
        let rows: Vec<_> =
            (0..RACERS).map(|generation| SessionRow { generation, ..trial.row(round) }).collect();
        let wins = join_all(rows.iter().map(|row| trial.try_create(row))).await;
        assert_eq!(count(&wins), 1, "exactly one create succeeds");
        let winner = rows.iter().zip(wins).find(|(_, won)| *won);
        trial.expect(winner.expect("one won").0).await;
    }
}

/// Of many swaps at one version, exactly one succeeds, and its values are the stored ones.
pub async fn of_many_swaps_at_one_version_one_succeeds<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    trial.created(0).await;
    for round in 0..ROUNDS {
        let row = trial.load(trial.handle(0)).await.expect("the row exists");
        let rows: Vec<_> = (0..RACERS)
            .map(|racer| SessionRow {
                generation: racer,
                rotated_at: after(NOW, MINUTE * racer),
                confirmed: racer % 2 == 0,
                ..row.clone()
            })
            .collect();
        let version = |racer: &SessionRow| trial.version(round * 100 + u64::from(racer.generation));
        let wins = join_all(rows.iter().map(|row| trial.swap(row, version(row)))).await;
        assert_eq!(count(&wins), 1, "exactly one swap succeeds");
        let winner = rows.iter().zip(wins).find(|(_, won)| *won).expect("one won").0;
        trial.expect(&SessionRow { version: version(winner), ..winner.clone() }).await;
    }
}

/// Of many ends of one session, exactly one succeeds, and its reason and time are the stored ones.
pub async fn of_many_ends_one_succeeds<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for round in 0..ROUNDS {
        let row = trial.created(round).await;
        let ends: Vec<_> = (0..RACERS)
            .zip(EndReason::ALL.into_iter().cycle())
            .map(|(racer, reason)| Ended::new(reason, after(NOW, MINUTE * racer)))
            .collect();
        let version = |end: &Ended| trial.version(end.at.as_millis());
        let wins = join_all(ends.iter().map(|end| trial.end_at(row.handle, *end, version(end)))).await;
        assert_eq!(count(&wins), 1, "exactly one end succeeds");
        let winner = ends.iter().zip(wins).find(|(_, won)| *won).expect("one won").0;
        trial.expect(&SessionRow { ended: Some(*winner), version: version(winner), ..row }).await;
    }
}

/// An end among swaps succeeds. At most one swap succeeds before it, and none after it.
pub async fn an_end_among_swaps_is_final<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    for round in 0..ROUNDS {
        let row = trial.created(round).await;
        let racer = |racer: u32| {
            let (trial, row) = (&trial, &row);
            async move {
                if u64::from(racer) == round {
                    return trial.end(row.handle, EndReason::Logout, NOW).await;
                }
                let next = SessionRow { generation: 1 + racer, ..row.clone() };
                trial.swap(&next, trial.version(racer.into())).await
            }
        };
        let wins = join_all((0..RACERS).map(racer)).await;
        assert!(wins[round as usize], "the end succeeds");
        let swapped = (0..RACERS).zip(&wins).find(|&(racer, &won)| won && u64::from(racer) != round);
        assert!(count(&wins) <= 2, "at most one swap succeeds");
        let swapped = SessionRow { generation: swapped.map_or(0, |(racer, _)| 1 + racer), ..row };
        let expected = trial.ended(&swapped, EndReason::Logout, NOW);
        trial.expect(&expected).await;
        assert!(
            !trial.swap(&SessionRow { ended: None, ..expected.clone() }, trial.version(99)).await,
            "no swap succeeds after the session ended"
        );
        trial.expect(&expected).await;
    }
}

/// Of the logins during the call, exactly those are ended that the call returns.
pub async fn ending_a_subject_during_logins_ends_exactly_what_it_returns<S: SessionStore>(store: &S) {
    let trial = Trial::new(store);
    let rows: Vec<_> = (0..RACERS.into()).map(|number| trial.row(number)).collect();
    let (first, racing) = rows.split_at(4);
    trial.create_all(first).await;
    let racer = |index: usize| {
        let (trial, racing, subject) = (&trial, &racing, &rows[0].subject);
        async move {
            if index == racing.len() / 2 {
                return trial.end_subject(subject, None, NOW).await;
            }
            trial.create(&racing[index]).await;
            Vec::new()
        }
    };
    let returned = join_all((0..racing.len()).map(racer)).await.concat();

    let mut ended = Vec::new();
    for row in &rows {
        if trial.load(row.handle).await.is_some_and(|row| row.ended.is_some()) {
            ended.push(row.handle);
        }
    }
    assert_eq!(sorted(ended), returned, "the sessions that ended are those that the call returned");
    assert!(first.iter().all(|row| returned.contains(&row.handle)), "sessions from before the call ended");
}
