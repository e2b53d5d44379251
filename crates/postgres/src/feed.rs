//! The feed of ended sessions, received with LISTEN on a connection of its own.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::time::timeout;
use tokio_postgres::AsyncMessage;
use tower_refresh_core::{EndWatcher, SessionHandle, StoreError, StoreErrorKind, Timestamp};

use crate::{
    connection::{ListenConnection, ListenConnector, Messages},
    database::Database,
    error::store_error,
    table::row::{millis, read_handle, read_time},
};

/// How often a silent server is probed.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Runs until the connection is lost.
pub(crate) async fn watch(
    database: &Database,
    connector: &ListenConnector,
    since: Timestamp,
    watcher: &dyn EndWatcher,
) -> Result<Infallible, StoreError> {
    let since = millis(since)?;
    let connecting = async { connector.connect().await.map_err(store_error) };
    let ListenConnection { client, messages } = within_limit(database, connecting).await?;
    let mut listener = Listener { messages, watcher };

    // Every commit from here on is notified, so an end that is too late for the query is not missed.
    let listen = client.batch_execute(&database.statements.listen);
    within_limit(database, listener.drive(listen)).await?.map_err(store_error)?;
    let ended = async { client.query(&database.statements.ended_since, &[&since]).await };
    for columns in within_limit(database, listener.drive(ended)).await?.map_err(store_error)? {
        watcher.ended(read_handle(&columns, 0)?, read_time(&columns, 1)?);
    }
    watcher.caught_up();

    loop {
        if let Ok(lost) = timeout(PING_EVERY, listener.drive(pending::<()>())).await {
            lost?;
        }
        within_limit(database, listener.drive(client.batch_execute(""))).await?.map_err(store_error)?;
    }
}

async fn within_limit<T>(
    database: &Database,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(database.timeout, work).await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::TimedOut)))
}

/// Reports notifications to the watcher.
struct Listener<'a> {
    messages: Messages,
    watcher: &'a dyn EndWatcher,
}

impl Listener<'_> {
    /// Receives messages until `work` is done. This drives the connection, which the work may wait for.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let mut work = pin!(work);
        poll_fn(|context| {
            while let Poll::Ready(message) = self.messages.poll(context) {
                match message {
                    Some(Ok(message)) => self.report(&message),
                    Some(Err(error)) => return Poll::Ready(Err(store_error(error))),
                    None => return Poll::Ready(Err(StoreError::new(StoreErrorKind::Unavailable))),
                }
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }

    fn report(&self, message: &AsyncMessage) {
        let AsyncMessage::Notification(notification) = message else { return };
        // Every user of the database may send to the channel, so other payloads are ignored.
        match parse(notification.payload()) {
            Some((session, at)) => self.watcher.ended(session, at),
            None => self.watcher.unknown_notice(),
        }
    }
}

fn parse(payload: &str) -> Option<(SessionHandle, Timestamp)> {
    let (session, at) = payload.split_once(' ')?;
    Some((session.parse().ok()?, Timestamp::from_millis(at.parse().ok()?)))
}
