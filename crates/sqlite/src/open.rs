//! Opens a session file: migrates it, and starts the connections and threads.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures_channel::oneshot;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::{
    error::OpenError,
    location::Location,
    locks::{LOCK_PAUSE, set_lock_timeout, wait_for_locks},
    options::SqliteOptions,
    reader, schema,
    store::{Inner, Shared, SqliteStore},
    writer,
};

/// How long to wait while another process migrates the file, which takes seconds for 200,000 sessions.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

const PAGE_CACHE_KIB: i32 = 16 * 1024;

impl SqliteStore {
    /// Opens the file at `path`, or creates it with mode 0600 in an existing folder. Migrates a file that an older version
    /// of this crate wrote. To change the options, use [`SqliteOptions::open`].
    ///
    /// A URL is accepted as well: `sqlite:` as for sqlx, or `file:` as for SQLite, with the parameters `mode=rwc` (the default) and
    /// `mode=rw`, which requires that the file exists. A file whose name begins like a URL is opened as `./sqlite:…`.
    ///
    /// The store owns this file and those with `-wal` and `-shm` appended to its name. Several processes of one machine may
    /// open it.
    ///
    /// # Errors
    /// The file cannot be opened or created, is not a session file, or was written by a newer version of this crate; the path is
    /// that of a database in memory (`:memory:`), or a URL that does not name a file ([`OpenError::kind`]).
    ///
    /// # Cancel safety
    /// If the future is dropped, the file may have been created. It is closed again.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        SqliteOptions::new().open(path).await
    }
}

impl SqliteOptions {
    /// Opens the file at `path` with these options. See [`SqliteStore::open`].
    ///
    /// # Errors
    /// As for [`SqliteStore::open`].
    ///
    /// # Cancel safety
    /// As for [`SqliteStore::open`].
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
        let location = Location::of(path.as_ref())?;
        let (reply, opened) = oneshot::channel();
        // Opening reads and may migrate the file, which would block an executor.
        spawn("sessions-open", move || {
            let _ = reply.send(open_blocking(&location, &self));
        })?;
        opened
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the thread that opens the file is gone").into()))
    }
}

fn open_blocking(location: &Location, options: &SqliteOptions) -> Result<SqliteStore, OpenError> {
    if !options.read_only {
        create_private(location)?;
    }
    // After a change of the working directory, a relative path would name another file.
    let path = location.path.canonicalize()?;
    set_lock_timeout(options.lock_timeout);
    let mut writer = connect(&path, options)?;
    if options.read_only {
        schema::check(&mut writer)?;
        return start_threads(path, writer, options);
    }
    switch_to_wal(&writer, options.lock_timeout)?;
    set_lock_timeout(options.lock_timeout.max(MIGRATION_TIMEOUT));
    schema::migrate(&mut writer)?;
    set_lock_timeout(options.lock_timeout);
    start_threads(path, writer, options)
}

/// Without the right to write, the thread that writes answers with SQLite's error.
fn start_threads(
    path: PathBuf,
    writer: Connection,
    options: &SqliteOptions,
) -> Result<SqliteStore, OpenError> {
    let (feed, checkpoints) = (connect(&path, options)?, connect(&path, options)?);
    let readers =
        (0..options.readers.get()).map(|_| connect(&path, options)).collect::<Result<Vec<_>, _>>()?;

    // From here on, an error drops `inner`, which stops the threads that were started.
    let shared = Arc::new(Shared::default());
    let mut inner = Inner { path, shared: Arc::clone(&shared), threads: Vec::new() };
    let mut start = |name, work: Box<dyn FnOnce(&Shared) + Send>| {
        let (shared, lock_timeout) = (Arc::clone(&shared), options.lock_timeout);
        inner.threads.push(spawn(name, move || {
            set_lock_timeout(lock_timeout);
            work(&shared);
        })?);
        Ok::<_, OpenError>(())
    };
    for connection in readers {
        start("sessions-read", Box::new(move |shared| reader::run(connection, &shared.reads)))?;
    }
    start("sessions-feed", Box::new(move |shared| shared.feed.run(&feed)))?;
    start("sessions-checkpoint", Box::new(move |shared| shared.checkpoints.run(&checkpoints)))?;
    start(
        "sessions-write",
        Box::new(move |shared| writer::run(&writer, &shared.writes, &shared.feed, &shared.checkpoints)),
    )?;
    Ok(SqliteStore { inner: Arc::new(inner) })
}

/// Creates the file if it does not exist, readable by this user only: sessions are not secrets, but who has one, when and
/// from where, is private. SQLite gives its other files the same mode.
fn create_private(location: &Location) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(location.create).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&location.path).map(drop)
}

fn connect(path: &Path, options: &SqliteOptions) -> Result<Connection, OpenError> {
    let access =
        if options.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_locks(&mut connection)?;
    let synchronous = if options.writes_lost_on_power_failure { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // On macOS a plain fsync leaves the data in the cache of the drive. Elsewhere this has no effect.
    connection.pragma_update(None, "fullfsync", !options.writes_lost_on_power_failure)?;
    // See `writer::checkpoint`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -PAGE_CACHE_KIB)?;
    Ok(connection)
}

/// The switch happens once for each file, and SQLite does not wait for locks in it.
fn switch_to_wal(connection: &Connection, lock_timeout: Duration) -> Result<(), OpenError> {
    let started = Instant::now();
    loop {
        let switched =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match switched {
            Ok(mode) if str::eq_ignore_ascii_case(&mode, "wal") => return Ok(()),
            Ok(_) => return Err(io::Error::other("the file system has no shared memory for a WAL").into()),
            Err(error) if is_locked(&error) && started.elapsed() < lock_timeout => thread::sleep(LOCK_PAUSE),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work)
}
