//! How a session file is opened.

use std::{num::NonZeroUsize, path::Path, time::Duration};

use crate::{OpenError, SqliteStore, open};

/// How a file of sessions is opened, where [`SqliteStore::open`] does not fit.
///
/// # Defaults
/// | | | because |
/// |---|---|---|
/// | durability | `synchronous=FULL` | an end that was acknowledged must hold, whatever happens to the machine |
/// | readers | 2 | a long list leaves the other one to refreshes; a load takes microseconds |
/// | lock wait | 2 s | the middleware gives up on its store after as long |
///
/// ```
/// use std::{num::NonZeroUsize, time::Duration};
/// use tower_refresh_sqlite::Options;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("sessions.db");
/// # futures_executor::block_on(async {
/// let store = Options::new()
///     .with_readers(NonZeroUsize::MIN)
///     .with_lock_wait(Duration::from_millis(500))
///     .open(path)
///     .await?;
/// # drop(store);
/// # Ok::<(), tower_refresh_sqlite::OpenError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) writes_lost_on_power_failure: bool,
    pub(crate) readers: NonZeroUsize,
    pub(crate) lock_wait: Duration,
}

const READERS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self { writes_lost_on_power_failure: false, readers: READERS, lock_wait: Duration::from_secs(2) }
    }

    /// Syncs to the disk at checkpoints only (`synchronous=NORMAL`), which spares every write the wait for the disk.
    ///
    /// # ⚠️ Warning
    /// When the power fails or the operating system crashes, the last writes may be lost, those of seconds or of minutes
    /// on a quiet server: **sessions that were ended may live again**, whether by logout, by an administrator or because
    /// their token was stolen; new logins may be gone, and the lost rotations are made up for from the cookies. A crash of
    /// the process alone loses nothing, and the file is never damaged.
    #[must_use]
    pub fn with_writes_lost_on_power_failure(mut self) -> Self {
        self.writes_lost_on_power_failure = true;
        self
    }

    /// How many threads read. One writes in any case, and one reads the feed of ends. Default: 2.
    #[must_use]
    pub fn with_readers(mut self, readers: NonZeroUsize) -> Self {
        self.readers = readers;
        self
    }

    /// How long a write waits for another process that writes to the file; then it fails as
    /// [timed out](tower_refresh_core::StoreErrorKind::TimedOut). Default: 2 s.
    #[must_use]
    pub fn with_lock_wait(mut self, lock_wait: Duration) -> Self {
        self.lock_wait = lock_wait;
        self
    }

    /// Opens the file, as [`SqliteStore::open`] does.
    ///
    /// # Errors
    /// As for [`SqliteStore::open`].
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
        open::open(path.as_ref().to_owned(), self).await
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}
