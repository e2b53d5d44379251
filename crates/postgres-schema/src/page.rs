//! Where a page of a list begins.

use tower_refresh_core::{Page, SessionHandle, StoreError};

use crate::row::millis;

/// Where a page of a list begins: the third and fourth parameter of [`Statements::list`](crate::Statements::list), and its fifth,
/// the number of rows.
#[derive(Clone, Copy, Debug)]
pub struct PageStart {
    login: i64,
    after: Option<SessionHandle>,
    limit: i64,
}

/// Longer than a handle, so greater than each of them.
const AFTER_ALL_HANDLES: &[u8] = &[u8::MAX; 17];

impl PageStart {
    /// The start of `page`.
    ///
    /// # Errors
    /// [`Unavailable`](tower_refresh_core::StoreErrorKind::Unavailable) if the time is out of the column's range.
    pub fn new(page: Page) -> Result<Self, StoreError> {
        let (login, after) = match page.after {
            Some((login, handle)) => (millis(login)?, Some(handle)),
            None => (i64::MAX, None),
        };
        Ok(Self { login, after, limit: i64::try_from(page.limit).unwrap_or(i64::MAX) })
    }

    /// The page has logins before this time, in milliseconds, or at this time with a lower handle than
    /// [`handle`](Self::handle).
    pub fn login(&self) -> i64 {
        self.login
    }

    /// The handle that those of the page are below.
    pub fn handle(&self) -> &[u8] {
        self.after.as_ref().map_or(AFTER_ALL_HANDLES, |handle| handle.as_bytes().as_slice())
    }

    /// The largest number of rows.
    pub fn limit(&self) -> i64 {
        self.limit
    }
}
