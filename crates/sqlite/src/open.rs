//! From a path to connections and threads.

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
    OpenError, Options, SqliteStore, reader, schema,
    store::{Inner, Shared},
    writer,
};

const PAGE_CACHE_KIB: i32 = 16 * 1024;

/// Opening reads and may migrate the file, so it has a thread of its own, too.
pub(crate) async fn open(path: PathBuf, options: Options) -> Result<SqliteStore, OpenError> {
    let (reply, opened) = oneshot::channel();
    spawn("sessions-open", move || {
        let _ = reply.send(open_blocking(path, &options));
    })?;
    opened.await.unwrap_or_else(|_| Err(io::Error::other("the thread that opens the file is gone").into()))
}

fn open_blocking(path: PathBuf, options: &Options) -> Result<SqliteStore, OpenError> {
    create_private(&path)?;
    // Whatever opens a relative path again after a change of directory would open another file.
    let path = path.canonicalize()?;
    let mut writer = connect(&path, options)?;
    switch_to_wal(&writer, options.lock_wait)?;
    schema::migrate(&mut writer)?;
    let (feed, checkpoints) = (connect(&path, options)?, connect(&path, options)?);
    let readers =
        (0..options.readers.get()).map(|_| connect(&path, options)).collect::<Result<Vec<_>, _>>()?;

    // From here on an error drops what there is of the store, which stops the threads that were started.
    let shared = Arc::new(Shared::default());
    let mut inner = Inner { path, shared: Arc::clone(&shared), threads: Vec::new() };
    let mut start = |name, work: Box<dyn FnOnce(&Shared) + Send>| {
        let shared = Arc::clone(&shared);
        inner.threads.push(spawn(name, move || work(&shared))?);
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

/// Creates the file if there is none, readable by nobody else: sessions are not secrets, but who has one when and from
/// where is nobody else's business. SQLite gives the files beside it the same mode.
fn create_private(path: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn connect(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    wait_for_locks(&mut connection, options.lock_wait)?;
    let synchronous = if options.writes_lost_on_power_failure { "NORMAL" } else { "FULL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // On macOS a plain fsync leaves the data in the drive's cache; elsewhere this does nothing.
    connection.pragma_update(None, "fullfsync", !options.writes_lost_on_power_failure)?;
    // See `checkpoint`.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -PAGE_CACHE_KIB)?;
    Ok(connection)
}

/// SQLite's own way of waiting sleeps ever longer, up to 100 ms, and starves beside a process that writes without pause.
fn wait_for_locks(connection: &mut Connection, lock_wait: Duration) -> rusqlite::Result<()> {
    let mut deadline = Instant::now();
    connection.busy_handler(Some(move |tries| {
        let now = Instant::now();
        if tries == 0 {
            deadline = now + lock_wait;
        }
        thread::sleep(LOCK_PAUSE);
        now < deadline
    }))
}

const LOCK_PAUSE: Duration = Duration::from_micros(500);

/// The switch takes place once in the life of a file, and does not wait for locks by itself.
fn switch_to_wal(connection: &Connection, lock_wait: Duration) -> Result<(), OpenError> {
    let deadline = Instant::now() + lock_wait;
    loop {
        let switched =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match switched {
            Ok(mode) if str::eq_ignore_ascii_case(&mode, "wal") => return Ok(()),
            Ok(_) => return Err(io::Error::other("the file system has no shared memory for a WAL").into()),
            Err(error) if is_locked(&error) && Instant::now() < deadline => thread::sleep(LOCK_PAUSE),
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
