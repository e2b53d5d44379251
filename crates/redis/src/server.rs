//! Which server holds the sessions, and how it is reached.

use std::{fmt, net::IpAddr, time::Duration};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult,
    aio::ConnectionManager,
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};

use crate::{
    ConnectError, ConnectErrorKind,
    connection::Connection,
    url::{self, Kind, Parts},
};

/// The server or servers that hold the sessions: one node, a primary that Sentinel watches, or a Cluster.
///
/// ```
/// use tower_refresh_redis::Server;
///
/// let node = Server::url("redis://:secret@127.0.0.1:6379/0")?;
/// let sentinel = Server::insecure_url("redis+sentinel://sentinel-1:26379,sentinel-2:26379/main")?;
/// let cluster = Server::insecure_url("redis+cluster://node-1:6379,node-2:6379,node-3:6379")?;
/// # Ok::<(), tower_refresh_redis::ConnectError>(())
/// ```
pub struct Server {
    pub(crate) route: Route,
    pub(crate) given: Option<Connection>,
}

/// From where connections come.
pub(crate) enum Route {
    Node(Box<Client>),
    Sentinel(Box<tokio::sync::Mutex<SentinelClient>>),
    Cluster(Vec<ConnectionInfo>),
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
    /// `valkey` does as well as `redis`, and `rediss` and `valkeys` are by TLS, which needs the feature `rustls`.
    /// User and password are those of the nodes; where Sentinel wants some of its own, use
    /// [`sentinel`](Self::sentinel).
    ///
    /// Without TLS only hosts of this machine are taken; for others see [`insecure_url`](Self::insecure_url). Nodes that a
    /// Sentinel or a Cluster names are reached as the URL says, wherever they are.
    ///
    /// # Errors
    /// [`ConnectErrorKind::InvalidUrl`], [`ConnectErrorKind::TlsRequired`].
    pub fn url(url: &str) -> Result<Self, ConnectError> {
        Self::read(url, true)
    }

    /// As [`url`](Self::url), also without TLS across a network.
    ///
    /// **Whoever is on the way can then read the password, and who is logged in; and can end sessions and bring ended ones
    /// back.** It is for a network that nobody else is on, or one that is encrypted by itself.
    ///
    /// # Errors
    /// [`ConnectErrorKind::InvalidUrl`].
    pub fn insecure_url(url: &str) -> Result<Self, ConnectError> {
        Self::read(url, false)
    }

    fn read(url: &str, is_secret: bool) -> Result<Self, ConnectError> {
        let parts = Parts::parse(url).ok_or(ConnectErrorKind::InvalidUrl)?;
        let invalid = |error| ConnectError::caused(ConnectErrorKind::InvalidUrl, error);
        let hosts = parts.hosts().into_iter().map(|url| Ok(watchful(url.as_str().into_connection_info()?)));
        let hosts = hosts.collect::<RedisResult<Vec<_>>>().map_err(invalid)?;
        let overheard = hosts.iter().any(|host| can_be_overheard(host.addr()));
        let server = Self::of(&parts, hosts).map_err(invalid)?;
        if is_secret && overheard { Err(ConnectErrorKind::TlsRequired.into()) } else { Ok(server) }
    }

    fn of(parts: &Parts<'_>, hosts: Vec<ConnectionInfo>) -> RedisResult<Self> {
        match parts.kind {
            Kind::Node => Ok(Self::node(Client::open(watchful(parts.whole.into_connection_info()?))?)),
            Kind::Cluster => Ok(Self::cluster(hosts)),
            Kind::Sentinel { primary } => {
                let node = parts.node(url::ANY_HOST).as_str().into_connection_info()?;
                let mut info = SentinelNodeConnectionInfo::default()
                    .set_redis_connection_info(node.redis_settings().clone())
                    .set_tcp_settings(tcp());
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

    /// One node, by a client that may have TLS certificates and whatever else a URL does not tell.
    pub fn node(client: Client) -> Self {
        Self { route: Route::Node(Box::new(client)), given: None }
    }

    /// The primary that Sentinel names, also after a failover. The client must be one for the primary
    /// ([`SentinelServerType::Master`]).
    pub fn sentinel(client: SentinelClient) -> Self {
        Self { route: Route::Sentinel(Box::new(tokio::sync::Mutex::new(client))), given: None }
    }

    /// A Cluster of which some nodes are known. User, password and the use of TLS are the same for all.
    pub fn cluster(nodes: impl IntoIterator<Item = ConnectionInfo>) -> Self {
        Self { route: Route::Cluster(nodes.into_iter().collect()), given: None }
    }

    /// One node, by a connection that the application has already. The feed of ends needs a connection of its own, for which
    /// the client is.
    ///
    /// The manager's own limits apply beside the store's. It had better reconnect soon: the driver's default waits for seconds.
    pub fn with_manager(manager: ConnectionManager, client: Client) -> Self {
        Self { given: Some(Connection::Manager(manager)), ..Self::node(client) }
    }

    /// A Cluster, by a connection that the application has already, and that must not read from replicas. The feed of ends needs
    /// a connection of its own, to one of the nodes; and where a node falls silent, the store connects to them by itself.
    pub fn with_cluster_connection(
        connection: ClusterConnection,
        nodes: impl IntoIterator<Item = ConnectionInfo>,
    ) -> Self {
        Self { given: Some(Connection::Cluster(connection)), ..Self::cluster(nodes) }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("route", &self.route).finish_non_exhaustive()
    }
}

/// Without addresses, which may come with passwords.
impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node(_) => "node",
            Self::Sentinel(_) => "sentinel",
            Self::Cluster(_) => "cluster",
        })
    }
}

impl Route {
    pub(crate) fn cluster_client(nodes: &[ConnectionInfo], limit: Duration) -> RedisResult<ClusterClient> {
        // Several tries must fit into the time that a call of the store has.
        let (try_for, wait) = (limit / 2, u64::try_from(limit.as_millis() / 8).unwrap_or(u64::MAX).max(2));
        ClusterClient::builder(nodes.iter().cloned())
            .tcp_settings(nodes.first().map_or_else(tcp, |node| node.tcp_settings().clone()))
            .connection_timeout(try_for)
            .response_timeout(try_for)
            .overall_response_timeout(None)
            .retries(8)
            .min_retry_wait(1)
            .max_retry_wait(wait)
            .build()
    }
}

/// Whether what is said goes across a network as it is.
fn can_be_overheard(address: &ConnectionAddr) -> bool {
    match address {
        ConnectionAddr::Tcp(host, _) => {
            host != "localhost" && !host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        _ => false,
    }
}

fn watchful(node: ConnectionInfo) -> ConnectionInfo {
    node.set_tcp_settings(tcp())
}

/// Sends at once, and finds out that the other side is gone: without this a connection to a machine that lost its power stays
/// open for a quarter of an hour.
fn tcp() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(GONE_AFTER).with_interval(GONE_AFTER / 4);
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(GONE_AFTER);
    settings
}

const GONE_AFTER: Duration = Duration::from_secs(4);
