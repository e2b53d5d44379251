//! Connections: those of the pool, and the one that listens.

use std::{
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{
    AsyncMessage, Client, Config, Error, Socket,
    config::{Host, SslMode, TargetSessionAttrs},
    tls::{MakeTlsConnect, TlsConnect},
};

use crate::{OpenError, OpenErrorKind};

/// After how much silence the operating system asks a server whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// What the driver takes where nothing was said.
const KEEPALIVE_UNSAID: Duration = Duration::from_secs(2 * 60 * 60);

/// Reads a URL for connections without TLS: it has to say so, or to stay on this machine.
pub(crate) fn without_tls(url: &str) -> Result<Config, OpenError> {
    let config: Config = url.parse().map_err(|error| OpenError::caused(OpenErrorKind::InvalidUrl, error))?;
    match config.get_ssl_mode() {
        SslMode::Disable => Ok(config),
        SslMode::Prefer if is_local(&config) => Ok(config),
        _ => Err(OpenErrorKind::TlsRequired.into()),
    }
}

/// Whether no host is across a network.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// What holds for every connection: never plaintext across a network where nobody asked for it, the primary only, and a
/// dead server is found out.
pub(crate) fn harden(config: &mut Config, time_limit: Duration) {
    if config.get_ssl_mode() == SslMode::Prefer && !is_local(config) {
        config.ssl_mode(SslMode::Require);
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_keepalives_idle() == KEEPALIVE_UNSAID {
        config.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE).keepalives_retries(3);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(2 * time_limit);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(time_limit);
    }
    if config.get_application_name().is_none() {
        config.application_name("tower-refresh");
    }
}

pub(crate) fn pool<T>(config: Config, tls: T, connections: usize) -> Result<Pool, OpenError>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + Sync,
    T::TlsConnect: Send + Sync,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_config(config, tls, recycling))
        .max_size(connections)
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| OpenError::caused(OpenErrorKind::Unavailable, error))
}

/// Makes connections that hear notifications, which those of a pool do not.
pub(crate) struct Dial(Box<dyn Fn() -> Dialing + Send + Sync>);

type Dialing = Pin<Box<dyn Future<Output = Result<Line, Error>> + Send>>;

impl Dial {
    pub(crate) fn new<T>(config: Config, tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Self(Box::new(move || {
            let (config, tls) = (config.clone(), tls.clone());
            Box::pin(async move {
                let (client, mut connection) = config.connect(tls).await?;
                let messages = Messages(Box::new(move |context| connection.poll_message(context)));
                Ok(Line { client, messages })
            })
        }))
    }

    pub(crate) async fn dial(&self) -> Result<Line, Error> {
        (self.0)().await
    }
}

/// A connection that is driven by polling its messages: only then are the client's questions answered.
pub(crate) struct Line {
    pub(crate) client: Client,
    pub(crate) messages: Messages,
}

pub(crate) struct Messages(Box<PollMessage>);

type PollMessage = dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> + Send;

impl Messages {
    /// `None` or an error comes last: the connection is lost.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<AsyncMessage, Error>>> {
        (self.0)(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(url: &str) -> Option<OpenErrorKind> {
        without_tls(url).err().map(|error| error.kind())
    }

    #[test]
    fn a_url_goes_without_tls_on_this_machine_or_where_it_says_so() {
        for url in [
            "postgresql://app@localhost/app",
            "postgresql://app@127.0.0.1:5433/app",
            "postgresql://app@[::1]/app",
            "postgresql://app@%2Fvar%2Frun%2Fpostgresql/app",
            "host=/var/run/postgresql user=app",
            "postgresql://app@db.internal/app?sslmode=disable",
        ] {
            assert_eq!(kind_of(url), None, "{url}");
        }
    }

    #[test]
    fn a_url_across_a_network_is_never_silently_without_tls() {
        for url in [
            "postgresql://app@db.internal/app",
            "postgresql://app@10.0.0.7/app",
            "postgresql://app@localhost,db.internal/app",
            "postgresql://app@db.internal/app?sslmode=prefer",
            "postgresql://app@db.internal/app?sslmode=require",
            "postgresql://app@localhost/app?sslmode=require",
            "host=localhost hostaddr=10.0.0.7 user=app",
        ] {
            assert_eq!(kind_of(url), Some(OpenErrorKind::TlsRequired), "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_read_is_an_error() {
        for url in ["mysql://db", "postgresql://db/?sslmode=verify-full", "postgresql://db/?unknown=1"] {
            assert_eq!(kind_of(url), Some(OpenErrorKind::InvalidUrl), "{url}");
        }
    }

    #[test]
    fn a_connector_is_not_talked_out_of_tls() {
        let mut config: Config = "postgresql://app@db.internal/app".parse().unwrap();
        harden(&mut config, Duration::from_secs(5));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn what_the_user_said_of_time_stands() {
        let url = "host=db.internal keepalives_idle=77 tcp_user_timeout=66 connect_timeout=55 application_name=shop";
        let mut config: Config = url.parse().unwrap();
        harden(&mut config, Duration::from_secs(5));
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(77));
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(66)));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(55)));
        assert_eq!(config.get_application_name(), Some("shop"));
    }
}
