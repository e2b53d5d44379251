//! Loading a session.

use futures_channel::oneshot::Sender;
use rusqlite::{Connection, OptionalExtension};
use tower_refresh_core::{SessionHandle, SessionRow, StoreError};

use crate::{
    error::store_error,
    row::{self, Column, columns},
};

/// A load and the channel for its result.
pub(crate) struct Load {
    pub(crate) handle: SessionHandle,
    pub(crate) reply: Sender<Result<Option<SessionRow>, StoreError>>,
}

const LOAD: &str = concat!("SELECT ", columns!(), " FROM sessions WHERE handle = ?1");

impl Load {
    pub(crate) fn run(self, connection: &Connection) {
        // The receiver of a dropped future is gone.
        let _ = self.reply.send(load(connection, self.handle).map_err(store_error));
    }
}

fn load(connection: &Connection, handle: SessionHandle) -> rusqlite::Result<Option<SessionRow>> {
    connection.prepare_cached(LOAD)?.query_row([Column(handle)], row::read).optional()
}
