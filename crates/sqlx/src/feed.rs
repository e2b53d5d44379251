//! The feed of ended sessions and outdated claims, received with LISTEN on a connection of its own.

use std::{convert::Infallible, future::pending, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use sqlx::{
    postgres::{PgConnectOptions, PgListener, PgNotification},
    raw_sql,
};
use tokio::time::{sleep, timeout};
use tower_refresh_core::{FeedWatcher, StoreError, StoreErrorKind, Timestamp};
use tower_refresh_postgres_schema::{Echo, Notice, millis, read_epoch, read_handle, read_time};

use crate::{
    connection::{Other, is_shared, listener},
    database::{Database, bind},
    error::store_error,
    table::Columns,
};

/// How often a silent server is probed.
const PING_EVERY: Duration = Duration::from_secs(5);

const NOTHING_HEARD: &str = "the connection of the feed receives no notifications: it leads through a pooler that gives each \
     transaction another connection, such as PgBouncer in transaction mode, or to another database than the store; \
     give the feed a direct connection with `SqlxOptions::with_feed`";

/// Runs until the connection is lost, or receives no notifications, or the pool is closed.
pub(crate) async fn watch(
    database: &Database,
    options: PgConnectOptions,
    since: Timestamp,
    watcher: &dyn FeedWatcher,
) -> Result<Infallible, StoreError> {
    let watching = watch_while_open(database, options, since, watcher);
    database.pool.close_event().do_until(watching).await.map_err(store_error)?
}

async fn watch_while_open(
    database: &Database,
    options: PgConnectOptions,
    since: Timestamp,
    watcher: &dyn FeedWatcher,
) -> Result<Infallible, StoreError> {
    let since = millis(since)?;
    let statements = &database.statements;
    let echo = Echo::new();
    let connecting = listener(options, database.timeout);
    let mut listener = within_limit(database, connecting).await?;
    let asking = is_shared(&mut listener, Other::AnyOf(&database.pool));
    if within_limit(database, asking).await? {
        return Err(nothing_heard());
    }
    within_limit(database, listener.listen(echo.channel())).await?;
    let mut listener = Listener { listener, watcher, echo };
    listener.send_echo(database).await??;
    listener.until_heard(database).await?;

    // Every commit from here on is notified, so an end that is too late for the query is not missed.
    within_limit(database, listener.listener.listen(&statements.channel)).await?;
    let ended = database.query(bind(&statements.ended_since).bind(since));
    for row in listener.drive(ended).await?? {
        watcher.ended(read_handle(&Columns(&row), 0)?, read_time(&Columns(&row), 1)?);
    }
    let outdated = database.query(bind(&statements.outdated_since).bind(since));
    for row in listener.drive(outdated).await?? {
        watcher.outdated(read_handle(&Columns(&row), 0)?, read_epoch(&Columns(&row), 1)?);
    }
    watcher.caught_up();

    loop {
        if let Ok(lost) = timeout(PING_EVERY, listener.drive(pending::<()>())).await {
            lost?;
        }
        within_limit(database, async { raw_sql("").execute(&mut listener.listener).await }).await?;
        // A pool that cannot send does not mean that the connection cannot receive.
        if listener.send_echo(database).await?.is_ok() {
            listener.until_heard(database).await?;
        }
    }
}

async fn within_limit<T>(
    database: &Database,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    match timeout(database.timeout, work).await {
        Ok(done) => done.map_err(store_error),
        Err(_) => Err(StoreError::new(StoreErrorKind::TimedOut)),
    }
}

fn nothing_heard() -> StoreError {
    StoreError::with_source(StoreErrorKind::Unavailable, NOTHING_HEARD)
}

/// Reports notifications to the watcher.
struct Listener<'a> {
    listener: PgListener,
    watcher: &'a dyn FeedWatcher,
    echo: Echo,
}

impl Listener<'_> {
    /// Receives notifications until `work` is done.
    async fn drive<T>(&mut self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        let mut work = pin!(work);
        loop {
            if let Some(output) = self.receive_or(work.as_mut()).await? {
                return Ok(output);
            }
        }
    }

    /// Sends a notification through the pool.
    async fn send_echo(&mut self, database: &Database) -> Result<Result<(), StoreError>, StoreError> {
        self.echo.reset();
        let send = bind(&database.statements.echo).bind(self.echo.channel());
        self.drive(async { database.execute(send).await.map(drop) }).await
    }

    /// Waits until what was sent is received.
    async fn until_heard(&mut self, database: &Database) -> Result<(), StoreError> {
        let deaf = async {
            sleep(database.timeout).await;
            nothing_heard()
        };
        let mut deaf = pin!(deaf);
        while !self.echo.was_heard() {
            if let Some(error) = self.receive_or(deaf.as_mut()).await? {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Receives one notification, or returns the output of `work`, which is polled again otherwise.
    async fn receive_or<T>(
        &mut self,
        work: impl Future<Output = T> + Unpin,
    ) -> Result<Option<T>, StoreError> {
        // Receiving can be cancelled, which loses no notification.
        let received = match select(pin!(self.listener.try_recv()), work).await {
            Either::Left((received, _)) => received.map_err(store_error)?,
            Either::Right((output, _)) => return Ok(Some(output)),
        };
        match received {
            Some(notification) => self.hear(&notification),
            // The connection is lost.
            None => return Err(StoreError::new(StoreErrorKind::Unavailable)),
        }
        Ok(None)
    }

    fn hear(&mut self, notification: &PgNotification) {
        if !self.echo.hear(notification.channel()) {
            Notice::report(notification.payload(), self.watcher);
        }
    }
}
