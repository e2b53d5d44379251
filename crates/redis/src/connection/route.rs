//! The server or servers that connections lead to.

use std::{fmt, time::Duration};

use redis::{
    Client, ConnectionInfo, RedisResult,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
    sentinel::SentinelClient,
};

use super::{
    any::{Connection, Driver},
    cluster::Cluster,
    node::{connect_node, timed_out},
};

/// After this time without an answer, the operating system closes a connection.
const DEAD_AFTER: Duration = Duration::from_secs(4);

pub(crate) enum Route {
    Node(Box<Client>),
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
    Cluster(Vec<ConnectionInfo>),
}

impl Route {
    /// Connects, within `limit`.
    pub(crate) async fn connect(&self, limit: Duration) -> RedisResult<Connection> {
        let connect = async {
            let node = match self {
                Self::Node(client) => connect_node(client).await?,
                Self::Sentinel(client) => {
                    connect_node(&client.lock().await.async_get_client().await?).await?
                }
                // Two tries must fit into the time limit of a call.
                Self::Cluster(nodes) => {
                    return Cluster::connect(nodes, limit / 2).await.map(Connection::Cluster);
                }
            };
            Ok(Connection::Driver(Driver::Node(node)))
        };
        tokio::time::timeout(limit, connect).await.unwrap_or_else(|_| Err(timed_out()))
    }
}

impl fmt::Debug for Route {
    /// Omits addresses, which may contain passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node(_) => "node",
            Self::Sentinel(_) => "sentinel",
            Self::Cluster(_) => "cluster",
        })
    }
}

pub(crate) fn with_tcp_settings(node: ConnectionInfo) -> ConnectionInfo {
    node.set_tcp_settings(tcp_settings())
}

/// Sends at once, and detects a peer that is gone. Without this a connection to a machine that lost its power stays open
/// for a quarter of an hour.
pub(crate) fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(DEAD_AFTER).with_interval(DEAD_AFTER / 4);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(DEAD_AFTER);
    settings
}
