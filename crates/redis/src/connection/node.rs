//! The driver's connection to one node.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, RedisError, RedisResult, aio::MultiplexedConnection,
};

/// More than the driver's default of 50, so that hundreds of concurrent calls do not wait for a place in the queue.
const QUEUE: usize = 1024;
/// Connects to one node, within `limit`.
pub(super) async fn connect_to(node: ConnectionInfo, limit: Duration) -> RedisResult<MultiplexedConnection> {
    let connect = async { connect_node(&Client::open(node)?).await };
    tokio::time::timeout(limit, connect).await.unwrap_or_else(|_| Err(timed_out()))
}

/// The time limits are applied by the callers.
pub(super) async fn connect_node(client: &Client) -> RedisResult<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE);
    client.get_multiplexed_async_connection_with_config(&config).await
}

pub(super) fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
