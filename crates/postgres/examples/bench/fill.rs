//! Many sessions at once, inserted with a single statement.

use std::error::Error;

use tower_refresh_core::SessionHandle;

use crate::{NOW, server::Server};

const HOUR: u64 = 60 * 60 * 1000;

/// Sessions that expire in thirty days.
pub(crate) async fn live(server: &Server, database: &str, count: u64) -> Result<(), Box<dyn Error>> {
    fill(server, database, "live", count, NOW.as_millis() + 30 * 24 * HOUR).await
}

/// Sessions that expired over the last thirty days.
pub(crate) async fn dead(server: &Server, database: &str, count: u64) -> Result<(), Box<dyn Error>> {
    fill(server, database, "dead", count, NOW.as_millis() - HOUR).await
}

async fn fill(
    server: &Server,
    database: &str,
    kind: &str,
    count: u64,
    last_expiry: u64,
) -> Result<(), Box<dyn Error>> {
    let now = NOW.as_millis();
    let client = server.client(database).await;
    client
        .batch_execute(&format!(
            "INSERT INTO tower_refresh.sessions (handle, subject, generation, rotated_at, confirmed, late_budget, \
                 created_at, idle_expiry, absolute_expiry, version, user_agent, data, death_hour) \
             SELECT decode(md5('{kind}' || n), 'hex'), '{kind}-' || n / 2, 0, {now}, false, 0, {now}, expiry, expiry, 0, \
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '', expiry / {HOUR} \
             FROM generate_series(1, {count}) AS n, LATERAL (SELECT {last_expiry} - n::bigint * 2592 AS expiry) AS dying"
        ))
        .await?;
    // The autovacuum daemon would do this later.
    client.batch_execute("VACUUM ANALYZE tower_refresh.sessions").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// The live sessions, in an order that does not depend on the order on disk.
pub(crate) async fn handles(server: &Server, database: &str) -> Result<Vec<SessionHandle>, Box<dyn Error>> {
    let statement = "SELECT handle FROM tower_refresh.sessions WHERE idle_expiry > $1 ORDER BY md5(handle)";
    let rows = server.client(database).await.query(statement, &[&(NOW.as_millis() as i64)]).await?;
    rows.iter().map(|row| Ok(SessionHandle::from_bytes(row.try_get::<_, &[u8]>(0)?.try_into()?))).collect()
}
