//! Many sessions, by `COPY`.

use std::{
    collections::hash_map::RandomState, error::Error, fmt::Write, hash::BuildHasher, io::Cursor, pin::pin,
};

use futures_util::SinkExt;
use postgres_testing::server::Server;
use tower_refresh_core::SessionHandle;

use crate::NOW;

pub(crate) const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Of a larger table only so many sessions are refreshed, all over it.
const REFRESHED: u64 = 1_000_000;

const ROWS_AT_ONCE: usize = 1000;

const HOUR: u64 = 60 * 60 * 1000;
const MONTH: u64 = 30 * 24 * HOUR;

/// Sessions that expire within thirty days.
pub(crate) async fn live(server: &Server, database: &str, count: u64) -> Result<(), Box<dyn Error>> {
    fill(server, database, "live", count, NOW.as_millis() + HOUR + MONTH).await
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
    let columns = "handle, subject, generation, rotated_at, confirmed, late_budget, created_at, idle_expiry, absolute_expiry, \
         version, user_agent, data, death_hour";
    let sink = client.copy_in(&format!("COPY tower_refresh.sessions ({columns}) FROM STDIN")).await?;
    let mut sink = pin!(sink);
    let handles = RandomState::new();
    for first in (1..=count).step_by(ROWS_AT_ONCE) {
        let mut rows = String::new();
        for n in first..=count.min(first + ROWS_AT_ONCE as u64 - 1) {
            let (subject, expiry) = (n / 2, last_expiry - n * MONTH / count);
            let [high, low] = [0, 1].map(|half| handles.hash_one((kind, n, half)));
            writeln!(
                rows,
                "\\\\x{high:016x}{low:016x}\t{kind}-{subject}\t0\t{now}\tf\t0\t{now}\t{expiry}\t{expiry}\t0\t{USER_AGENT}\t\t{}",
                expiry / HOUR
            )?;
        }
        sink.send(Cursor::new(rows.into_bytes())).await?;
    }
    sink.finish().await?;
    // As autovacuum would have done over time.
    client.batch_execute("VACUUM ANALYZE tower_refresh.sessions").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// Live sessions all over the table, in an order that is unrelated to that on disk.
pub(crate) async fn handles(server: &Server, database: &str) -> Result<Vec<SessionHandle>, Box<dyn Error>> {
    let client = server.client(database).await;
    let rows = client
        .query_one(
            "SELECT reltuples::bigint FROM pg_class WHERE oid = 'tower_refresh.sessions'::regclass",
            &[],
        )
        .await?;
    let rows = u64::try_from(rows.try_get::<_, i64>(0)?)?;
    let share = 100.0 * (REFRESHED as f64 / rows.max(1) as f64).min(1.0);
    let statement = format!(
        "SELECT handle FROM tower_refresh.sessions TABLESAMPLE BERNOULLI ({share}) REPEATABLE (1) \
         WHERE idle_expiry > $1 AND ended_at IS NULL ORDER BY md5(handle)"
    );
    let rows = client.query(&statement, &[&(NOW.as_millis() as i64)]).await?;
    rows.iter().map(|row| Ok(SessionHandle::from_bytes(row.try_get::<_, &[u8]>(0)?.try_into()?))).collect()
}

/// Bytes of the table and of each index, for each row.
pub(crate) async fn print_sizes(server: &Server, database: &str) -> Result<(), Box<dyn Error>> {
    let statement = "SELECT c.relname::text, pg_relation_size(c.oid)::float8 / greatest(t.reltuples, 1) \
         FROM pg_class AS t, LATERAL (SELECT t.oid UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = t.oid) AS i(oid), \
             LATERAL (SELECT * FROM pg_class WHERE oid = i.oid) AS c \
         WHERE t.oid = 'tower_refresh.sessions'::regclass";
    for row in server.client(database).await.query(statement, &[]).await? {
        let (name, bytes): (String, f64) = (row.try_get(0)?, row.try_get(1)?);
        println!("  {name:<32}{bytes:>12.1} bytes a session");
    }
    Ok(())
}
