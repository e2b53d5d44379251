//! The feed of ended sessions and outdated claims, received with LISTEN on a connection of its own.

use std::{convert::Infallible, future::pending, time::Duration};

use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, types::Type};
use tower_refresh_core::{FeedWatcher, StoreError, StoreErrorKind, Timestamp};
use tower_refresh_postgres_schema::{Echo, Notice, millis};

use crate::{
    connection::{ListenConnection, ListenConnector, Messages},
    database::Database,
    error::store_error,
    table::{read_epoch, read_handle, read_time},
};

/// How often a silent server is probed.
const PING_EVERY: Duration = Duration::from_secs(5);

const NOTHING_HEARD: &str = "the connection of the feed receives no notifications: it leads through a pooler that gives each \
     transaction another connection, such as PgBouncer in transaction mode, or to another database than the store; \
     give the feed a direct connection with `PostgresOptions::with_feed_url`";

/// Runs until the connection is lost, or receives no notifications.
pub(crate) async fn watch(
    database: &Database,
    connector: &ListenConnector,
    since: Timestamp,
    watcher: &dyn FeedWatcher,
) -> Result<Infallible, StoreError> {
    let since = millis(since)?;
    let connecting = async { connector.connect().await.map_err(store_error) };
    let ListenConnection { client, messages } = within_limit(database, connecting).await?;
    let mut listener = Listener { messages, watcher, echo: Echo::new() };

    // Every commit from here on is notified, so an end that is too late for the query is not missed.
    let statements = &database.statements;
    let listen = format!("LISTEN {}; LISTEN {}", statements.channel, listener.echo.channel());
    within_limit(database, listener.drive(client.batch_execute(&listen))).await?.map_err(store_error)?;
    listener.send_echo(database).await??;
    listener.until_heard(database).await?;
    let ended = async { client.query_typed(&statements.ended_since.sql, &[(&since, Type::INT8)]).await };
    for columns in within_limit(database, listener.drive(ended)).await?.map_err(store_error)? {
        watcher.ended(read_handle(&columns, 0)?, read_time(&columns, 1)?);
    }
    let outdated =
        async { client.query_typed(&statements.outdated_since.sql, &[(&since, Type::INT8)]).await };
    for columns in within_limit(database, listener.drive(outdated)).await?.map_err(store_error)? {
        watcher.outdated(read_handle(&columns, 0)?, read_epoch(&columns, 1)?);
    }
    watcher.caught_up();

    loop {
        if let Ok(lost) = timeout(PING_EVERY, listener.drive(pending::<()>())).await {
            lost?;
        }
        within_limit(database, listener.drive(client.batch_execute(""))).await?.map_err(store_error)?;
        // A pool that cannot send does not mean that the connection cannot receive.
        if listener.send_echo(database).await?.is_ok() {
            listener.until_heard(database).await?;
        }
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
    watcher: &'a dyn FeedWatcher,
    echo: Echo,
}

impl Listener<'_> {
    /// Receives messages until `work` is done. This drives the connection, which the work may wait for.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let Self { messages, watcher, echo } = self;
        let receive = |message| {
            hear(message, *watcher, echo);
            None
        };
        Ok(messages.drive(work, receive).await?)
    }

    /// Sends a notification through the pool.
    async fn send_echo(&mut self, database: &Database) -> Result<Result<(), StoreError>, StoreError> {
        self.echo.reset();
        let channel = self.echo.channel().to_owned();
        let send = async { database.execute(&database.statements.echo, &[&channel]).await.map(drop) };
        self.drive(send).await
    }

    /// Waits until what was sent is received.
    async fn until_heard(&mut self, database: &Database) -> Result<(), StoreError> {
        let Self { messages, watcher, echo } = self;
        if echo.was_heard() {
            return Ok(());
        }
        let receive = |message| {
            hear(message, *watcher, echo);
            echo.was_heard().then_some(Ok(()))
        };
        let deaf = async {
            sleep(database.timeout).await;
            Err(StoreError::with_source(StoreErrorKind::Unavailable, NOTHING_HEARD))
        };
        messages.drive(deaf, receive).await?
    }
}

fn hear(message: AsyncMessage, watcher: &dyn FeedWatcher, echo: &mut Echo) {
    let AsyncMessage::Notification(notification) = message else { return };
    if echo.hear(notification.channel()) {
        return;
    }
    Notice::report(notification.payload(), watcher);
}
