//! The store: a path for questions to the threads, and for answers back.

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use futures_channel::oneshot::{self, Receiver, Sender};
use tower_refresh_core::{
    EndReason, EndWatcher, SessionHandle, SessionRow, SessionStore, StoreError, StoreErrorKind, Subject,
    Timestamp,
};

use crate::{
    OpenError, Options,
    checkpoint::Checkpoints,
    error::Failure,
    feed::Feed,
    queue::Queue,
    reader::{Load, Read},
    writer::{Create, End, EndSubject, Job, Purge, Swap, Work, Write, Writes},
};

/// Keeps sessions in a SQLite file. See the [crate's documentation](crate) for an example, and for what it promises.
///
/// A clone is another handle on the same store. Dropping the last one waits until everything that was asked is written,
/// and closes the file.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) path: PathBuf,
    pub(crate) shared: Arc<Shared>,
    /// The writer is the last.
    pub(crate) threads: Vec<JoinHandle<()>>,
}

/// What the store and its threads have in common.
pub(crate) struct Shared {
    pub(crate) reads: Queue<Read>,
    pub(crate) writes: Writes,
    pub(crate) feed: Feed,
    pub(crate) checkpoints: Checkpoints,
}

impl SqliteStore {
    /// Opens the file at `path`, or creates it with mode 0600; its folder must be there. Brings it up to date if an older
    /// version of this crate wrote it.
    ///
    /// The file is the store's own, and its name with `-wal` and `-shm` at the end as well. Several processes of one
    /// machine may have it open.
    ///
    /// # Errors
    /// If the file cannot be opened or created, is something else than a file of sessions, or comes from a newer version
    /// of this crate ([`OpenError::kind`]).
    ///
    /// # Cancel safety
    /// If the future is dropped, the file may have been created, and is closed again.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Options::new().open(path).await
    }

    async fn read<T>(&self, read: impl FnOnce(Sender<Result<T, Failure>>) -> Read) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.inner.shared.reads.push(read(reply));
        receive(answer).await
    }

    async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let (job, answer) = Job::of(write);
        self.inner.shared.writes.queue.push(Work::Write(job));
        receive(answer).await
    }
}

async fn receive<T>(answer: Receiver<Result<T, Failure>>) -> Result<T, StoreError> {
    match answer.await {
        Ok(answer) => answer.map_err(Into::into),
        Err(gone) => Err(StoreError::with_source(StoreErrorKind::Unavailable, gone)),
    }
}

/// Dropping a future takes nothing back: what it asked for is done all the same, also all of
/// [`end_subject`](SessionStore::end_subject).
impl SessionStore for SqliteStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.write(Create(row.clone())).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let shared = &self.inner.shared;
        if let Err(Work::Load(load)) = shared.writes.queue.push_if_idle(Work::Load(Load { handle, reply })) {
            shared.reads.push(Read::Load(load));
        }
        receive(answer).await
    }

    async fn compare_and_swap(&self, row: &SessionRow) -> Result<bool, StoreError> {
        self.write(Swap::from(row)).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(End { handle, reason, now }).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.write(EndSubject::new(subject.clone(), except, reason, now)).await
    }

    async fn list(&self, subject: &Subject, now: Timestamp) -> Result<Vec<SessionRow>, StoreError> {
        self.read(|reply| Read::List(subject.clone(), now, reply)).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.write(Purge(dead_before)).await
    }

    /// Also of ends that other processes write to the file: those are told within a tenth of a second.
    async fn watch_ends(&self, since: Timestamp, watcher: &dyn EndWatcher) -> Result<Infallible, StoreError> {
        let past = self.read(|reply| Read::Ends(since, reply)).await?;
        let mut ends = self.inner.shared.feed.follow(past.last);
        past.told.into_iter().for_each(|(handle, at)| watcher.ended(handle, at));
        watcher.caught_up();
        loop {
            match ends.recv().await {
                Ok(Ok((handle, at))) => watcher.ended(handle, at),
                Ok(Err(failure)) => return Err(failure.into()),
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
    /// The writer goes last: whichever connection is closed last removes the log, if no other is being closed meanwhile.
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
    // An answer wakes a task on the thread that sends it, and the task may own the store.
    if thread.thread().id() != thread::current().id() {
        let _ = thread.join();
    }
}
