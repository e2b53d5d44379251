//! Files with sessions to refresh.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, params};
use tower_refresh_core::{SessionHandle, SessionRow, SessionStore, Timestamp};
use tower_refresh_sqlite::SqliteStore;

use crate::Result;

pub(crate) const FEW: u64 = 1_000;
pub(crate) const MANY: u64 = 1_000_000;
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
/// After every session has expired, except the [immortal](Sessions::immortal) ones.
pub(crate) const END_OF_TIME: Timestamp = Timestamp::from_secs(2_000_000_000);

/// A subject with ten thousand sessions.
pub(crate) const ALICES: &str = "alice";
const ALICES_SHARE: u64 = MANY / 10_000;

const IMMORTAL: u64 = 100;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36";

pub(crate) struct Sessions {
    pub(crate) path: PathBuf,
    pub(crate) store: SqliteStore,
    pub(crate) rows: u64,
}

impl Sessions {
    pub(crate) async fn create(path: &Path, rows: u64) -> Result<Self> {
        let store = SqliteStore::open(path).await?;
        fill(path, rows)?;
        for number in 0..IMMORTAL {
            let mut row = row(rows + number);
            row.subject = "immortal".into();
            row.absolute_expiry = END_OF_TIME.saturating_add(DAY);
            row.idle_expiry = row.absolute_expiry;
            store.create(&row).await?;
        }
        Ok(Self { path: path.to_owned(), store, rows })
    }

    /// A session that a purge does not remove. Small numbers select different sessions.
    pub(crate) fn immortal(&self, number: u64) -> SessionHandle {
        handle(self.rows + number % IMMORTAL)
    }

    /// Any session. Different tasks get different sessions, so that no two refresh the same one concurrently.
    pub(crate) fn random(&self, step: u64, task: u64, tasks: u64) -> SessionHandle {
        self.handles()(step, task, tasks)
    }

    /// [`random`](Self::random) as a function without a borrow.
    pub(crate) fn handles(&self) -> impl Fn(u64, u64, u64) -> SessionHandle + Send + 'static {
        let rows = self.rows;
        move |step, task, tasks| handle(scatter((step << 8) | task) % (rows / tasks) * tasks + task)
    }
}

/// Refreshes the session once.
pub(crate) async fn refresh(store: &SqliteStore, handle: SessionHandle) -> Result<()> {
    let mut row = store.load(handle).await?.ok_or("the session does not exist")?;
    row.generation += 1;
    row.rotated_at = row.rotated_at.saturating_add(Duration::from_millis(1));
    row.idle_expiry = row.idle_expiry.saturating_add(Duration::from_millis(1));
    store
        .compare_and_swap(&row, row.version + 1)
        .await?
        .then_some(())
        .ok_or("another write came between".into())
}

fn row(number: u64) -> SessionRow {
    let login = NOW.saturating_sub(Duration::from_millis(number));
    let subject = if number % ALICES_SHARE == 7 {
        ALICES.into()
    } else {
        format!("user-{}", scatter(number) % MANY / 2)
    };
    let (idle, absolute) = (login.saturating_add(DAY * 7), login.saturating_add(DAY * 30));
    let mut row = SessionRow::new(handle(number), subject.into(), login, idle, absolute);
    row.meta.user_agent = Some(USER_AGENT.into());
    row
}

fn handle(number: u64) -> SessionHandle {
    let (high, low) = (scatter(number), scatter(!number));
    SessionHandle::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
}

/// Inserts the rows directly: a million creates would take longer than all measurements.
fn fill(path: &Path, rows: u64) -> Result<()> {
    let mut connection = Connection::open(path)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -400 * 1024)?;
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare(
        "INSERT INTO sessions (handle, subject, generation, rotated_at, confirmed, late_budget, created_at,
           idle_expiry, absolute_expiry, version, user_agent, ip, data, purge_at)
         VALUES (?1, ?2, 0, ?3, 0, 0, ?3, ?4, ?5, 0, ?6, '192.0.2.1', x'', ?4)",
    )?;
    for row in (0..rows).map(row) {
        insert.execute(params![
            row.handle.as_bytes(),
            row.subject.as_str(),
            row.created_at.as_millis() as i64,
            row.idle_expiry.as_millis() as i64,
            row.absolute_expiry.as_millis() as i64,
            row.meta.user_agent
        ])?;
    }
    drop(insert);
    transaction.commit()?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    fs::File::open(path)?.sync_all()?;
    Ok(())
}

/// A bijection that spreads numbers over all of `u64` (the finalizer of SplitMix64).
fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
