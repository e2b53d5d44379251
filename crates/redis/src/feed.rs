//! The feed of ends.
//!
//! It subscribes to the channel first and then reads the log, so that no end falls between. While it listens it reads on in
//! the log once a second: a Cluster's nodes may lose messages among them, and nobody tells the subscriber.

use std::{collections::hash_map::RandomState, convert::Infallible, hash::BuildHasher, time::Duration};

use futures_util::StreamExt;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisError, Value,
    aio::{PubSub, PubSubSink},
};
use tokio::time::{Instant, timeout, timeout_at};
use tower_refresh_core::{EndWatcher, SessionHandle, StoreError, StoreErrorKind, Timestamp};

use crate::{cluster, error::failed, inner::Inner, log::Log, server::Route};

/// How long an end whose message was lost stays untold, and a dead connection unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is told on the channel.
pub(crate) fn message(handle: SessionHandle, at: Timestamp) -> [u8; 24] {
    let mut message = [0; 24];
    message[..16].copy_from_slice(handle.as_bytes());
    message[16..].copy_from_slice(&at.as_millis().to_be_bytes());
    message
}

fn read_message(message: &[u8]) -> Option<(SessionHandle, Timestamp)> {
    let (handle, at) = message.split_first_chunk()?;
    let at = u64::from_be_bytes(at.try_into().ok()?);
    Some((SessionHandle::from_bytes(*handle), Timestamp::from_millis(at)))
}

pub(crate) async fn watch(
    inner: &Inner,
    since: Timestamp,
    watcher: &dyn EndWatcher,
) -> Result<Infallible, StoreError> {
    let limit = inner.link.limit();
    let (mut sink, mut messages) = within(limit, subscribe(inner)).await?.split();
    let mut log = Log::since(inner, since).await?;
    log.read_on(inner, watcher).await?;
    watcher.caught_up();
    let mut next_look = Instant::now() + LOOK_EVERY;
    loop {
        if next_look <= Instant::now() {
            within(limit, ping(&mut sink)).await?;
            log.read_on(inner, watcher).await?;
            next_look = Instant::now() + LOOK_EVERY;
        }
        match timeout_at(next_look, messages.next()).await {
            Ok(Some(message)) => {
                // Anybody who reaches the server can publish; what is no end is not ours.
                if let Some((handle, at)) = read_message(message.get_payload_bytes())
                    && at >= since
                {
                    watcher.ended(handle, at);
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

async fn subscribe(inner: &Inner) -> Result<PubSub, StoreError> {
    let info = some_node(inner).await?;
    // A subscription of its own connection speaks the older protocol.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    let client = Client::open(info.set_redis_settings(settings)).map_err(failed)?;
    let mut pubsub = client.get_async_pubsub().await.map_err(failed)?;
    pubsub.subscribe(inner.keys.channel()).await.map_err(failed)?;
    Ok(pubsub)
}

async fn ping(sink: &mut PubSubSink) -> Result<Value, StoreError> {
    sink.ping().await.map_err(failed)
}

async fn within<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(limit, what)
        .await
        .unwrap_or_else(|elapsed| Err(StoreError::with_source(StoreErrorKind::TimedOut, elapsed)))
}

/// Where messages can be heard: of a Cluster at any node, another one at each try.
async fn some_node(inner: &Inner) -> Result<ConnectionInfo, StoreError> {
    match &*inner.route {
        Route::Node(client) => Ok(client.get_connection_info().clone()),
        Route::Sentinel(client) => {
            let client = client.lock().await.async_get_client().await.map_err(failed)?;
            Ok(client.get_connection_info().clone())
        }
        Route::Cluster(known) => {
            let first = known.first().ok_or_else(no_nodes)?;
            let ranges = cluster::ranges(inner).await?;
            let nodes = ranges.iter().flat_map(|range| &range.nodes).filter(|node| !node.host.is_empty());
            let found = nodes.map(|node| first.clone().set_addr(at(first.addr(), node)));
            let all: Vec<_> = found.chain(known.iter().cloned()).collect();
            let random = RandomState::new().hash_one("node") as usize % all.len();
            all.into_iter().nth(random).ok_or_else(no_nodes)
        }
    }
}

fn no_nodes() -> StoreError {
    failed(RedisError::from((redis::ErrorKind::InvalidClientConfig, "no node of the Cluster is known")))
}

/// The address of another node, reached in the same way as `like`.
fn at(like: &ConnectionAddr, node: &cluster::Node) -> ConnectionAddr {
    match like.clone() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host: node.host.clone(), port: node.port, insecure, tls_params }
        }
        _ => ConnectionAddr::Tcp(node.host.clone(), node.port),
    }
}
