//! A connection of the pool for the time of one statement.

use sqlx::{Connection, Error, PgPool, Postgres, pool::PoolConnection, postgres::PgConnection};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

/// A connection that is neither given back nor closed is one whose caller stopped waiting. It is given back to the pool as soon as
/// its statement has finished, or closed at the deadline: a server that vanished would keep it forever, and its place in the pool.
pub(crate) struct Lease {
    connection: Option<PoolConnection<Postgres>>,
    deadline: Instant,
}

impl Lease {
    pub(crate) async fn acquire(pool: &PgPool, deadline: Instant) -> Result<Self, Error> {
        Ok(Self { connection: Some(pool.acquire().await?), deadline })
    }

    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::PoolClosed)
    }

    pub(crate) fn give_back(mut self) {
        self.connection = None;
    }

    /// The server of a connection whose statement failed may be gone, may no longer be the primary, or may have lost the prepared
    /// statement.
    pub(crate) fn close(mut self) {
        if let Some(connection) = &mut self.connection {
            connection.close_on_drop();
        }
        self.connection = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let Ok(runtime) = Handle::try_current() else {
            drop(connection.detach());
            return;
        };
        let deadline = self.deadline;
        runtime.spawn(async move {
            // Sends what is left of the statement, receives its reply, and rolls back a transaction.
            if !matches!(timeout_at(deadline, connection.ping()).await, Ok(Ok(()))) {
                connection.close_on_drop();
            }
        });
    }
}
