//! Runs one statement on a pooled connection, within the time limit.

use std::{pin::pin, time::Duration};

use deadpool_postgres::{Object, Pool, PoolError};
use futures_util::TryStreamExt;
use tokio::time::timeout;
use tokio_postgres::{Row as Columns, RowStream, error::SqlState, types::ToSql};
use tower_refresh_core::{StoreError, StoreErrorKind};

use crate::{
    error::{pool_error, store_error},
    table::{Statement, Statements},
};

pub(crate) struct Database {
    pub(crate) pool: Pool,
    pub(crate) statements: Statements,
    pub(crate) unnamed_statements: bool,
    pub(crate) timeout: Duration,
}

impl Database {
    /// Returns the rows of the result.
    pub(crate) async fn query(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Columns>, StoreError> {
        Ok(self.run(statement, parameters).await?.0)
    }

    /// Returns how many rows were changed.
    pub(crate) async fn execute(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, StoreError> {
        Ok(self.run(statement, parameters).await?.1)
    }

    async fn run(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(Vec<Columns>, u64), StoreError> {
        let running = async {
            let started = match self.start(statement, parameters).await {
                Err(error) if server_closed_connection(&error) => self.start(statement, parameters).await,
                started => started,
            };
            let (lease, rows) = started.map_err(pool_error)?;
            let finished = finish(rows).await;
            if finished.as_ref().err().is_none_or(is_invalid_value) {
                lease.give_back();
            }
            finished.map_err(store_error)
        };
        timeout(self.timeout, running)
            .await
            .unwrap_or_else(|_| Err(StoreError::new(StoreErrorKind::TimedOut)))
    }

    /// Sends the statement. An error that the server reports here comes in place of its acceptance of the parameters, so
    /// the statement was not executed.
    async fn start(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(Lease, RowStream), PoolError> {
        let lease = Lease(Some(self.pool.get().await?));
        let Some(connection) = &lease.0 else { return Err(PoolError::Closed) };
        let started = async {
            if self.unnamed_statements {
                let typed = parameters.iter().copied().zip(statement.types.iter().cloned());
                return connection.query_typed_raw(&statement.sql, typed).await;
            }
            let prepared = connection.prepare_typed_cached(&statement.sql, &statement.types).await?;
            connection.query_raw(&prepared, parameters.iter().copied()).await
        };
        match started.await {
            Ok(rows) => Ok((lease, rows)),
            Err(error) => {
                if is_invalid_value(&error) {
                    lease.give_back();
                }
                Err(error.into())
            }
        }
    }
}

async fn finish(rows: RowStream) -> Result<(Vec<Columns>, u64), tokio_postgres::Error> {
    let mut rows = pin!(rows);
    let columns = rows.as_mut().try_collect().await?;
    Ok((columns, rows.rows_affected().unwrap_or(0)))
}

/// A connection whose statement failed, or whose caller stopped waiting, is closed and not reused: its server may be gone,
/// may no longer be the primary, or may have lost the prepared statement.
struct Lease(Option<Object>);

impl Lease {
    fn give_back(mut self) {
        self.0.take();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.take().map(Object::take);
    }
}

/// Class 22: the server rejected a value, such as text with U+0000.
fn is_invalid_value(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| state.code().starts_with("22"))
}

/// Whether the server reports that it closed a connection that was open.
fn server_closed_connection(error: &PoolError) -> bool {
    let PoolError::Backend(error) = error else { return false };
    matches!(
        error.code(),
        Some(&SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN | &SqlState::IDLE_SESSION_TIMEOUT)
    )
}
