//! The statements of the store, issued one by one.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, params};
use tower_refresh_core::SessionHandle;

use crate::{Result, sessions::Sessions};

#[derive(Clone)]
pub(crate) struct OneByOne(Arc<Mutex<Connection>>);

/// The loaded columns that the swap needs. The others are read as well.
struct Loaded {
    generation: u32,
    rotated_at: i64,
    idle_expiry: i64,
    version: i64,
}

impl OneByOne {
    pub(crate) fn open(sessions: &Sessions) -> Result<Self> {
        let connection = Connection::open(&sessions.path)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -16 * 1024)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs on the calling thread.
    pub(crate) fn refresh(&self, handle: SessionHandle) -> Result<()> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = load(&connection, handle)?;
        swap(&connection, handle, &loaded)
    }

    /// Runs on a blocking thread, as in an async program.
    pub(crate) async fn refresh_off_thread(&self, handle: SessionHandle) -> Result<()> {
        let connection = Arc::clone(&self.0);
        let loading = move || load(&connection.lock().unwrap_or_else(PoisonError::into_inner), handle);
        let loaded = tokio::task::spawn_blocking(loading).await??;
        let connection = Arc::clone(&self.0);
        let swapping =
            move || swap(&connection.lock().unwrap_or_else(PoisonError::into_inner), handle, &loaded);
        tokio::task::spawn_blocking(swapping).await?
    }
}

fn load(connection: &Connection, handle: SessionHandle) -> Result<Loaded> {
    let mut statement = connection.prepare_cached("SELECT * FROM sessions WHERE handle = ?1")?;
    let loaded = statement.query_row([handle.as_bytes()], |row| {
        let _: (String, bool, i64, i64, i64) = (
            row.get("subject")?,
            row.get("confirmed")?,
            row.get("late_budget")?,
            row.get("created_at")?,
            row.get("absolute_expiry")?,
        );
        let _: (Option<String>, Option<i64>) = (row.get("ended_reason")?, row.get("ended_at")?);
        let _: (Option<String>, Option<String>, Option<String>, Vec<u8>) =
            (row.get("user_agent")?, row.get("ip")?, row.get("label")?, row.get("data")?);
        Ok(Loaded {
            generation: row.get("generation")?,
            rotated_at: row.get("rotated_at")?,
            idle_expiry: row.get("idle_expiry")?,
            version: row.get("version")?,
        })
    })?;
    Ok(loaded)
}

fn swap(connection: &Connection, handle: SessionHandle, loaded: &Loaded) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "UPDATE sessions SET generation = ?1, rotated_at = ?2, confirmed = 0, late_budget = 0, idle_expiry = ?3,
           version = version + 1
         WHERE handle = ?4 AND version = ?5 AND ended_at IS NULL",
    )?;
    let swapped = statement.execute(params![
        loaded.generation + 1,
        loaded.rotated_at + 1,
        loaded.idle_expiry + 1,
        handle.as_bytes(),
        loaded.version
    ])?;
    (swapped == 1).then_some(()).ok_or("another write came between".into())
}
