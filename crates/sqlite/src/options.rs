//! Sets how a session file is opened: durability, readers and the lock timeout.

use std::{num::NonZeroUsize, time::Duration};

/// The options with which a session file is opened, if the defaults of [`SqliteStore::open`](crate::SqliteStore::open) do
/// not fit.
///
/// # Defaults
/// | option | default | reason |
/// |---|---|---|
/// | durability | `synchronous=FULL` | a session end that was acknowledged must survive a power failure |
/// | readers | 2 | while one reads a long list, the other serves refreshes; a load takes microseconds |
/// | lock timeout | 2 s | the middleware waits as long for its store |
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
/// use tower_refresh_sqlite::SqliteOptions;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("sessions.db");
/// # futures_executor::block_on(async {
/// let store = SqliteOptions::new()
///     .with_readers(NonZeroUsize::MIN)
///     .with_lock_timeout(Duration::from_millis(500))
///     .open(path)
///     .await?;
/// # drop(store);
/// # Ok::<(), tower_refresh_sqlite::OpenError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    pub(crate) writes_lost_on_power_failure: bool,
    pub(crate) readers: NonZeroUsize,
    pub(crate) lock_timeout: Duration,
    pub(crate) read_only: bool,
}

const READERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

impl SqliteOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            writes_lost_on_power_failure: false,
            readers: READERS,
            lock_timeout: Duration::from_secs(2),
            read_only: false,
        }
    }

    /// Syncs to disk at checkpoints only (`synchronous=NORMAL`), so that writes do not wait for the disk.
    ///
    /// # ⚠️ Warning
    /// After a power failure or a crash of the operating system, the last writes may be lost: those of the last seconds,
    /// or minutes on a quiet server. **Sessions that have ended may be live again**, whether they ended by logout, by an
    /// administrator or because their token was stolen. New logins may be lost. Lost rotations are restored from the
    /// cookies. A crash of the process alone loses nothing, and the file is never corrupted.
    #[must_use]
    pub fn with_writes_lost_on_power_failure(mut self) -> Self {
        self.writes_lost_on_power_failure = true;
        self
    }

    /// The number of reader threads, in addition to the threads that write and that read the feed. Default: 2.
    #[must_use]
    pub fn with_readers(mut self, readers: NonZeroUsize) -> Self {
        self.readers = readers;
        self
    }

    /// How long a write waits while another process writes to the file. After that it fails with
    /// [`TimedOut`](tower_refresh_core::StoreErrorKind::TimedOut). Default: 2 s.
    #[must_use]
    pub fn with_lock_timeout(mut self, lock_timeout: Duration) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// Opens the file as it is, and changes nothing: for a service of the same machine that only follows the feed of ended sessions, such
    /// as one with `tower_refresh::Verifier`. Calls that write fail. Opening fails with
    /// [`NotMigrated`](crate::OpenErrorKind::NotMigrated) if the file is empty or has an older version. Default: off.
    ///
    /// The process needs the right to read the file and those with `-wal` and `-shm` appended to its name. While no other process has the
    /// file open, SQLite must create these two, and so needs the right to write in the folder.
    #[must_use]
    pub fn with_read_only(mut self) -> Self {
        self.read_only = true;
        self
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self::new()
    }
}
