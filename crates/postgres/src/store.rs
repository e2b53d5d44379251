//! The store: which operation is which statement.

use std::{convert::Infallible, fmt, sync::Arc};

use tower_refresh_core::{
    EndReason, EndWatcher, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind, Subject,
    Timestamp,
};

use crate::{
    OpenError, PostgresBuilder,
    connect::Dial,
    database::Database,
    ends::{End, Ends},
    error::Failure,
    feed,
    group::Groups,
    loads::Loads,
    row::{millis, number, read, read_handle},
    swaps::{Swap, Swaps},
};

/// Keeps sessions in a table of PostgreSQL.
///
/// A clone is another handle on the same store. See the [crate's documentation](crate) for an example, and for what it
/// promises.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    database: Arc<Database>,
    loads: Groups<Loads>,
    swaps: Groups<Swaps>,
    ends: Groups<Ends>,
    dial: Option<Dial>,
}

impl PostgresStore {
    /// Settings other than the defaults.
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// Opens the database at `url` as [`PostgresBuilder::connect`] does, with the defaults.
    ///
    /// # Errors
    /// As there.
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder().connect(url).await
    }

    pub(crate) fn new(database: Database, dial: Option<Dial>) -> Self {
        let database = Arc::new(database);
        Self(Arc::new(Inner {
            loads: Groups::new(Loads(Arc::clone(&database))),
            swaps: Groups::new(Swaps(Arc::clone(&database))),
            ends: Groups::new(Ends(Arc::clone(&database))),
            database,
            dial,
        }))
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("connections", &self.0.database.pool.status())
            .field("time_limit", &self.0.database.time_limit)
            .finish_non_exhaustive()
    }
}

impl SessionStore for PostgresStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        if self.0.insert(row).await? { Ok(()) } else { Err(StoreError::new(StoreErrorKind::AlreadyExists)) }
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.0.loads.ask(handle).await
    }

    async fn compare_and_swap(&self, row: &SessionRow) -> Result<bool, StoreError> {
        match Swap::new(row)? {
            Some(swap) => self.0.swaps.ask(swap).await,
            None => Ok(false),
        }
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.0.ends.ask(End { handle, reason, at: millis(now)? }).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        Ok(self.0.end_subject(subject, except, reason, now).await?)
    }

    async fn list(&self, subject: &Subject, now: Timestamp) -> Result<Vec<SessionRow>, StoreError> {
        Ok(self.0.list(subject, now).await?)
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        Ok(self.0.purge(dead_before).await?)
    }

    async fn watch_ends(&self, since: Timestamp, watcher: &dyn EndWatcher) -> Result<Infallible, StoreError> {
        let Some(dial) = &self.0.dial else { return Err(StoreError::new(StoreErrorKind::Unsupported)) };
        Ok(feed::follow(&self.0.database, dial, since, watcher).await?)
    }
}

impl Inner {
    /// Returns whether the handle was free.
    async fn insert(&self, row: &SessionRow) -> Result<bool, Failure> {
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
                ],
            )
            .await?;
        Ok(inserted == 1)
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionHandle>, Failure> {
        if cannot_be_stored(subject) {
            return Ok(Vec::new());
        }
        let except = except.as_ref().map(|handle| handle.as_bytes().as_slice());
        let ended = self
            .database
            .query(
                &self.database.statements.end_subject,
                &[&subject.as_str(), &reason.as_str(), &millis(now)?, &except],
            )
            .await?;
        ended.iter().map(|columns| read_handle(columns, 0)).collect()
    }

    async fn list(&self, subject: &Subject, now: Timestamp) -> Result<Vec<SessionRow>, Failure> {
        if cannot_be_stored(subject) {
            return Ok(Vec::new());
        }
        let statement = &self.database.statements.list;
        let rows = self.database.query(statement, &[&subject.as_str(), &millis(now)?]).await?;
        rows.iter().map(read).collect()
    }

    async fn purge(&self, dead_before: Timestamp) -> Result<u64, Failure> {
        let dead_before = millis(dead_before)?;
        let statements = &self.database.statements;
        loop {
            let purged = self.database.execute(&statements.purge, &[&dead_before]).await?;
            // A purge passes over rows that others hold. Before it says that nothing is left, it waits for them.
            if purged > 0 || self.database.query(&statements.wait_for_dead, &[&dead_before]).await?.is_empty()
            {
                return Ok(purged);
            }
        }
    }
}

/// PostgreSQL keeps no text with U+0000, so no session is such a subject's.
fn cannot_be_stored(subject: &Subject) -> bool {
    subject.as_str().contains('\0')
}
