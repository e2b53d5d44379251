//! Whether prepared statements can be used, or a pooler is in the way.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Pool};
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Error, error::SqlState};
use tower_refresh_postgres_schema::Echo;

use super::{ListenConnection, ListenConnector};
use crate::error::{OpenError, OpenErrorKind};

/// Fails if the connections of `pool` lead to a pooler that gives each transaction another connection, and passes the names of
/// prepared statements on unchanged. A statement would then not exist where it is executed, or, what is worse, be another
/// client's of the same name. `connector` connects as the pool does.
pub(crate) async fn check_prepared_statements(
    pool: &Pool,
    connector: &ListenConnector,
    limit: Duration,
) -> Result<(), OpenError> {
    let connection = pool.get().await?;
    let has_own_names = timeout(limit, has_own_names(&connection));
    if has_own_names.await.unwrap_or_else(|_| Err(OpenErrorKind::Unavailable.into()))?
        || hears(&connection, connector, limit).await?
    {
        return Ok(());
    }
    Err(OpenErrorKind::PreparedStatementsUnsupported.into())
}

/// Whether a pooler gives statements names of its own, as those do that support them. The statement looks itself up.
async fn has_own_names(connection: &ClientWrapper) -> Result<bool, OpenError> {
    let echo = Echo::new();
    let query = format!(
        "SELECT name FROM pg_catalog.pg_prepared_statements WHERE pg_catalog.strpos(statement, '{}') OPERATOR(pg_catalog.>) 0",
        echo.channel()
    );
    let looked_up = async { connection.query(&connection.prepare(&query).await?, &[]).await };
    match looked_up.await {
        // What was executed is another client's statement, which has the name.
        Ok(rows) if rows.is_empty() => Err(OpenErrorKind::PreparedStatementsUnsupported.into()),
        Ok(rows) => Ok(rows.iter().all(|row| !row.try_get(0).is_ok_and(is_name_of_driver))),
        Err(error) if is_lost_statement(&error) => Err(OpenErrorKind::PreparedStatementsUnsupported.into()),
        Err(error) => Err(error.into()),
    }
}

/// The driver counts its statements: `s0`, `s1`.
fn is_name_of_driver(name: &str) -> bool {
    name.strip_prefix('s').is_some_and(|number| number.parse::<u64>().is_ok())
}

fn is_lost_statement(error: &Error) -> bool {
    matches!(error.code(), Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT))
}

/// Whether a connection that is idle receives what another one sends.
async fn hears(
    sender: &ClientWrapper,
    connector: &ListenConnector,
    limit: Duration,
) -> Result<bool, OpenError> {
    let ListenConnection { client, mut messages } = connector.connect().await?;
    let mut echo = Echo::new();
    let channel = echo.channel().to_owned();
    let talk = async {
        client.batch_execute(&format!("LISTEN {channel}")).await?;
        sender.batch_execute(&format!("NOTIFY {channel}")).await?;
        sleep(limit).await;
        // A server that is only slow has delivered it when this is done.
        client.batch_execute("").await?;
        Ok(false)
    };
    let receive = |message| match message {
        AsyncMessage::Notification(notification) if echo.hear(notification.channel()) => Some(Ok(true)),
        _ => None,
    };
    messages.drive(talk, receive).await?
}
