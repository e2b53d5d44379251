//! The sessions of the benchmark.

use std::time::{SystemTime, UNIX_EPOCH};

use redis::aio::MultiplexedConnection;
use tower_refresh_core::{EndReason, SessionHandle, SessionRow, SessionStore, Subject};
use tower_refresh_redis::RedisStore;

use crate::{NOW, Result, WEEK};

/// Writes one row with the store, and the others in the same format.
pub(crate) async fn fill(
    store: &RedisStore,
    raw: &MultiplexedConnection,
    prefix: &str,
    rows: u64,
) -> Result<()> {
    const SUBJECT: usize = 75;
    store.end_subject(&subject(0), None, EndReason::Revoked, NOW, 7).await?;
    let mut raw = raw.clone();
    let _: () = redis::cmd("DEL").arg(key(prefix, 0)).query_async(&mut raw).await?;
    store.create(&row(0)).await?;
    let mut value: Vec<u8> = redis::cmd("GET").arg(key(prefix, 0)).query_async(&mut raw).await?;
    let forgotten = row(0).expires_at().as_millis() + 24 * 60 * 60 * 1000;
    let real_time = SystemTime::now().duration_since(UNIX_EPOCH)?;
    for first in (1..rows).step_by(1000) {
        let mut pipe = redis::pipe();
        for number in first..rows.min(first + 1000) {
            let name = subject(number).into_string();
            value[SUBJECT..SUBJECT + name.len()].copy_from_slice(name.as_bytes());
            pipe.cmd("SET").arg(key(prefix, number)).arg(&value).arg("PXAT").arg(forgotten).ignore();
            let index = format!("{prefix}:i:{name}");
            let login = row(number).created_at.as_millis();
            // With the mark that the store adds.
            let handle = handle(number);
            let mark = &handle.as_bytes()[12..];
            let added = -(real_time.as_secs() as i64);
            pipe.cmd("ZADD").arg(&index).arg(login).arg(handle.as_bytes()).arg(added).arg(mark).ignore();
            pipe.cmd("PEXPIREAT").arg(&index).arg(forgotten).ignore();
        }
        let _: () = pipe.query_async(&mut raw).await?;
    }
    assert!(store.load(handle(rows - 1)).await?.is_some_and(|row| row.subject == subject(rows - 1)));
    Ok(())
}

pub(crate) fn key(prefix: &str, number: u64) -> String {
    format!("{prefix}:s:{}", handle(number))
}

pub(crate) fn subject(number: u64) -> Subject {
    Subject::new(format!("user-{number:09}"))
}

pub(crate) fn row(number: u64) -> SessionRow {
    let expiry = NOW.saturating_add(WEEK);
    let mut row = SessionRow::new(handle(number), subject(number), NOW, expiry, expiry.saturating_add(WEEK));
    row.meta.user_agent = Some(
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36".into(),
    );
    row
}

pub(crate) fn handle(number: u64) -> SessionHandle {
    let bits = (u128::from(scatter(number)) << 64) | u128::from(number);
    SessionHandle::from_bytes(bits.to_be_bytes())
}

/// Maps each number to a different one, spread over all of `u64` (the finalizer of SplitMix64).
pub(crate) fn scatter(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
