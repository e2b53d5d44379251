//! The store: it sends queries and writes to the threads and receives their results.

use std::{
    convert::Infallible,
    fmt,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use futures_channel::oneshot::{self, Receiver, Sender};
use tower_refresh_core::{
    EndReason, FeedWatcher, Page, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind,
    Subject, Timestamp,
};

use crate::{
    feed::Feed,
    queue::Queue,
    reader::{Load, Read},
    writer::{Checkpoints, Create, End, EndSubject, Job, Outdate, PurgeDead, Swap, Work, Write, Writes},
};

/// Stores sessions in a SQLite file. See the [crate documentation](crate) for an example and the guarantees.
///
/// A clone refers to the same store. Dropping the last clone waits until all writes are done, and closes the file.
///
/// # Cancel safety
/// Dropping a future does not cancel its write.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) path: PathBuf,
    pub(crate) shared: Arc<Shared>,
    /// The writer is last.
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// The state that the store shares with its threads.
pub(crate) struct Shared {
    pub(crate) reads: Queue<Read>,
    pub(crate) writes: Writes,
    pub(crate) feed: Feed,
    pub(crate) checkpoints: Checkpoints,
}

impl SqliteStore {
    async fn read<T>(
        &self,
        read: impl FnOnce(Sender<Result<T, StoreError>>) -> Read,
    ) -> Result<T, StoreError> {
        let (reply, result) = oneshot::channel();
        self.inner.shared.reads.push(read(reply));
        receive(result).await
    }

    async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let (job, result) = Job::of(write);
        self.inner.shared.writes.queue.push(Work::Write(job));
        receive(result).await
    }
}

async fn receive<T>(result: Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    result.await.unwrap_or_else(|gone| Err(StoreError::with_source(StoreErrorKind::Unavailable, gone)))
}

impl SessionStore for SqliteStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.write(Create(row.clone())).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        let (reply, result) = oneshot::channel();
        let shared = &self.inner.shared;
        if let Err(Work::Load(load)) = shared.writes.queue.push_if_idle(Work::Load(Load { handle, reply })) {
            shared.reads.push(Read::Load(load));
        }
        receive(result).await
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        self.write(Swap::new(row, version)).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.write(End { handle, reason, now, version }).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.write(EndSubject::new(subject.clone(), except, reason, now, version)).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        self.write(Outdate { handle, now, version }).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.read(|reply| Read::List(subject.clone(), now, page, reply)).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.write(PurgeDead(dead_before)).await
    }

    /// Includes the notices that other processes write to the file, within a tenth of a second.
    async fn watch_feed(
        &self,
        since: Timestamp,
        watcher: &dyn FeedWatcher,
    ) -> Result<Infallible, StoreError> {
        let past = self.read(|reply| Read::Notices(since, reply)).await?;
        let mut notices = self.inner.shared.feed.subscribe(past.last);
        past.since.into_iter().for_each(|notice| notice.report(watcher));
        watcher.caught_up();
        loop {
            match notices.recv().await {
                Ok(Ok(notice)) => notice.report(watcher),
                Ok(Err(error)) => return Err(error),
                Err(gone) => return Err(StoreError::with_source(StoreErrorKind::Unavailable, gone)),
            }
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writes = &self.inner.shared.writes;
        f.debug_struct("SqliteStore")
            .field("path", &self.inner.path)
            .field("writes", &writes.written.load(Ordering::Relaxed))
            .field("commits", &writes.commits.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            reads: Queue::new(),
            writes: Writes::default(),
            feed: Feed::default(),
            checkpoints: Checkpoints::default(),
        }
    }
}

impl Drop for Inner {
    /// The writer is closed last: the last connection removes the log, unless another one is being closed at the same time.
    fn drop(&mut self) {
        let writer = self.threads.pop();
        self.shared.reads.close();
        self.shared.feed.close();
        self.shared.checkpoints.close();
        self.threads.drain(..).for_each(join);
        self.shared.writes.queue.close();
        writer.into_iter().for_each(join);
    }
}

fn join(thread: JoinHandle<()>) {
    // Sending a result may wake a task on this very thread, and that task may own the last clone of the store.
    if thread.thread().id() != thread::current().id() {
        let _ = thread.join();
    }
}
