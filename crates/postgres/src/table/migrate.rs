//! Creates, migrates and checks the table.

use deadpool_postgres::{Object, Transaction as DriverTransaction};
use tokio_postgres::{IsolationLevel, Row, types::Type};
use tower_refresh_postgres_schema::{self as schema, Table};

use crate::error::OpenError;

/// Migrates the table to the newest version. Several servers may call it at the same time.
pub(crate) async fn migrate(
    connection: &mut Object,
    table: &Table,
    trusted_owners: &[String],
) -> Result<(), OpenError> {
    let building = connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
    let mut transaction = Transaction(building.start().await?);
    schema::migrate(&mut transaction, table, trusted_owners).await?;
    transaction.0.commit().await?;
    Ok(())
}

/// Checks that the table has the newest version, and changes nothing.
pub(crate) async fn check(
    connection: &mut Object,
    table: &Table,
    trusted_owners: &[String],
) -> Result<(), OpenError> {
    let building = connection.build_transaction().isolation_level(IsolationLevel::ReadCommitted);
    let mut transaction = Transaction(building.start().await?);
    schema::check(&mut transaction, table, trusted_owners).await?;
    transaction.0.commit().await?;
    Ok(())
}

struct Transaction<'a>(DriverTransaction<'a>);

impl schema::Transaction for Transaction<'_> {
    type Error = OpenError;

    async fn execute(&mut self, script: &str) -> Result<(), OpenError> {
        Ok(self.0.batch_execute(script).await?)
    }

    async fn query_flag(&mut self, query: &str) -> Result<bool, OpenError> {
        Ok(self.query_one(query).await?.try_get(0)?)
    }

    async fn query_number(&mut self, query: &str) -> Result<i32, OpenError> {
        Ok(self.query_one(query).await?.try_get(0)?)
    }

    async fn query_owner(
        &mut self,
        query: &str,
        trusted: &[String],
    ) -> Result<Option<(String, String)>, OpenError> {
        let found = self.0.query_typed_opt(query, &[(&trusted, Type::TEXT_ARRAY)]).await?;
        found.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }
}

impl Transaction<'_> {
    /// Without a named statement, which a pooler may not support.
    async fn query_one(&self, query: &str) -> Result<Row, OpenError> {
        Ok(self.0.query_typed_one(query, &[]).await?)
    }
}
