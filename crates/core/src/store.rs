//! The contract of a session store.

use std::{convert::Infallible, error::Error, fmt, future::Future, sync::Arc};

use crate::{EndReason, SessionHandle, SessionRow, Subject, Timestamp};

/// Keeps sessions. Implement it for a database; `async fn` is enough.
///
/// A store decides nothing and reads no clock: it loads rows, swaps them if nobody came between, and ends them.
/// Everything that makes rotation safe follows from these rules, and the conformance suite (feature `conformance`)
/// checks each:
///
/// 1. **Linearizable.** A call that returned `Ok` is seen by every later call, from any server. Read from the
///    primary, never from a replica that may lag.
/// 2. **Update only.** [`create`](Self::create) is the only call that brings a row into being. A swap or an end of a
///    row that is gone changes nothing; an upsert would bring ended sessions back to life.
/// 3. **Ends absorb.** An ended row is never swapped, and keeps its first reason and time.
/// 4. **Durable before acknowledged**, to the degree the store documents; `end` above all.
///
/// Dropping a future of a store may or may not leave its write done; it must leave the row whole either way.
pub trait SessionStore: Send + Sync + 'static {
    /// Stores a new session.
    ///
    /// # Errors
    /// [`StoreErrorKind::AlreadyExists`] if the handle is taken, with the stored row unchanged; else as the
    /// database fails.
    fn create(&self, row: &SessionRow) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The row of `handle`, ended and expired ones too, or `None` if there is none.
    ///
    /// # Errors
    /// As the database fails.
    fn load(
        &self,
        handle: SessionHandle,
    ) -> impl Future<Output = Result<Option<SessionRow>, StoreError>> + Send;

    /// Replaces the row of `row.handle` if it is not ended and its version still is `row.version`; the stored
    /// version becomes one more. Returns whether it did.
    ///
    /// Writes `generation`, `rotated_at`, `confirmed`, `late_budget` and `idle_expiry`; what never changes may be
    /// left as it is. `row.ended` is `None`.
    ///
    /// # Errors
    /// As the database fails. After an error the write may or may not have happened.
    fn compare_and_swap(&self, row: &SessionRow) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends the session whatever its version, and adds one to the version. Returns whether this call ended it:
    /// `false` if it was ended before or there is no such row, in which case nothing changes.
    ///
    /// # Errors
    /// As the database fails. After an error the session may or may not be ended.
    fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends every session of `subject` but `except`, as [`end`](Self::end) does. Returns the handles that this
    /// call ended.
    ///
    /// # Errors
    /// As the database fails. After an error some sessions may be ended; the call can be repeated.
    fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<SessionHandle>, StoreError>> + Send;

    /// The sessions of `subject` that are live at `now` ([`SessionRow::is_live`]), newest login first.
    ///
    /// # Errors
    /// As the database fails.
    fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<SessionRow>, StoreError>> + Send;

    /// Deletes a bounded number of the rows that were dead before `dead_before` ([`SessionRow::dead_since`]); returns how
    /// many. The caller repeats it until it returns 0, so that no call holds up a refresh for long.
    ///
    /// # Errors
    /// As the database fails. It can be repeated.
    fn purge_dead(&self, dead_before: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The feed of ends: tells `watcher` of every session that ended at `since` or later, whoever ended it, and goes on
    /// telling of each new end. It does not return while it works.
    ///
    /// It listens first and then looks up what has ended, so that no end falls between, and then calls
    /// [`EndWatcher::caught_up`]. An end may be told of more than once. A server that follows the feed refuses the
    /// access tokens of a session that another server ended within moments, without asking the store per request.
    ///
    /// The default has no feed.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unsupported`] at once if the store has no feed; else how the connection was
    /// lost. The caller calls again, with a `since` that leaves out nothing.
    fn watch_ends(
        &self,
        since: Timestamp,
        watcher: &dyn EndWatcher,
    ) -> impl Future<Output = Result<Infallible, StoreError>> + Send {
        let _ = (since, watcher);
        std::future::ready(Err(StoreError::new(StoreErrorKind::Unsupported)))
    }
}

/// Who follows a store's [feed of ends](SessionStore::watch_ends).
pub trait EndWatcher: Send + Sync {
    /// The session ended, at `at` by the clock of whoever ended it. Quick, and never panics.
    fn ended(&self, session: SessionHandle, at: Timestamp);

    /// What ended before was told; from now on ends are told as they happen.
    fn caught_up(&self);
}

/// Why a store could not do what it was asked.
///
/// `Display` tells this level only; the driver's own error is the [`source`](Error::source).
/// Cheap to clone: one failure may be that of many calls.
#[derive(Clone, Debug)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of `kind` without a cause.
    pub fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error of `kind` that `source` caused.
    pub fn with_source(kind: StoreErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into().into()) }
    }

    /// What kind of failure it was.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "the session store is unavailable",
            StoreErrorKind::TimedOut => "the session store did not answer in time",
            StoreErrorKind::AlreadyExists => "a session with this handle exists already",
            StoreErrorKind::Corrupt => "the session store holds a row that cannot be read",
            StoreErrorKind::Unsupported => "the session store cannot do this",
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
    /// The database cannot be reached, or refused the statement.
    Unavailable,
    /// No answer within the time limit; the write may or may not have happened.
    TimedOut,
    /// [`SessionStore::create`] found the handle taken.
    AlreadyExists,
    /// What is stored is not a session row.
    Corrupt,
    /// The store does not offer this: [`SessionStore::watch_ends`].
    Unsupported,
}
