//! What a migration needs of a driver.

use crate::error::SchemaError;

/// An open transaction of a driver. It is at the isolation level `read committed`, as the database's default level might keep a
/// snapshot from before [`migrate`](crate::migrate()) takes its lock.
pub trait Transaction: Send {
    /// The driver's error.
    type Error: From<SchemaError>;

    /// Executes statements that are separated by semicolons, and ignores what they return.
    fn execute(&mut self, script: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Runs a query that returns one `boolean`.
    fn query_flag(&mut self, query: &str) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Runs a query that returns one `integer`.
    fn query_number(&mut self, query: &str) -> impl Future<Output = Result<i32, Self::Error>> + Send;

    /// Runs a query with one parameter, of the type `text[]`, that returns no row, or one of two columns: a `text` and a `name`. No statement may be prepared by name, which a pooler may not support.
    fn query_owner(
        &mut self,
        query: &str,
        trusted: &[String],
    ) -> impl Future<Output = Result<Option<(String, String)>, Self::Error>> + Send;
}
