//! The store: which requests each call sends.

use std::{convert::Infallible, fmt, sync::Arc};

use tower_refresh_core::{
    EndReason, Ended, FeedWatcher, Page, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind,
    Subject, Timestamp,
};

use crate::{
    connection::Request,
    database::Database,
    feed::{self, log},
    keyspace::row,
    sessions::{end, end_subject, first_index, outdate, purge, subject_index, swap},
};

/// Stores sessions in Redis or Valkey. See the [crate's documentation](crate) for an example and for its guarantees.
///
/// A clone is another handle to the same store and the same connection.
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    database: Database,
    purge: purge::Progress,
}

impl RedisStore {
    pub(crate) fn new(database: Database) -> Self {
        Self(Arc::new(Inner { database, purge: purge::Progress::default() }))
    }
}

/// Dropping a future undoes nothing: a request that was sent may still be executed. If the future of
/// [`end_subject`](SessionStore::end_subject) is dropped, some sessions may be ended and others not.
impl SessionStore for RedisStore {
    /// The subject's index is written first. If the row never follows, the index has a handle without a session, which is
    /// ignored. In the other order, a failover could leave a session that is missing when its subject is ended.
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        let database = &self.0.database;
        let value = row::encode(row, database.next_writer()).ok_or_else(|| {
            StoreError::with_source(StoreErrorKind::Unavailable, "text is too long to be stored")
        })?;
        subject_index::add(database, row).await?;
        if let Some(ended) = row.ended {
            log::append_ended(database, &[row.handle], ended.at).await?;
        }
        let expiry = database.key_expiry(row.dead_since());
        let key = database.keys.row(row.handle);
        let request = Request::script(&database.scripts.create, &key, &[&value, expiry.as_bytes()]);
        if !database.query(request).await? {
            return Err(StoreError::new(StoreErrorKind::AlreadyExists));
        }
        Ok(())
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.0.database.load(handle).await
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        let database = &self.0.database;
        if !database.connection.is_cluster() {
            return swap::swap(database, row, version).await;
        }
        let keep = subject_index::keep(database, row);
        futures_util::future::join(swap::swap(database, row, version), keep).await.0
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        let (database, ended) = (&self.0.database, Ended::new(reason, now));
        let Some(subject) = end::end_live(database, handle, ended, version).await? else {
            return Ok(false);
        };
        subject_index::remove(database, &subject, &[handle]).await;
        Ok(true)
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        end_subject::end_some(&self.0.database, subject, except, Ended::new(reason, now), version).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        outdate::outdate(&self.0.database, handle, now, version).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        first_index::convert(&self.0.database, subject).await?;
        subject_index::live(&self.0.database, subject, now, page).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        purge::purge(&self.0.database, &self.0.purge, dead_before).await
    }

    /// Fails at once with [`StoreErrorKind::Unavailable`] if `since` is before
    /// [the feed's window](crate::RedisOptions::with_feed_window) and entries of that time were removed.
    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        feed::watch(&self.0.database, since, watcher).await
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.0.database.route)
            .field("keys", &self.0.database.keys)
            .finish_non_exhaustive()
    }
}
