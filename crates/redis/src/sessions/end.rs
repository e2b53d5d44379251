//! Ends sessions.
//!
//! A session end is appended to the log first, and then written to the row and published on the channel in one step. If the
//! second step never happens, the log has an entry of a session that is not ended, which readers of the log ignore.

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::Value;
use tower_refresh_core::{Ended, SessionHandle, StoreError, StoreErrorKind, Subject};

use super::subject_index;
use crate::{
    connection::Request,
    database::Database,
    error::store_error,
    feed::{log, message},
    keyspace::{END_SCRIPT, row},
};

const ENDS_AT_ONCE: usize = 128;
/// The number of sessions of a subject after which a call returns.
const ENOUGH: usize = 1000;

/// Ends the session, if its subject is `only` or no subject is given. Returns its subject if this call ended it.
pub(crate) async fn end(
    database: &Database,
    handle: SessionHandle,
    only: Option<&Subject>,
    ended: Ended,
    version: u64,
) -> Result<Option<Subject>, StoreError> {
    let (key, channel) = (database.keys.row(handle), database.keys.channel());
    let (writer, version) = (database.next_writer().to_be_bytes(), version.to_be_bytes());
    let expiry = database.key_expiry(ended.at);
    let message = message::encode(handle, ended.at);
    let encoded = row::encode_ended(Some(ended));
    let write_again: &[u8] = if database.waiting.is_some() { b"1" } else { b"0" };
    let mut arguments: Vec<&[u8]> =
        vec![&encoded, &writer, &version, expiry.as_bytes(), channel.as_bytes(), &message, write_again];
    arguments.extend(only.map(|subject| subject.as_str().as_bytes()));
    let subject: Option<Vec<u8>> = match &database.waiting {
        None => database.query(Request::script(&database.scripts.end, &key, &arguments)).await?,
        Some((wait, connection)) => {
            let mut pipeline = redis::pipe();
            pipeline.cmd("EVAL").arg(END_SCRIPT).arg(1).arg(&key).arg(&arguments[..]);
            pipeline.add_command(wait.command());
            let answers = connection.send(&Request::Pipeline(pipeline)).await?;
            let (subject, waited): (_, Value) =
                redis::from_redis_value(answers).map_err(|error| store_error(error.into()))?;
            wait.check(&waited)?;
            subject
        }
    };
    subject
        .map(|subject| String::from_utf8(subject).map(Subject::new))
        .transpose()
        .map_err(|error| StoreError::with_source(StoreErrorKind::Corrupt, error))
}

/// Ends the session, unless it has ended or does not exist: then nothing is written, so that logouts with a dead token do not
/// fill the log. Returns its subject if this call ended it.
pub(crate) async fn end_live(
    database: &Database,
    handle: SessionHandle,
    ended: Ended,
    version: u64,
) -> Result<Option<Subject>, StoreError> {
    match log::state(database, handle).await? {
        None => return Ok(None),
        // The replicas may not have the end yet, and only a write makes them confirm it.
        Some(Some(_)) if database.waiting.is_none() => return Ok(None),
        Some(Some(_)) => {}
        Some(None) => log::append(database, &[handle], ended.at).await?,
    }
    end(database, handle, None, ended, version).await
}

/// Ends about [`ENOUGH`] sessions of the subject, and returns those that this call ended. Returns none only after all were
/// examined.
pub(crate) async fn end_some(
    database: &Database,
    subject: &Subject,
    except: Option<SessionHandle>,
    ended: Ended,
    version: u64,
) -> Result<Vec<SessionHandle>, StoreError> {
    let (mut all, mut cursor) = (Vec::new(), 0);
    loop {
        let (next, rows) = subject_index::rows(database, subject, cursor).await?;
        let (live, over): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.ended.is_none());
        let over: Vec<_> = over.iter().map(|row| row.handle).collect();
        subject_index::remove(database, subject, &over).await;
        let live = live.iter().map(|row| row.handle).filter(|&handle| Some(handle) != except);
        all.extend(end_each(database, subject, &live.collect::<Vec<_>>(), ended, version).await?);
        if next == 0 || all.len() >= ENOUGH {
            return Ok(all);
        }
        cursor = next;
    }
}

async fn end_each(
    database: &Database,
    subject: &Subject,
    handles: &[SessionHandle],
    ended: Ended,
    version: u64,
) -> Result<Vec<SessionHandle>, StoreError> {
    log::append(database, handles, ended.at).await?;
    let ends: Vec<_> =
        handles.iter().map(|&handle| end_one_of(database, handle, subject, ended, version)).collect();
    let ended: Vec<_> = stream::iter(ends).buffer_unordered(ENDS_AT_ONCE).try_collect().await?;
    let ended: Vec<_> = ended.into_iter().flatten().collect();
    subject_index::remove(database, subject, &ended).await;
    Ok(ended)
}

async fn end_one_of(
    database: &Database,
    handle: SessionHandle,
    subject: &Subject,
    ended: Ended,
    version: u64,
) -> Result<Option<SessionHandle>, StoreError> {
    Ok(end(database, handle, Some(subject), ended, version).await?.map(|_| handle))
}
