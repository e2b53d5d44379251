//! A connection of the pool for the time of one statement or one transaction.

use sqlx::{Connection, Error, PgPool, Postgres, pool::PoolConnection, postgres::PgConnection, raw_sql};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout_at},
};

/// A connection that is neither given back nor closed is one whose caller stopped waiting. It is given back to the pool as soon as
/// its statement has finished, or closed at the deadline: a server that vanished would keep it forever, and its place in the pool.
pub(crate) struct Lease {
    connection: Option<PoolConnection<Postgres>>,
    deadline: Instant,
    /// Whether a transaction may be open. The driver's own type leaves it open if the caller stops waiting while it begins.
    in_transaction: bool,
}

impl Lease {
    /// A connection on which no transaction is open. If the application stops waiting while the driver begins one, the driver gives
    /// the connection back with it: what is written there would never be committed, and its reads may be of long ago.
    pub(crate) async fn acquire(pool: &PgPool, deadline: Instant) -> Result<Self, Error> {
        let mut lease = Self { connection: Some(pool.acquire().await?), deadline, in_transaction: false };
        // Executes nothing, and fails unless the server says that there is a transaction.
        let checked = match lease.connection()?.begin_with("").await {
            Ok(left_open) => left_open.rollback().await,
            Err(Error::BeginFailed) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = checked {
            lease.close();
            return Err(error);
        }
        Ok(lease)
    }

    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        self.connection.as_deref_mut().ok_or(Error::PoolClosed)
    }

    /// Begins a transaction, which [`commit`](Self::commit) ends; otherwise it is rolled back.
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        self.in_transaction = true;
        raw_sql("BEGIN ISOLATION LEVEL READ COMMITTED").execute(self.connection()?).await?;
        Ok(())
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        raw_sql("COMMIT").execute(self.connection()?).await?;
        self.in_transaction = false;
        Ok(())
    }

    pub(crate) fn give_back(mut self) {
        if !self.in_transaction {
            self.connection = None;
        }
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
        let Some(connection) = self.connection.take() else { return };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(settle(connection, self.in_transaction, self.deadline))),
            Err(_) => drop(connection.detach()),
        }
    }
}

/// Gives the connection back once nothing of its caller is left on it.
async fn settle(mut connection: PoolConnection<Postgres>, in_transaction: bool, deadline: Instant) {
    let settling = async {
        // Sends what is left of the statement, and receives its reply.
        connection.ping().await?;
        if in_transaction {
            raw_sql("ROLLBACK").execute(&mut *connection).await?;
        }
        Ok::<_, Error>(())
    };
    if !matches!(timeout_at(deadline, settling).await, Ok(Ok(()))) {
        connection.close_on_drop();
    }
}
