//! Ends the sessions of a subject, in batches.

use std::time::Instant;

use tower_refresh_core::{Ended, SessionHandle, StoreError, Subject};

use super::{
    end::{End, end_all},
    first_index,
    subject_index::{self, Entry},
};
use crate::{database::Database, feed::log};

/// The number of sessions of a subject after which a call returns.
const BATCH: usize = 1000;

#[derive(Default)]
struct Progress {
    ended: Vec<SessionHandle>,
    failure: Option<StoreError>,
}

/// Ends about [`BATCH`] sessions of the subject, and returns those that this call ended. Returns none only after all were
/// examined. If it fails after it ended some, it returns these, and the next call reports the failure if it persists: the caller
/// would not learn otherwise which ones have ended.
pub(crate) async fn end_some(
    database: &Database,
    subject: &Subject,
    except: Option<SessionHandle>,
    ended: Ended,
    version: u64,
) -> Result<Vec<SessionHandle>, StoreError> {
    first_index::convert(database, subject).await?;
    let end = End { only: Some(subject), ended, version };
    // With one more request that is not answered, the call still ends before the middleware's own limit.
    let (started, enough_time) = (Instant::now(), database.connection.timeout() / 4);
    let (mut progress, mut after) = (Progress::default(), None);
    loop {
        match end_batch(database, subject, except, end, after, &mut progress).await {
            Ok(last) => after = last,
            Err(error) => {
                after = None;
                progress.failure.get_or_insert(error);
            }
        }
        let is_late = !progress.ended.is_empty() && started.elapsed() > enough_time;
        if after.is_none() || progress.ended.len() >= BATCH || is_late {
            break;
        }
    }
    match progress.failure {
        Some(error) if progress.ended.is_empty() => Err(error),
        _ => Ok(progress.ended),
    }
}

/// Ends the sessions after the given one. Returns the last one that it examined, or `None` if there are no more. A row that cannot
/// be read is a failure, but does not keep the other sessions from being ended.
async fn end_batch(
    database: &Database,
    subject: &Subject,
    except: Option<SessionHandle>,
    end: End<'_>,
    after: Option<Entry>,
    progress: &mut Progress,
) -> Result<Option<Entry>, StoreError> {
    let entries = subject_index::entries(database, subject, after, BATCH).await?;
    let handles = entries.iter().map(|&(_, handle)| handle).filter(|&handle| Some(handle) != except);
    let handles: Vec<_> = handles.collect();
    let (mut live, mut ended_before) = (Vec::new(), Vec::new());
    let (mut over, mut missing) = (Vec::new(), Vec::new());
    for (&handle, row) in handles.iter().zip(subject_index::load(database, &handles).await?) {
        match row {
            Ok(Some(row)) if row.subject == *subject && row.ended.is_none() => live.push(handle),
            Ok(Some(row)) if row.subject == *subject => ended_before.push(handle),
            Ok(Some(_)) => over.push(handle),
            Ok(None) => missing.push(handle),
            Err(error) => drop(progress.failure.get_or_insert(error)),
        }
    }
    subject_index::remove_missing(database, subject, &missing).await;
    log::append_ended(database, &live, end.ended.at).await?;
    // A call may have failed because the replicas did not have these ends yet.
    let again = if database.waiting.is_some() { &mut live } else { &mut over };
    again.append(&mut ended_before);

    let outcome = end_all(database, &live, end).await;
    let (mut done, mut failure) = (Vec::new(), Ok(()));
    for (&handle, session) in live.iter().zip(outcome.sessions) {
        match session {
            Ok(ended_now) => {
                progress.ended.extend(ended_now.map(|_| handle));
                done.push(handle);
            }
            Err(error) => failure = failure.and(Err(error)),
        }
    }
    if outcome.waited.is_ok() {
        over.append(&mut done);
    }
    subject_index::remove(database, subject, &over).await;
    outcome.waited.and(failure)?;
    Ok(entries.last().copied().filter(|_| entries.len() == BATCH))
}
