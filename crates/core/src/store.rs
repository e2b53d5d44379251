//! The contract of a session store.

use std::{convert::Infallible, error::Error, fmt, future::Future, sync::Arc};

use crate::{EndReason, Page, SessionHandle, SessionRow, Subject, Timestamp};

/// Stores sessions. To implement it for a database, write plain `async fn`s.
///
/// A store makes no decisions and reads no clock: it loads rows, swaps a row if its version is unchanged, and ends
/// sessions. The safety of rotation depends on these rules, and the conformance suite (feature `conformance`) tests each
/// of them:
///
/// 1. **Linearizable.** Once a call has returned `Ok`, every later call from any server sees its effect. Read from the
///    primary, never from a replica that may lag.
/// 2. **Update only.** Only [`create`](Self::create) adds a row. [`compare_and_swap`](Self::compare_and_swap) and
///    [`end`](Self::end) change nothing if the row does not exist; an upsert would revive ended sessions.
/// 3. **Ended is final.** An ended row is never swapped, and keeps its first reason and time.
/// 4. **Versions are the caller's.** Each write stores the version that it is given and nothing else, and a swap compares
///    for equality. A store neither draws versions nor orders them.
/// 5. **Durable before acknowledged**, to the degree that the store documents. This matters most for `end`.
///
/// # Versions
/// For each write the caller draws a random number below 2^63 (database columns are signed). A version therefore never comes
/// back, not even after a failover that lost the last writes, and the row's version shows whose write was the last one. The
/// sessions that one call of [`end_subject`](Self::end_subject) ends share its version.
///
/// # Cancel safety
/// If the future of a call is dropped, its write may or may not happen. Either way the row must stay consistent.
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new session, with `row.version`.
    ///
    /// # Errors
    /// [`StoreErrorKind::AlreadyExists`] if a row with this handle exists, which stays unchanged. Otherwise any failure of
    /// the database.
    fn create(&self, row: &SessionRow) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Loads the row of `handle`, also of an ended or expired session. `None` if there is none.
    ///
    /// # Errors
    /// Any failure of the database.
    fn load(
        &self,
        handle: SessionHandle,
    ) -> impl Future<Output = Result<Option<SessionRow>, StoreError>> + Send;

    /// Whether the row of `handle` has `version` now, if the store can tell without waiting, as one in the memory of this process can:
    /// `false` if there is no such row. `None`, the default, if it cannot.
    ///
    /// It spares requests that come at once the loads of a row that one of them has just loaded. An implementation never blocks, never
    /// panics, and takes every acknowledged write into account, whoever made it.
    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        let _ = (handle, version);
        None
    }

    /// Replaces the row of `row.handle` if it has not ended and its version is still `row.version`. The new row has `version`
    /// instead. Returns whether the row was replaced.
    ///
    /// Writes `generation`, `rotated_at`, `confirmed`, `late_budget`, `idle_expiry`, `claims_epoch`, `binding` and `data`.
    /// The other fields never change, and are kept as they are stored even if those of `row` differ. Fields of the stored row
    /// that this version of the store does not know, because a later one wrote them, are kept too. `row.ended` is `None`.
    ///
    /// # Errors
    /// Any failure of the database. After an error the write may or may not have happened.
    fn compare_and_swap(
        &self,
        row: &SessionRow,
        version: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends the session regardless of its version, and stores `version`. Returns whether this call ended it: `false` if it has
    /// ended before or there is no such row, in which case nothing is written.
    ///
    /// # Errors
    /// Any failure of the database. After an error the session may or may not have ended.
    fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends sessions of `subject` except `except`, like [`end`](Self::end). Returns the handles of the sessions that this call
    /// ended. Each call ends a bounded number, so that it needs little time and memory even if the subject has very many, and
    /// what it ended stays ended if a later call fails; repeat it until it returns none.
    ///
    /// # Errors
    /// Any failure of the database. After an error some sessions may have ended; the call can be repeated. A call that knows that it
    /// has ended some sessions before a failure returns their handles instead of the error, so that none is lost to the caller.
    fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> impl Future<Output = Result<Vec<SessionHandle>, StoreError>> + Send;

    /// Adds one to the `claims_epoch` of a session that has not ended, regardless of its version, up to `u32::MAX`, and stores
    /// `version`. It reports the new epoch on the [feed](Self::watch_feed), and returns it: `None` if the session has ended or
    /// there is no such row, in which case nothing is written or reported. Nothing else of the row changes. A session that has
    /// expired by `now` may be live by the clock of another server, so its epoch changes too.
    ///
    /// `now` is the time by which a later watcher of the feed finds the session. Another server's clock may differ: of several
    /// calls for a session the latest `now` counts, not the last one.
    ///
    /// # Errors
    /// Any failure of the database. After an error the epoch may or may not have changed. The call can be repeated; an epoch that is
    /// larger than necessary costs one refresh.
    fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> impl Future<Output = Result<Option<u32>, StoreError>> + Send;

    /// Lists a page of the sessions of `subject` that are live at `now` ([`SessionRow::is_live`]), newest login first. Of
    /// several logins in the same millisecond, the largest handle comes first. A page with fewer rows than its limit is the
    /// last one.
    ///
    /// # Errors
    /// Any failure of the database.
    fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> impl Future<Output = Result<Vec<SessionRow>, StoreError>> + Send;

    /// Deletes rows of sessions that ended or expired before `dead_before` ([`SessionRow::dead_since`]), and returns how
    /// many. Each call deletes a bounded number, so that it never delays a refresh for long; repeat it until it returns 0. The
    /// feed may forget notices from before `dead_before` as well, also those of live sessions.
    ///
    /// # Errors
    /// Any failure of the database. The call can be repeated.
    fn purge_dead(&self, dead_before: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Reports every session that ended at `since` or later to `watcher`, and every session whose claims were
    /// [outdated](Self::outdate_claims) since then, regardless of which server did it; of a session that has ended since, only the end
    /// needs to be reported. Then it reports each one from now on. It returns only if it fails.
    ///
    /// An implementation subscribes first and then looks up what has happened, so that it misses nothing. It then
    /// calls [`FeedWatcher::caught_up`]. Each notice may be reported more than once, and of several epochs of a session only
    /// the last one needs to be. Notices of a kind that the implementation does not know, because a later version sent them,
    /// are ignored, and reported with [`FeedWatcher::unknown_notice`].
    ///
    /// A server that follows this feed rejects the access tokens of a session that ended on another server within
    /// moments, and refreshes those with outdated claims, without a query for each request. The default implementation has no feed.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] immediately if the store has no feed. Otherwise the failure that closed the
    /// connection; call again with a `since` early enough to miss no session end.
    fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> impl Future<Output = Result<Infallible, StoreError>> + Send {
        let _ = (since, watcher);
        std::future::ready(Err(StoreError::new(StoreErrorKind::Unsupported)))
    }
}

/// Receives what [`SessionStore::watch_feed`] reports.
pub trait FeedWatcher: Send + Sync {
    /// The session ended, at `at` by the clock of the server that ended it.
    ///
    /// An implementation returns quickly and never panics.
    fn ended(&self, session: SessionHandle, at: Timestamp);

    /// Claims of the session with an epoch below `epoch` are outdated. Notices of a session may arrive in any order and more than
    /// once, also after [`ended`](Self::ended): the largest epoch counts, and an end counts more.
    ///
    /// An implementation returns quickly and never panics.
    fn outdated(&self, session: SessionHandle, epoch: u32);

    /// Everything earlier has been reported. From now on, notices are reported as they are sent.
    fn caught_up(&self);

    /// The feed has a notice of a kind that the store does not know, because a later version sent it, or anyone else who can
    /// send there. It was ignored. The default does nothing.
    fn unknown_notice(&self) {}
}

/// A failed call of a store.
///
/// `Display` describes only this error; the driver's error is the [`source`](Error::source). A clone is cheap and shares
/// the source, because one failure may affect many calls.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of `kind` without a source.
    pub fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error of `kind` with its source.
    pub fn with_source(kind: StoreErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into().into()) }
    }

    /// The kind of failure.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "the session store is unavailable",
            StoreErrorKind::TimedOut => "the session store did not answer in time",
            StoreErrorKind::AlreadyExists => "a session with this handle already exists",
            StoreErrorKind::Corrupt => "the session store contains an invalid row",
            StoreErrorKind::Unsupported => "the session store does not support this operation",
        })
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The kinds of [`StoreError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The database is unreachable or rejected the statement.
    Unavailable,
    /// The database did not answer within the time limit. A write may or may not have happened.
    TimedOut,
    /// [`SessionStore::create`]: a row with this handle already exists.
    AlreadyExists,
    /// The stored data is not a valid session row.
    Corrupt,
    /// The store does not support this operation: [`SessionStore::watch_feed`].
    Unsupported,
}
