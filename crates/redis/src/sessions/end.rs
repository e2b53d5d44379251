//! Ends sessions.
//!
//! A session end is appended to the log first, and then written to the row and published on the channel in one step. If the
//! second step never happens, the log has an entry of a session that is not ended, which readers of the log ignore.

use futures_util::{StreamExt, stream};
use redis::{FromRedisValue, RedisResult, Value};
use tower_refresh_core::{Ended, SessionHandle, StoreError, StoreErrorKind, Subject};

use crate::{
    cluster,
    connection::{Request, SharedConnection, Wait, slot},
    database::Database,
    error::store_error,
    feed::{log, message},
    keyspace::row,
};

const ENDS_AT_ONCE: usize = 128;

/// What a call of [`end_all`] did.
pub(crate) struct Outcome {
    /// For each session its subject if this call ended it, or the failure.
    pub(crate) sessions: Vec<Result<Option<Subject>, StoreError>>,
    /// Whether the replicas have all of these ends, if ends wait for replicas.
    pub(crate) waited: Result<(), StoreError>,
}

/// The end of one or several sessions.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    /// If given, only sessions of this subject are ended.
    pub(crate) only: Option<&'a Subject>,
    pub(crate) ended: Ended,
    pub(crate) version: u64,
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
        Some(None) => log::append_ended(database, &[handle], ended.at).await?,
    }
    let outcome = end_all(database, &[handle], End { only: None, ended, version }).await;
    outcome.waited?;
    outcome.sessions.into_iter().next().unwrap_or(Ok(None))
}

/// Ends the sessions, which are in the log already.
pub(crate) async fn end_all(database: &Database, handles: &[SessionHandle], end: End<'_>) -> Outcome {
    if let Some((wait, connection)) = &database.waiting {
        return end_and_wait(database, *wait, connection, handles, end).await;
    }
    let ends: Vec<_> = handles.iter().map(|&handle| end_one(database, handle, end)).collect();
    let sessions = stream::iter(ends).buffered(ENDS_AT_ONCE).collect().await;
    Outcome { sessions, waited: Ok(()) }
}

async fn end_one(
    database: &Database,
    handle: SessionHandle,
    end: End<'_>,
) -> Result<Option<Subject>, StoreError> {
    let (key, arguments) = (database.keys.row(handle), arguments(database, handle, end));
    let arguments: Vec<_> = arguments.iter().map(Vec::as_slice).collect();
    subject(database.query(Request::script(&database.scripts.end, &key, &arguments)).await?)
}

/// Ends the sessions and waits for the replicas, once for all sessions of a node: `WAIT` includes all earlier writes of its
/// connection.
async fn end_and_wait(
    database: &Database,
    wait: Wait,
    connection: &SharedConnection,
    handles: &[SessionHandle],
    end: End<'_>,
) -> Outcome {
    let nodes = match nodes(database, handles).await {
        Ok(nodes) => nodes,
        Err(error) => {
            let sessions = handles.iter().map(|_| Err(error.clone())).collect();
            return Outcome { sessions, waited: Err(error) };
        }
    };
    let waits = nodes.iter().map(|places| async move {
        let handles: Vec<_> = places.iter().filter_map(|&place| handles.get(place).copied()).collect();
        end_on_node(database, wait, connection, &handles, end).await
    });
    let mut sessions: Vec<_> = handles.iter().map(|_| Ok(None)).collect();
    let mut waited = Ok(());
    for (places, outcome) in nodes.iter().zip(futures_util::future::join_all(waits).await) {
        for (&place, session) in places.iter().zip(outcome.sessions) {
            sessions[place] = session;
        }
        waited = waited.and(outcome.waited);
    }
    Outcome { sessions, waited }
}

/// The places of the handles in the slice, by the node that has their rows.
async fn nodes(database: &Database, handles: &[SessionHandle]) -> Result<Vec<Vec<usize>>, StoreError> {
    if handles.is_empty() {
        return Ok(Vec::new());
    }
    if !database.connection.is_cluster() || handles.len() == 1 {
        return Ok(vec![(0..handles.len()).collect()]);
    }
    let primaries = cluster::primaries(&cluster::ranges(database).await?);
    let mut nodes = vec![Vec::new(); primaries.len()];
    for (place, &handle) in handles.iter().enumerate() {
        let slot = slot(database.keys.row(handle));
        match primaries.iter().position(|primary| primary.has(slot)) {
            Some(node) => nodes[node].push(place),
            None => {
                return Err(StoreError::with_source(
                    StoreErrorKind::Unavailable,
                    "no node of the Cluster serves the session",
                ));
            }
        }
    }
    nodes.retain(|places| !places.is_empty());
    Ok(nodes)
}

async fn end_on_node(
    database: &Database,
    wait: Wait,
    connection: &SharedConnection,
    handles: &[SessionHandle],
    end: End<'_>,
) -> Outcome {
    let hash = database.scripts.end.hash();
    let keys = handles.iter().map(|&handle| database.keys.row(handle)).collect();
    let mut pipeline = redis::pipe();
    pipeline.cmd("SCRIPT").arg("LOAD").arg(database.scripts.end.source);
    for &handle in handles {
        let arguments = arguments(database, handle, end);
        pipeline.cmd("EVALSHA").arg(hash).arg(1).arg(database.keys.row(handle)).arg(arguments);
    }
    pipeline.add_command(wait.command());
    let answers = match connection.send(&Request::Pipeline(keys, pipeline)).await {
        Ok(Value::Array(answers)) => answers,
        Ok(_) => return failed(handles, StoreError::new(StoreErrorKind::Corrupt)),
        Err(error) => return failed(handles, error),
    };
    let mut answers = answers.into_iter().skip(1);
    let sessions = answers.by_ref().take(handles.len());
    let sessions: Vec<_> = sessions.map(read).collect();
    let waited = answers.next().unwrap_or(Value::Nil).extract_error().map_err(store_error);
    let mut outcome = Outcome { sessions: Vec::new(), waited: waited.and_then(|reply| wait.check(&reply)) };
    for (&handle, session) in handles.iter().zip(sessions) {
        match session {
            // Its slot has moved. Alone it is redirected.
            Err(error) if handles.len() > 1 && error.redirect_node().is_some() => {
                let alone = Box::pin(end_on_node(database, wait, connection, &[handle], end)).await;
                outcome.sessions.extend(alone.sessions);
                outcome.waited = outcome.waited.and(alone.waited);
            }
            answer => outcome.sessions.push(answer.map_err(store_error).and_then(subject)),
        }
    }
    outcome
}

fn failed(handles: &[SessionHandle], error: StoreError) -> Outcome {
    Outcome { sessions: handles.iter().map(|_| Err(error.clone())).collect(), waited: Err(error) }
}

/// The arguments of the script.
fn arguments(database: &Database, handle: SessionHandle, end: End<'_>) -> Vec<Vec<u8>> {
    let write_again = if database.waiting.is_some() { b"1" } else { b"0" };
    let mut arguments = vec![
        row::encode_ended(Some(end.ended)).to_vec(),
        database.next_writer().to_be_bytes().to_vec(),
        end.version.to_be_bytes().to_vec(),
        database.key_expiry(end.ended.at).into_bytes(),
        database.keys.channel().into_bytes(),
        message::ended(handle, end.ended.at).to_vec(),
        write_again.to_vec(),
    ];
    arguments.extend(end.only.map(|subject| subject.as_str().into()));
    arguments
}

fn read<T: FromRedisValue>(answer: Value) -> RedisResult<T> {
    Ok(redis::from_redis_value(answer.extract_error()?)?)
}

fn subject(answer: Option<Vec<u8>>) -> Result<Option<Subject>, StoreError> {
    answer
        .map(|subject| String::from_utf8(subject).map(Subject::new))
        .transpose()
        .map_err(|error| StoreError::with_source(StoreErrorKind::Corrupt, error))
}
