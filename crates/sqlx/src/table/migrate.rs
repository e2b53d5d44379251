//! Creates, migrates and checks the table.

use sqlx::{
    AssertSqlSafe, Row,
    postgres::{PgConnection, PgRow},
    query, raw_sql,
};
use tower_refresh_postgres_schema::{self as schema, Table};

use crate::{connection::Lease, error::OpenError};

/// Migrates the table to the newest version. Several servers may call it at the same time.
pub(crate) async fn migrate(
    lease: &mut Lease,
    table: &Table,
    trusted_owners: &[String],
) -> Result<(), OpenError> {
    lease.begin().await?;
    schema::migrate(&mut Transaction(lease.connection()?), table, trusted_owners).await?;
    lease.commit().await?;
    Ok(())
}

/// Checks that the table has the newest version, and changes nothing.
pub(crate) async fn check(
    lease: &mut Lease,
    table: &Table,
    trusted_owners: &[String],
) -> Result<(), OpenError> {
    lease.begin().await?;
    schema::check(&mut Transaction(lease.connection()?), table, trusted_owners).await?;
    lease.commit().await?;
    Ok(())
}

struct Transaction<'a>(&'a mut PgConnection);

impl schema::Transaction for Transaction<'_> {
    type Error = OpenError;

    async fn execute(&mut self, script: &str) -> Result<(), OpenError> {
        raw_sql(AssertSqlSafe(script.to_owned())).execute(&mut *self.0).await?;
        Ok(())
    }

    async fn query_flag(&mut self, query: &str) -> Result<bool, OpenError> {
        Ok(self.query_one(query).await?.try_get(0)?)
    }

    async fn query_number(&mut self, query: &str) -> Result<i32, OpenError> {
        Ok(self.query_one(query).await?.try_get(0)?)
    }

    async fn query_owner(
        &mut self,
        sql: &str,
        trusted: &[String],
    ) -> Result<Option<(String, String)>, OpenError> {
        let query = query(AssertSqlSafe(sql.to_owned())).persistent(false).bind(trusted);
        let found = query.fetch_optional(&mut *self.0).await?;
        found.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
    }
}

impl Transaction<'_> {
    /// Without a named statement, which a pooler may not support.
    async fn query_one(&mut self, sql: &str) -> Result<PgRow, OpenError> {
        Ok(query(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_one(&mut *self.0).await?)
    }
}
