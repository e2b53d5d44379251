//! The feed of ends, heard by LISTEN on a connection of its own.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::time::timeout;
use tokio_postgres::AsyncMessage;
use tower_refresh_core::{EndWatcher, SessionHandle, StoreErrorKind, Timestamp};

use crate::{
    connect::{Dial, Line, Messages},
    database::Database,
    error::Failure,
    row::{millis, read_handle, read_time},
};

/// How often a silent server is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Goes on until the connection is lost.
pub(crate) async fn follow(
    database: &Database,
    dial: &Dial,
    since: Timestamp,
    watcher: &dyn EndWatcher,
) -> Result<Infallible, Failure> {
    let since = millis(since)?;
    let Line { client, messages } = within(database, async { Ok(dial.dial().await?) }).await?;
    let mut ear = Ear { messages, watcher };

    // Whatever is committed from here on is heard, so an end that the query is too early for is not missed.
    within(database, ear.hear(client.batch_execute(&database.statements.listen))).await??;
    let ended = async { client.query(&database.statements.ended_since, &[&since]).await };
    for columns in within(database, ear.hear(ended)).await?? {
        watcher.ended(read_handle(&columns, 0)?, read_time(&columns, 1)?);
    }
    watcher.caught_up();

    loop {
        if let Ok(lost) = timeout(PING_EVERY, ear.hear(pending::<()>())).await {
            lost?;
        }
        within(database, ear.hear(client.batch_execute(""))).await??;
    }
}

async fn within<T>(
    database: &Database,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    timeout(database.time_limit, work).await.unwrap_or_else(|_| Err(StoreErrorKind::TimedOut.into()))
}

/// Tells the watcher what it hears.
struct Ear<'a> {
    messages: Messages,
    watcher: &'a dyn EndWatcher,
}

impl Ear<'_> {
    /// Hears on until `work` is done. It drives the connection, which the work may wait for.
    async fn hear<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut work = pin!(work);
        poll_fn(|context| {
            while let Poll::Ready(message) = self.messages.poll(context) {
                match message {
                    Some(Ok(message)) => self.tell(&message),
                    Some(Err(error)) => return Poll::Ready(Err(error.into())),
                    None => return Poll::Ready(Err(StoreErrorKind::Unavailable.into())),
                }
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }

    fn tell(&self, message: &AsyncMessage) {
        let AsyncMessage::Notification(notification) = message else { return };
        // Anybody who is let into the database may send to the channel.
        if let Some((session, at)) = parse(notification.payload()) {
            self.watcher.ended(session, at);
        }
    }
}

fn parse(payload: &str) -> Option<(SessionHandle, Timestamp)> {
    let (session, at) = payload.split_once(' ')?;
    Some((session.parse().ok()?, Timestamp::from_millis(at.parse().ok()?)))
}
