//! The store: which call runs which statement.

use std::{convert::Infallible, fmt, sync::Arc};

use tower_refresh_core::{
    EndReason, Ended, FeedWatcher, Page, SessionBinding, SessionHandle, SessionRow, SessionStore, StoreError,
    StoreErrorKind, Subject, Timestamp,
};
use tower_refresh_postgres_schema::{PageStart, can_be_stored, duration, millis, number};

use crate::{
    batch::{Batcher, End, EndSessions, LoadSessions, Outdate, OutdateClaims, Swap, SwapSessions},
    connection::ListenConnector,
    database::Database,
    feed,
    table::{read, read_handle},
};

/// Stores sessions in a PostgreSQL table. See the [crate's documentation](crate) for an example and for its guarantees.
///
/// A clone is another handle to the same store.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    database: Arc<Database>,
    loads: Batcher<LoadSessions>,
    swaps: Batcher<SwapSessions>,
    ends: Batcher<EndSessions>,
    outdates: Batcher<OutdateClaims>,
    feed: Option<ListenConnector>,
}

impl PostgresStore {
    pub(crate) fn new(database: Database, feed: Option<ListenConnector>) -> Self {
        let database = Arc::new(database);
        Self(Arc::new(Inner {
            loads: Batcher::new(LoadSessions(Arc::clone(&database))),
            swaps: Batcher::new(SwapSessions(Arc::clone(&database))),
            ends: Batcher::new(EndSessions(Arc::clone(&database))),
            outdates: Batcher::new(OutdateClaims(Arc::clone(&database))),
            database,
            feed,
        }))
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.0.database.pool.status())
            .field("timeout", &self.0.database.timeout)
            .finish_non_exhaustive()
    }
}

impl SessionStore for PostgresStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        if self.0.insert(row).await? { Ok(()) } else { Err(StoreError::new(StoreErrorKind::AlreadyExists)) }
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.0.loads.call(handle).await
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        match Swap::new(row, version)? {
            Some(swap) => self.0.swaps.call(swap).await,
            None => Ok(false),
        }
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.0.ends.call(End { handle, reason, at: millis(now)?, version: number(version)? }).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.0.end_subject(subject, except, Ended::new(reason, now), version).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        self.0.outdates.call(Outdate { handle, at: millis(now)?, version: number(version)? }).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.0.list(subject, now, page).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.0.purge(dead_before).await
    }

    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        let Some(connector) = &self.0.feed else { return Err(StoreError::new(StoreErrorKind::Unsupported)) };
        feed::watch(&self.0.database, connector, since, watcher).await
    }
}

impl Inner {
    /// Returns `false` if the handle is taken.
    async fn insert(&self, row: &SessionRow) -> Result<bool, StoreError> {
        let ended_at = row.ended.map(|ended| millis(ended.at)).transpose()?;
        let inserted = self
            .database
            .execute(
                &self.database.statements.create,
                &[
                    &row.handle.as_bytes().as_slice(),
                    &row.subject.as_str(),
                    &i64::from(row.generation),
                    &millis(row.rotated_at)?,
                    &row.confirmed,
                    &millis(row.late_budget)?,
                    &millis(row.created_at)?,
                    &millis(row.idle_expiry)?,
                    &millis(row.absolute_expiry)?,
                    &row.ended.map(|ended| ended.reason.as_str()),
                    &ended_at,
                    &number(row.version)?,
                    &row.meta.user_agent,
                    &row.meta.ip.map(|ip| ip.to_string()),
                    &row.meta.label,
                    &row.data,
                    &millis(row.authenticated_at)?,
                    &row.idle.map(duration).transpose()?,
                    &row.persistent,
                    &i64::from(row.claims_epoch),
                    &row.binding.as_ref().map(SessionBinding::as_bytes),
                ],
            )
            .await?;
        Ok(inserted == 1)
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        end: Ended,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        if !can_be_stored(subject) {
            return Ok(Vec::new());
        }
        let except = except.as_ref().map(|handle| handle.as_bytes().as_slice());
        let (at, version) = (millis(end.at)?, number(version)?);
        let statements = &self.database.statements;
        loop {
            let ended = self
                .database
                .query(
                    &statements.end_subject,
                    &[&subject.as_str(), &except, &end.reason.as_str(), &at, &version],
                )
                .await?;
            // Others may have ended all those that the statement found, while it waited for them. More may be left.
            let subject = subject.as_str();
            if !ended.is_empty()
                || self.database.query(&statements.has_subject, &[&subject, &except]).await?.is_empty()
            {
                return ended.iter().map(|columns| read_handle(columns, 0)).collect();
            }
        }
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        if !can_be_stored(subject) {
            return Ok(Vec::new());
        }
        let statement = &self.database.statements.list;
        let start = PageStart::new(page)?;
        let rows = self
            .database
            .query(
                statement,
                &[&subject.as_str(), &millis(now)?, &start.login(), &start.handle(), &start.limit()],
            )
            .await?;
        rows.iter().map(read).collect()
    }

    async fn purge(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        let dead_before = millis(dead_before)?;
        let statements = &self.database.statements;
        loop {
            let purged = self.database.execute(&statements.purge, &[&dead_before]).await?;
            // A purge skips rows that others have locked. Before it returns 0, it waits for them.
            if purged > 0 || self.database.query(&statements.wait_for_dead, &[&dead_before]).await?.is_empty()
            {
                return Ok(purged);
            }
        }
    }
}
