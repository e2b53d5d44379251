//! Which server stores the sessions, and how it is reached.

mod url;

use std::{fmt, net::IpAddr};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
    aio::ConnectionManager,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

use self::url::{Kind, UrlParts};
use crate::{
    connection::{Connection, Driver, Route, tcp_settings, with_tcp_settings},
    error::{OpenError, OpenErrorKind},
};

/// The server or servers that store the sessions: one node, a primary that Sentinel watches, or a Cluster.
///
/// ```
/// use tower_refresh_redis::Server;
///
/// let node = Server::url("redis://:secret@127.0.0.1:6379/0")?;
/// # #[cfg(feature = "rustls")]
/// let across_a_network = Server::url("rediss://:secret@redis.example.com")?; // needs the feature `rustls`
/// // without TLS, only where no attacker can reach the network:
/// let sentinel = Server::insecure_url("redis+sentinel://sentinel-1:26379,sentinel-2:26379/main")?;
/// let cluster = Server::insecure_url("redis+cluster://node-1:6379,node-2:6379,node-3:6379")?;
/// # Ok::<(), tower_refresh_redis::OpenError>(())
/// ```
pub struct Server {
    pub(crate) route: Route,
    pub(crate) given: Option<Connection>,
}

impl Server {
    /// The server of a URL:
    ///
    /// | | |
    /// |---|---|
    /// | one node | `redis://[[user]:password@]host[:port][/database]`, or `unix:///path` |
    /// | Sentinel | `redis+sentinel://[[user]:password@]host[:port],…/name-of-the-primary[/database]` |
    /// | Cluster | `redis+cluster://[[user]:password@]host[:port],…` |
    ///
    /// `valkey` is equivalent to `redis`. `rediss` and `valkeys` use TLS, which needs the feature `rustls`. User and password
    /// are those of the nodes; if the Sentinels have credentials of their own, use [`sentinel`](Self::sentinel).
    ///
    /// Without TLS only hosts of this machine are accepted; for others see [`insecure_url`](Self::insecure_url). The nodes
    /// that a Sentinel or a Cluster names are reached with the scheme of the URL, wherever they are.
    ///
    /// # Errors
    /// [`OpenErrorKind::InvalidUrl`], [`OpenErrorKind::TlsRequired`].
    pub fn url(url: &str) -> Result<Self, OpenError> {
        Self::parse(url, true)
    }

    /// As [`url`](Self::url), but accepts a URL without TLS across a network.
    ///
    /// **An attacker on the network can then read the password and which users are logged in, end sessions, and restore ended
    /// ones.** Use it only on a network that no one else has access to, or that is itself encrypted.
    ///
    /// # Errors
    /// [`OpenErrorKind::InvalidUrl`].
    pub fn insecure_url(url: &str) -> Result<Self, OpenError> {
        Self::parse(url, false)
    }

    fn parse(url: &str, requires_tls: bool) -> Result<Self, OpenError> {
        let parts = UrlParts::parse(url).ok_or(OpenErrorKind::InvalidUrl)?;
        let invalid = |error| OpenError::with_source(OpenErrorKind::InvalidUrl, error);
        let hosts =
            parts.hosts().into_iter().map(|url| Ok(with_tcp_settings(url.as_str().into_connection_info()?)));
        let hosts = hosts.collect::<RedisResult<Vec<_>>>().map_err(invalid)?;
        let is_plaintext = hosts.iter().any(|host| is_plaintext_across_network(host.addr()));
        let server = Self::from_parts(&parts, hosts).map_err(invalid)?;
        if requires_tls && is_plaintext { Err(OpenErrorKind::TlsRequired.into()) } else { Ok(server) }
    }

    fn from_parts(parts: &UrlParts<'_>, hosts: Vec<ConnectionInfo>) -> RedisResult<Self> {
        match parts.kind {
            Kind::Node => {
                Ok(Self::node(Client::open(with_tcp_settings(parts.whole.into_connection_info()?))?))
            }
            Kind::Cluster => Ok(Self::cluster(hosts)),
            Kind::Sentinel { primary } => {
                let node = parts.node(url::ANY_HOST).as_str().into_connection_info()?;
                let mut info = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(node.redis_settings().clone())
                    .set_tcp_settings(tcp_settings());
                if parts.is_tls() {
                    info = info.set_tls_mode(redis::TlsMode::Secure);
                }
                Ok(Self::sentinel(SentinelClient::build(
                    hosts,
                    String::from(primary),
                    Some(info),
                    SentinelServerType::Master,
                )?))
            }
        }
    }

    /// One node, with a client that may have settings that a URL cannot express, such as TLS certificates.
    pub fn node(client: Client) -> Self {
        Self { route: Route::Node(Box::new(client)), given: None }
    }

    /// The primary that Sentinel names, also after a failover. The client must be one for the primary
    /// ([`SentinelServerType::Master`]).
    pub fn sentinel(client: SentinelClient) -> Self {
        Self { route: Route::Sentinel(Box::new(tokio::sync::Mutex::new(client))), given: None }
    }

    /// A Cluster, of which some nodes are given. User, password and the use of TLS are the same for all nodes.
    pub fn cluster(nodes: impl IntoIterator<Item = ConnectionInfo>) -> Self {
        Self { route: Route::Cluster(nodes.into_iter().collect()), given: None }
    }

    /// One node, with a connection that the application already has. The feed of ended sessions needs a connection of its
    /// own, which the client makes.
    ///
    /// The manager's own time limits apply in addition to the store's. Configure it to reconnect soon: the driver's default
    /// waits for seconds.
    pub fn with_manager(manager: ConnectionManager, client: Client) -> Self {
        Self { given: Some(Connection::Driver(Driver::Manager(manager))), ..Self::node(client) }
    }

    /// A Cluster, with a connection that the application already has, and that must not read from replicas. The feed of ended
    /// sessions needs a connection of its own, to one of the nodes. If a node does not answer any more, the store makes a new
    /// connections to the nodes itself. Calls may fail while [slots move](crate#moving-slots), which [`cluster`](Self::cluster) avoids.
    pub fn with_cluster_connection(
        connection: ClusterConnection,
        nodes: impl IntoIterator<Item = ConnectionInfo>,
    ) -> Self {
        Self { given: Some(Connection::Driver(Driver::Cluster(connection))), ..Self::cluster(nodes) }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("route", &self.route).finish_non_exhaustive()
    }
}

/// Whether a connection to this address crosses a network without TLS.
fn is_plaintext_across_network(address: &ConnectionAddr) -> bool {
    match address {
        ConnectionAddr::Tcp(host, _) => {
            host != "localhost" && !host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        _ => false,
    }
}
