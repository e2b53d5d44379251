//! One statement, one answer, within a time limit.

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use tokio::time::timeout;
use tokio_postgres::{Row as Columns, types::ToSql};
use tower_refresh_core::StoreErrorKind;

use crate::{error::Failure, statements::Statements};

pub(crate) struct Database {
    pub(crate) pool: Pool,
    pub(crate) statements: Statements,
    pub(crate) time_limit: Duration,
}

impl Database {
    pub(crate) async fn query(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Columns>, Failure> {
        self.on_connection(async |connection| {
            let statement = connection.prepare_cached(statement).await?;
            connection.query(&statement, parameters).await
        })
        .await
    }

    /// Returns how many rows were changed.
    pub(crate) async fn execute(
        &self,
        statement: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, Failure> {
        self.on_connection(async |connection| {
            let statement = connection.prepare_cached(statement).await?;
            connection.execute(&statement, parameters).await
        })
        .await
    }

    async fn on_connection<T>(
        &self,
        work: impl AsyncFnOnce(&Object) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failure> {
        let working = async {
            let lease = Lease(Some(self.pool.get().await?));
            let Some(connection) = &lease.0 else { return Err(StoreErrorKind::Unavailable.into()) };
            let result = work(connection).await;
            if result.as_ref().err().is_none_or(is_of_the_values) {
                lease.give_back();
            }
            Ok(result?)
        };
        timeout(self.time_limit, working).await.unwrap_or_else(|_| Err(StoreErrorKind::TimedOut.into()))
    }
}

/// A connection whose statement failed or was not waited for is closed and not given to others: its server may be gone,
/// no longer the primary, or have forgotten the statement.
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

/// TokenClass 22: a value that the server refuses, such as a text with U+0000.
fn is_of_the_values(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|state| state.code().starts_with("22"))
}
