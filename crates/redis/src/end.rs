//! The end of sessions.
//!
//! An end is noted in the log first, then written to the row, and told on the channel in the same step as it is written. If
//! the second never follows, the log names a session that did not end, which whoever reads it leaves out.

use futures_util::{StreamExt, TryStreamExt, stream};
use redis::{Value, cmd};
use tower_refresh_core::{Ended, SessionHandle, StoreError, StoreErrorKind, Subject, Timestamp};

use crate::{error::failed, feed, inner::Inner, list, options::Wait, request::Request, row, scripts};

const NOTES_AT_ONCE: usize = 250;
const ENDS_AT_ONCE: usize = 128;

/// Notes that the sessions are about to be ended.
pub(crate) async fn note(inner: &Inner, handles: &[SessionHandle], at: Timestamp) -> Result<(), StoreError> {
    let (key, window) = (inner.keys.log(), inner.feed_window.as_millis().to_string());
    let at = at.as_millis().to_be_bytes();
    for handles in handles.chunks(NOTES_AT_ONCE) {
        let mut arguments: Vec<&[u8]> = vec![window.as_bytes(), &at];
        arguments.extend(handles.iter().map(|handle| handle.as_bytes().as_slice()));
        inner.ask::<()>(Request::script(&inner.scripts.log, &key, &arguments)).await?;
    }
    Ok(())
}

/// Ends the session, if it is one of `only`, where given. Returns its subject if this call ended it.
pub(crate) async fn end(
    inner: &Inner,
    handle: SessionHandle,
    only: Option<&Subject>,
    ended: Ended,
) -> Result<Option<Subject>, StoreError> {
    let (key, channel) = (inner.keys.row(handle), inner.keys.channel());
    let writer = inner.writer().to_be_bytes();
    let expiry = inner.forgotten_at(ended.at);
    let message = feed::message(handle, ended.at);
    let end = row::ended(Some(ended));
    let again: &[u8] = if inner.waiting.is_some() { b"1" } else { b"0" };
    let mut arguments: Vec<&[u8]> =
        vec![&end, &writer, expiry.as_bytes(), channel.as_bytes(), &message, again];
    arguments.extend(only.map(|subject| subject.as_str().as_bytes()));
    let subject: Option<Vec<u8>> = match &inner.waiting {
        None => inner.ask(Request::script(&inner.scripts.end, &key, &arguments)).await?,
        Some((wait, link)) => {
            let mut pipeline = redis::pipe();
            pipeline.cmd("EVAL").arg(scripts::END).arg(1).arg(&key).arg(&arguments[..]);
            pipeline.add_command(wait.command());
            let answers = link.ask(&Request::Pipeline(pipeline)).await?;
            let (subject, waited): (_, Value) =
                redis::from_redis_value(answers).map_err(|error| failed(error.into()))?;
            wait.check(&waited)?;
            subject
        }
    };
    subject
        .map(|subject| String::from_utf8(subject).map(Subject::new))
        .transpose()
        .map_err(|error| StoreError::with_source(StoreErrorKind::Corrupt, error))
}

/// Ends those of the sessions that are the subject's, and returns which this call ended.
pub(crate) async fn end_all(
    inner: &Inner,
    subject: &Subject,
    handles: &[SessionHandle],
    ended: Ended,
) -> Result<Vec<SessionHandle>, StoreError> {
    let mut all = Vec::new();
    for handles in handles.chunks(ENDS_AT_ONCE * 4) {
        note(inner, handles, ended.at).await?;
        let ends: Vec<_> = handles.iter().map(|&handle| end_one_of(inner, handle, subject, ended)).collect();
        let ended: Vec<_> = stream::iter(ends).buffer_unordered(ENDS_AT_ONCE).try_collect().await?;
        let ended: Vec<_> = ended.into_iter().flatten().collect();
        list::remove(inner, subject, &ended).await;
        all.extend(ended);
    }
    Ok(all)
}

async fn end_one_of(
    inner: &Inner,
    handle: SessionHandle,
    subject: &Subject,
    ended: Ended,
) -> Result<Option<SessionHandle>, StoreError> {
    Ok(end(inner, handle, Some(subject), ended).await?.map(|_| handle))
}

impl Wait {
    fn command(&self) -> redis::Cmd {
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let mut wait = cmd(if self.on_disk { "WAITAOF" } else { "WAIT" });
        if self.on_disk {
            wait.arg(1);
        }
        wait.arg(self.replicas).arg(timeout);
        wait
    }

    fn check(&self, waited: &Value) -> Result<(), StoreError> {
        let (disk, replicas) = match waited {
            Value::Array(counts) => match counts[..] {
                [Value::Int(disk), Value::Int(replicas)] => (disk > 0, replicas),
                _ => (false, 0),
            },
            Value::Int(replicas) => (!self.on_disk, *replicas),
            _ => (false, 0),
        };
        if disk && replicas >= i64::from(self.replicas) {
            return Ok(());
        }
        let wanted = self.replicas;
        Err(StoreError::with_source(
            StoreErrorKind::TimedOut,
            format!("the session is ended on the primary, and on {replicas} of {wanted} replicas so far"),
        ))
    }
}
