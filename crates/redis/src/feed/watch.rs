//! Watches the feed.
//!
//! It subscribes to the channel first and then reads the log, so that no notice is missed in between. While it listens, it
//! reads new entries of the log once a second, as the nodes of a Cluster may lose messages without notice.

use std::{collections::hash_map::RandomState, convert::Infallible, hash::BuildHasher, time::Duration};

use futures_util::StreamExt;
use redis::{
    Client, ConnectionInfo, ProtocolVersion, RedisError, Value,
    aio::{PubSub, PubSubSink},
};
use tokio::time::{Instant, timeout, timeout_at};
use tower_refresh_core::{FeedWatcher, StoreError, StoreErrorKind, Timestamp};

use super::{
    log::Log,
    message::{self, Message},
};
use crate::{
    cluster,
    connection::{Route, at},
    database::Database,
    error::store_error,
};

/// How long it takes at most to report what a lost message was about, and to probe a dead connection.
const READ_LOG_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn watch(
    database: &Database,
    since: Timestamp,
    watcher: &dyn FeedWatcher,
) -> Result<Infallible, StoreError> {
    let limit = database.connection.timeout();
    let (mut sink, mut messages) = within(limit, subscribe(database)).await?.split();
    let mut log = Log::since(database, since).await?;
    log.report_new(database, watcher).await?;
    watcher.caught_up();
    let mut next_read = Instant::now() + READ_LOG_EVERY;
    loop {
        if next_read <= Instant::now() {
            within(limit, ping(&mut sink)).await?;
            log.report_new(database, watcher).await?;
            next_read = Instant::now() + READ_LOG_EVERY;
        }
        match timeout_at(next_read, messages.next()).await {
            Ok(Some(message)) => {
                // A server that opens the store publishes an empty one, to see whether it may.
                if message.get_payload_bytes().is_empty() {
                    continue;
                }
                // Every user of the server may publish, so other messages are ignored.
                match message::decode(message.get_payload_bytes()) {
                    Some(Message::Ended(handle, at)) if at >= since => watcher.ended(handle, at),
                    Some(Message::Outdated(handle, at, epoch)) if at >= since => {
                        watcher.outdated(handle, epoch);
                    }
                    // The nodes of a Cluster may deliver messages late.
                    Some(Message::Ended(..) | Message::Outdated(..)) => {}
                    None => watcher.unknown_notice(),
                }
            }
            Ok(None) => {
                return Err(StoreError::with_source(
                    StoreErrorKind::Unavailable,
                    "the connection of the feed was closed",
                ));
            }
            Err(_elapsed) => {}
        }
    }
}

/// Subscribes once, to find out whether the store may.
pub(crate) async fn try_to_subscribe(database: &Database) -> Result<(), StoreError> {
    within(database.connection.timeout(), subscribe(database)).await.map(drop)
}

async fn subscribe(database: &Database) -> Result<PubSub, StoreError> {
    let info = some_node(database).await?;
    // The driver's subscriptions on a connection of their own need RESP2.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    let client = Client::open(info.set_redis_settings(settings)).map_err(store_error)?;
    let mut pubsub = client.get_async_pubsub().await.map_err(store_error)?;
    pubsub.subscribe(database.keys.channel()).await.map_err(store_error)?;
    Ok(pubsub)
}

async fn ping(sink: &mut PubSubSink) -> Result<Value, StoreError> {
    sink.ping().await.map_err(store_error)
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|elapsed| Err(StoreError::with_source(StoreErrorKind::TimedOut, elapsed)))
}

/// A node to subscribe at. In a Cluster every node has all messages, and each try uses another one.
async fn some_node(database: &Database) -> Result<ConnectionInfo, StoreError> {
    match &*database.route {
        Route::Node(client) => Ok(client.get_connection_info().clone()),
        Route::Sentinel(client) => {
            let client = client.lock().await.async_get_client().await.map_err(store_error)?;
            Ok(client.get_connection_info().clone())
        }
        Route::Cluster(known) => {
            let first = known.first().ok_or_else(no_nodes)?;
            let ranges = cluster::ranges(database).await?;
            let nodes = ranges.iter().flat_map(|range| &range.nodes).filter(|node| !node.host.is_empty());
            let found = nodes.map(|node| at(first, node));
            let all: Vec<_> = found.chain(known.iter().cloned()).collect();
            let random = RandomState::new().hash_one("node") as usize % all.len();
            all.into_iter().nth(random).ok_or_else(no_nodes)
        }
    }
}

fn no_nodes() -> StoreError {
    store_error(RedisError::from((redis::ErrorKind::InvalidClientConfig, "no node of the Cluster is known")))
}
