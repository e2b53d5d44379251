//! The store: which call runs which statement.

use std::{convert::Infallible, fmt, sync::Arc};

use sqlx::postgres::PgRow;
use tower_refresh_core::{
    EndReason, FeedWatcher, Page, SessionBinding, SessionHandle, SessionRow, SessionStore, StoreError,
    StoreErrorKind, Subject, Timestamp,
};
use tower_refresh_postgres_schema::{
    PageStart, can_be_stored, duration, millis, number, read_epoch, read_handle, read_row,
};

use crate::{
    database::{Bound, Database, bind},
    feed,
    options::Feed,
    table::{Columns, Statements},
};

/// Stores sessions in a PostgreSQL table, on the application's own [`PgPool`](sqlx::PgPool). See the
/// [crate's documentation](crate) for an example and for its guarantees.
///
/// A clone is another handle to the same store.
///
/// # Cancel safety
/// If the future of a call is dropped, its statement may be executed all the same, at once or not at all. The connection returns to the
/// pool when the server has answered, or is closed at the time limit.
#[derive(Clone)]
pub struct SqlxStore(Arc<Inner>);

struct Inner {
    database: Database,
    feed: Feed,
}

impl SqlxStore {
    pub(crate) fn new(database: Database, feed: Feed) -> Self {
        Self(Arc::new(Inner { database, feed }))
    }

    fn statements(&self) -> &Statements {
        &self.0.database.statements
    }

    async fn query(&self, statement: Bound) -> Result<Vec<PgRow>, StoreError> {
        self.0.database.query(statement).await
    }
}

impl fmt::Debug for SqlxStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlxStore")
            .field("connections", &self.0.database.pool.size())
            .field("timeout", &self.0.database.timeout)
            .finish_non_exhaustive()
    }
}

impl SessionStore for SqlxStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        let ended_at = row.ended.map(|ended| millis(ended.at)).transpose()?;
        let insert = bind(&self.statements().create)
            .bind(handle_bytes(&row.handle))
            .bind(row.subject.as_str())
            .bind(i64::from(row.generation))
            .bind(millis(row.rotated_at)?)
            .bind(row.confirmed)
            .bind(millis(row.late_budget)?)
            .bind(millis(row.created_at)?)
            .bind(millis(row.idle_expiry)?)
            .bind(millis(row.absolute_expiry)?)
            .bind(row.ended.map(|ended| ended.reason.as_str()))
            .bind(ended_at)
            .bind(number(row.version)?)
            .bind(row.meta.user_agent.as_deref())
            .bind(row.meta.ip.map(|ip| ip.to_string()))
            .bind(row.meta.label.as_deref())
            .bind(&row.data)
            .bind(millis(row.authenticated_at)?)
            .bind(row.idle.map(duration).transpose()?)
            .bind(row.persistent)
            .bind(i64::from(row.claims_epoch))
            .bind(row.binding.as_ref().map(SessionBinding::as_bytes));
        match self.0.database.execute(insert).await? {
            0 => Err(StoreError::new(StoreErrorKind::AlreadyExists)),
            _ => Ok(()),
        }
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        let found = self.query(bind(&self.statements().load).bind(handle_bytes(&handle))).await?;
        found.first().map(|row| read_row(&Columns(row))).transpose()
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        // No stored row has such a version.
        let Ok(former_version) = i64::try_from(row.version) else { return Ok(false) };
        let swap = bind(&self.statements().swap)
            .bind(handle_bytes(&row.handle))
            .bind(former_version)
            .bind(number(version)?)
            .bind(i64::from(row.generation))
            .bind(millis(row.rotated_at)?)
            .bind(row.confirmed)
            .bind(millis(row.late_budget)?)
            .bind(millis(row.idle_expiry)?)
            .bind(i64::from(row.claims_epoch))
            .bind(row.binding.as_ref().map(SessionBinding::as_bytes))
            .bind(&row.data);
        Ok(!self.query(swap).await?.is_empty())
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        let end = bind(&self.statements().end)
            .bind(handle_bytes(&handle))
            .bind(reason.as_str())
            .bind(millis(now)?)
            .bind(number(version)?);
        Ok(!self.query(end).await?.is_empty())
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        if !can_be_stored(subject) {
            return Ok(Vec::new());
        }
        let except = except.as_ref().map(handle_bytes);
        let (at, version) = (millis(now)?, number(version)?);
        loop {
            let end = bind(&self.statements().end_subject)
                .bind(subject.as_str())
                .bind(except)
                .bind(reason.as_str())
                .bind(at)
                .bind(version);
            let ended = self.query(end).await?;
            // Others may have ended all those that the statement found, while it waited for them. More may be left.
            let has_more = bind(&self.statements().has_subject).bind(subject.as_str()).bind(except);
            if !ended.is_empty() || self.query(has_more).await?.is_empty() {
                return ended.iter().map(|row| read_handle(&Columns(row), 0)).collect();
            }
        }
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        let outdate = bind(&self.statements().outdate)
            .bind([handle_bytes(&handle)])
            .bind([1_i64])
            .bind([millis(now)?])
            .bind([number(version)?]);
        let outdated = self.query(outdate).await?;
        // What is returned is the epoch before.
        outdated.first().map(|row| Ok(read_epoch(&Columns(row), 1)?.saturating_add(1))).transpose()
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
        let start = PageStart::new(page)?;
        let list = bind(&self.statements().list)
            .bind(subject.as_str())
            .bind(millis(now)?)
            .bind(start.login())
            .bind(start.handle())
            .bind(start.limit());
        self.query(list).await?.iter().map(|row| read_row(&Columns(row))).collect()
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        let dead_before = millis(dead_before)?;
        loop {
            let purged = self.0.database.execute(bind(&self.statements().purge).bind(dead_before)).await?;
            // A purge skips rows that others have locked. Before it returns 0, it waits for them.
            let wait = bind(&self.statements().wait_for_dead).bind(dead_before);
            if purged > 0 || self.query(wait).await?.is_empty() {
                return Ok(purged);
            }
        }
    }

    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        let database = &self.0.database;
        let options = match &self.0.feed {
            Feed::AsPool => (*database.pool.connect_options()).clone(),
            Feed::Options(options) => (**options).clone(),
        };
        feed::watch(database, options, since, watcher).await
    }
}

fn handle_bytes(handle: &SessionHandle) -> &[u8] {
    handle.as_bytes().as_slice()
}
