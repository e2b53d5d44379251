//! Whether prepared statements can be used, or a pooler is in the way.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection, Error, Executor, PgPool, Postgres, Row,
    postgres::{PgConnection, PgListener, PgRow},
    query, raw_sql,
};
use tokio::time::timeout;
use tower_refresh_postgres_schema::Echo;

use super::listener::listener;
use crate::error::{OpenError, OpenErrorKind, has_code};

/// Which statements the connections of a pool can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatementSupport {
    Prepared,
    /// The application has turned the driver's cache off. The driver would then prepare a statement anew for every call, and never
    /// close it.
    Uncached,
}

/// Fails if the connections of `pool` lead to a pooler that gives each transaction another connection, and passes the names of
/// prepared statements on unchanged. A statement would then not exist where it is executed, or, what is worse, be another
/// client's of the same name.
pub(crate) async fn statement_support(pool: &PgPool, limit: Duration) -> Result<StatementSupport, OpenError> {
    let mut connection = pool.acquire().await?;
    // Its cache has a statement that is never used again.
    connection.close_on_drop();
    let asking = timeout(limit, ask_for_name(&mut connection));
    let name = asking.await.unwrap_or_else(|_| Err(OpenErrorKind::Unavailable.into()))?;
    if connection.cached_statements_size() == 0 && !matches!(name, Name::Taken) {
        return Ok(StatementSupport::Uncached);
    }
    match name {
        Name::OfPooler => Ok(StatementSupport::Prepared),
        Name::OfDriver if hears(&mut connection, pool, limit).await? => Ok(StatementSupport::Prepared),
        Name::OfDriver | Name::Lost | Name::Taken => Err(OpenErrorKind::PreparedStatementsUnsupported.into()),
    }
}

/// The name of a prepared statement on the server.
enum Name {
    /// A pooler gives statements names of its own, as those do that support them.
    OfPooler,
    OfDriver,
    /// The statement is not where it was executed, or another client's was executed, which has its name.
    Lost,
    /// Other clients' statements have the names of the driver.
    Taken,
}

/// How many names are tried. Each client of a pooler may have taken one.
const NAMES: usize = 64;

/// The statement looks itself up.
async fn ask_for_name(connection: &mut PgConnection) -> Result<Name, OpenError> {
    let sql = format!(
        "SELECT name FROM pg_catalog.pg_prepared_statements WHERE pg_catalog.strpos(statement, '{}') OPERATOR(pg_catalog.>) 0",
        Echo::new().channel()
    );
    for _ in 0..NAMES {
        match query(AssertSqlSafe(sql.clone())).fetch_all(&mut *connection).await {
            Ok(rows) if rows.is_empty() => return Ok(Name::Lost),
            Ok(rows) if rows.iter().any(is_name_of_driver) => return Ok(Name::OfDriver),
            Ok(_) => return Ok(Name::OfPooler),
            // `invalid_sql_statement_name`
            Err(error) if has_code(&error, |code| code == "26000") => return Ok(Name::Lost),
            // `duplicate_prepared_statement`: the driver takes its next name.
            Err(error) if has_code(&error, |code| code == "42P05") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Name::Taken)
}

/// The driver counts its statements: `sqlx_s_1`, `sqlx_s_2`.
fn is_name_of_driver(row: &PgRow) -> bool {
    row.try_get::<&str, _>(0).is_ok_and(|name| name.starts_with("sqlx_s_"))
}

/// Whether a connection that is idle receives what another one sends.
async fn hears(sender: &mut PgConnection, pool: &PgPool, limit: Duration) -> Result<bool, OpenError> {
    let mut echo = Echo::new();
    let channel = echo.channel().to_owned();
    let mut listener = listener((*pool.connect_options()).clone(), limit).await?;
    if is_shared(&mut listener, Other::Connection(sender)).await? {
        return Ok(false);
    }
    listener.listen(&channel).await?;
    raw_sql(AssertSqlSafe(format!("NOTIFY {channel}"))).execute(sender).await?;
    let heard = timeout(limit, async {
        while let Some(notification) = listener.try_recv().await? {
            if echo.hear(notification.channel()) {
                return Ok(true);
            }
        }
        Ok::<_, Error>(false)
    });
    if let Ok(heard) = heard.await {
        return Ok(heard?);
    }
    // A server that is only slow has delivered it when this is done.
    let answered = timeout(limit, raw_sql("").execute(&mut listener)).await;
    answered.map_err(|_| OpenError::from(OpenErrorKind::Unavailable))??;
    Ok(listener.next_buffered().is_some())
}

/// Another connection than that of a feed.
pub(crate) enum Other<'a> {
    Connection(&'a mut PgConnection),
    AnyOf(&'a PgPool),
}

/// Whether `other` has the same connection to the server as `listener`, so that a pooler is in between.
///
/// A `LISTEN` would then stay on the server's connection, and the driver fails any statement that meets a notification. So this is
/// asked first. If the pooler was busy in between, it may not be noticed.
pub(crate) async fn is_shared(listener: &mut PgListener, mut other: Other<'_>) -> Result<bool, Error> {
    for _ in 0..3 {
        let own = process_id(&mut *listener).await?;
        let process_of_other = match &mut other {
            Other::Connection(connection) => process_id(&mut **connection).await?,
            Other::AnyOf(pool) => process_id(*pool).await?,
        };
        if process_of_other == own || process_id(&mut *listener).await? != own {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The server's process of a connection.
async fn process_id<'c>(connection: impl Executor<'c, Database = Postgres>) -> Result<i32, Error> {
    raw_sql("SELECT pg_catalog.pg_backend_pid()").fetch_one(connection).await?.try_get(0)
}
