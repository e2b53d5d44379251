//! Runs one statement on a connection of the pool, within the time limit.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::{
    Either, Error, Execute, Executor, PgPool, Postgres, SqlStr,
    postgres::{PgArguments, PgConnection, PgRow},
    query,
    query::Query,
    query_with,
};
use tokio::time::{Instant, timeout_at};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::{
    connection::Lease,
    error::{has_code, store_error},
    table::Statements,
};

pub(crate) struct Database {
    pub(crate) pool: PgPool,
    pub(crate) statements: Statements,
    pub(crate) unnamed_statements: bool,
    pub(crate) timeout: Duration,
}

/// A statement with its parameters.
pub(crate) type Bound = Query<'static, Postgres, PgArguments>;

/// A statement, to which its parameters are bound next.
pub(crate) fn bind(statement: &SqlStr) -> Bound {
    query(statement.clone())
}

/// What a statement returned.
#[derive(Default)]
struct Reply {
    rows: Vec<PgRow>,
    rows_affected: u64,
    /// Whether the server has sent anything but an error.
    begun: bool,
}

impl Database {
    /// Returns the rows of the result.
    pub(crate) async fn query(&self, statement: Bound) -> Result<Vec<PgRow>, StoreError> {
        Ok(self.run(statement).await?.rows)
    }

    /// Returns how many rows were changed.
    pub(crate) async fn execute(&self, statement: Bound) -> Result<u64, StoreError> {
        Ok(self.run(statement).await?.rows_affected)
    }

    async fn run(&self, mut statement: Bound) -> Result<Reply, StoreError> {
        let deadline = Instant::now() + self.timeout;
        let arguments = statement
            .take_arguments()
            .map_err(|error| StoreError::with_source(StoreErrorKind::Unavailable, error))?;
        let (sql, arguments) = (statement.sql(), arguments.unwrap_or_default());
        let bind = || query_with(sql.clone(), arguments.clone()).persistent(!self.unnamed_statements);
        let running = async {
            let mut reply = Reply::default();
            match self.send(bind(), &mut reply, deadline).await {
                // The server sends the reply before it commits, so the statement had no effect.
                Err(error) if !reply.begun && was_not_executed(&error) => {
                    self.send(bind(), &mut reply, deadline).await
                }
                sent => sent,
            }
            .map_err(store_error)?;
            Ok(reply)
        };
        timeout_at(deadline, running).await.unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::TimedOut)))
    }

    async fn send(&self, statement: Bound, reply: &mut Reply, deadline: Instant) -> Result<(), Error> {
        let mut lease = Lease::acquire(&self.pool, deadline).await?;
        let sent = async {
            // A pooler may give each transaction another connection, and the driver sends the text of a statement and its
            // parameters separately.
            if self.unnamed_statements {
                lease.begin().await?;
            }
            receive(lease.connection()?, statement, reply).await?;
            if self.unnamed_statements {
                lease.commit().await?;
            }
            Ok(())
        };
        let sent = sent.await;
        match &sent {
            Err(error) if !is_invalid_value(error) => lease.close(),
            _ => lease.give_back(),
        }
        sent
    }
}

async fn receive(connection: &mut PgConnection, statement: Bound, reply: &mut Reply) -> Result<(), Error> {
    let mut received = connection.fetch_many(statement);
    while let Some(part) = received.try_next().await? {
        reply.begun = true;
        match part {
            Either::Left(done) => reply.rows_affected += done.rows_affected(),
            Either::Right(row) => reply.rows.push(row),
        }
    }
    Ok(())
}

/// Class 22: the server rejected a value, such as text with U+0000.
fn is_invalid_value(error: &Error) -> bool {
    has_code(error, |code| code.starts_with("22"))
}

/// Whether the server reports that it closed a connection that was open (`admin_shutdown`, `crash_shutdown`,
/// `idle_session_timeout`), or that the application left a transaction on it that has failed (`in_failed_sql_transaction`).
fn was_not_executed(error: &Error) -> bool {
    has_code(error, |code| matches!(code, "57P01" | "57P02" | "57P05" | "25P02"))
}
