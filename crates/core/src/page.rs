//! A page of a list.

use crate::{SessionHandle, SessionRow, Timestamp};

/// Which part of a list [`SessionStore::list`](crate::SessionStore::list) returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The login and the handle of the session after which the page begins. `None` is the beginning of the list.
    pub after: Option<(Timestamp, SessionHandle)>,
    /// The maximum number of rows. At least 1.
    pub limit: usize,
}

impl Page {
    /// The first page.
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The page after the one that ends with `row`. The session may have ended since.
    pub const fn after(row: &SessionRow, limit: usize) -> Self {
        Self { after: Some((row.created_at, row.handle)), limit }
    }

    /// Whether the row comes after [`Page::after`], for stores that select rows themselves.
    pub fn includes(&self, row: &SessionRow) -> bool {
        self.after.is_none_or(|after| (row.created_at, row.handle) < after)
    }
}
