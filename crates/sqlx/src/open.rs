//! Opens a store: checks what the pool leads to, and migrates the table.

use sqlx::PgPool;
use tokio::time::Instant;
use tower_refresh_postgres_schema::Table;

use crate::{
    connection::{Lease, StatementSupport, statement_support},
    database::Database,
    error::OpenError,
    options::SqlxOptions,
    store::SqlxStore,
    table::{check, migrate, statements},
};

impl SqlxStore {
    /// Opens the database of `pool` with the default [options](SqlxOptions), as [`SqlxOptions::open`] does.
    ///
    /// # Errors
    /// As for [`SqlxOptions::open`].
    pub async fn open(pool: PgPool) -> Result<Self, OpenError> {
        SqlxOptions::new().open(pool).await
    }
}

impl SqlxOptions {
    /// Opens the database of `pool`, and migrates the table to the newest version. The store uses the pool for each call, and
    /// beside it one connection for each watcher of the feed.
    ///
    /// The pool's connections must lead to a primary, never to a replica, which may lag.
    ///
    /// # Errors
    /// If a name is invalid, the database cannot be reached or is unsuitable, a pooler does not support prepared statements, or the
    /// table belongs to another application, to a newer version of this crate or to an untrusted role ([`OpenError::kind`]).
    ///
    /// # Cancel safety
    /// If the future is dropped, the transaction of the migration is rolled back before its connection is used again.
    pub async fn open(self, pool: PgPool) -> Result<SqlxStore, OpenError> {
        let table = Table::new(self.schema, self.table)?;
        let unnamed_statements = self.unnamed_statements
            || statement_support(&pool, self.timeout).await? == StatementSupport::Uncached;
        let mut lease = Lease::acquire(&pool, Instant::now() + self.timeout).await?;
        if self.read_only {
            check(&mut lease, &table, &self.trusted_owners).await?;
        } else {
            migrate(&mut lease, &table, &self.trusted_owners).await?;
        }
        lease.give_back();
        let statements = statements(&table, self.lossy_rotations);
        let database = Database { pool, statements, unnamed_statements, timeout: self.timeout };
        Ok(SqlxStore::new(database, self.feed))
    }
}
