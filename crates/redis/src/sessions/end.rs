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

/// Ends the session, if its subject is `only` or no subject is given. Returns its subject if this call ended it.
pub(crate) async fn end(
    database: &Database,
    handle: SessionHandle,
    only: Option<&Subject>,
    ended: Ended,
) -> Result<Option<Subject>, StoreError> {
    let (key, channel) = (database.keys.row(handle), database.keys.channel());
    let writer = database.next_writer().to_be_bytes();
    let expiry = database.key_expiry(ended.at);
    let message = message::encode(handle, ended.at);
    let encoded = row::encode_ended(Some(ended));
    let write_again: &[u8] = if database.waiting.is_some() { b"1" } else { b"0" };
    let mut arguments: Vec<&[u8]> =
        vec![&encoded, &writer, expiry.as_bytes(), channel.as_bytes(), &message, write_again];
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

/// Ends those of the sessions that belong to the subject, and returns the ones that this call ended.
pub(crate) async fn end_all(
    database: &Database,
    subject: &Subject,
    handles: &[SessionHandle],
    ended: Ended,
) -> Result<Vec<SessionHandle>, StoreError> {
    let mut all = Vec::new();
    for handles in handles.chunks(ENDS_AT_ONCE * 4) {
        log::append(database, handles, ended.at).await?;
        let ends: Vec<_> =
            handles.iter().map(|&handle| end_one_of(database, handle, subject, ended)).collect();
        let ended: Vec<_> = stream::iter(ends).buffer_unordered(ENDS_AT_ONCE).try_collect().await?;
        let ended: Vec<_> = ended.into_iter().flatten().collect();
        subject_index::remove(database, subject, &ended).await;
        all.extend(ended);
    }
    Ok(all)
}

async fn end_one_of(
    database: &Database,
    handle: SessionHandle,
    subject: &Subject,
    ended: Ended,
) -> Result<Option<SessionHandle>, StoreError> {
    Ok(end(database, handle, Some(subject), ended).await?.map(|_| handle))
}
