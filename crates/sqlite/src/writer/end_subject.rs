//! Ending the sessions of a subject.

use std::{
    mem,
    time::{Duration, Instant},
};

use rusqlite::{Connection, params};
use tower_refresh_core::{EndReason, SessionHandle, StoreError, Subject, Timestamp};

use super::job::{Step, Write};
use crate::{error::store_error, row::Column};

pub(crate) struct EndSubject {
    subject: Subject,
    except: Option<SessionHandle>,
    reason: EndReason,
    now: Timestamp,
    version: u64,
    started: Option<Instant>,
    /// What the earlier steps ended. Their transactions are committed.
    committed: Vec<SessionHandle>,
    /// What the last step ended.
    ended: Vec<SessionHandle>,
}

/// The number of sessions after which a call returns.
const ENOUGH: usize = 1000;
/// The time after which it returns with fewer: the caller waits two seconds at most, and each call makes some progress.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

const END_SUBJECT: &str = "
    UPDATE sessions SET ended_reason = ?1, ended_at = ?2, version = ?6, purge_at = min(purge_at, ?2)
    WHERE id IN (SELECT id FROM sessions WHERE subject = ?3 AND ended_at IS NULL AND handle IS NOT ?4 LIMIT ?5)
    RETURNING handle";

impl EndSubject {
    pub(crate) fn new(
        subject: Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Self {
        let (committed, ended) = (Vec::new(), Vec::new());
        Self { subject, except, reason, now, version, started: None, committed, ended }
    }
}

/// A subject may have thousands of sessions. They are ended in steps, with refreshes in between, and a call ends about
/// [`ENOUGH`] of them.
impl Write for EndSubject {
    type Output = Vec<SessionHandle>;

    const LONG: bool = true;

    const NOTIFIES: bool = true;

    fn step(&mut self, connection: &Connection, rows: usize) -> Result<Step<Vec<SessionHandle>>, StoreError> {
        // A step follows only after the one before it was committed.
        self.committed.append(&mut self.ended);
        self.ended = self.end_some(connection, rows).map_err(store_error)?;
        let is_enough = self.committed.len() + self.ended.len() >= ENOUGH
            || self.started.get_or_insert_with(Instant::now).elapsed() >= LONG_ENOUGH;
        let is_last = is_enough || self.ended.len() < rows;
        Ok(if is_last { Step::Done([&*self.committed, &*self.ended].concat()) } else { Step::More })
    }

    /// The caller must learn of these sessions, and the next call reports the failure if it persists.
    fn committed_before(&mut self) -> Option<Vec<SessionHandle>> {
        Some(mem::take(&mut self.committed)).filter(|committed| !committed.is_empty())
    }
}

impl EndSubject {
    fn end_some(&self, connection: &Connection, rows: usize) -> rusqlite::Result<Vec<SessionHandle>> {
        let mut statement = connection.prepare_cached(END_SUBJECT)?;
        let ended = statement.query_map(
            params![
                Column(self.reason),
                Column(self.now),
                self.subject.as_str(),
                self.except.map(Column),
                rows,
                self.version,
            ],
            |columns| columns.get(0).map(|Column(handle)| handle),
        )?;
        ended.collect()
    }
}
