//! The settings that every connection gets, and the pool.

use std::{net::IpAddr, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{
    Config, Socket,
    config::{Host, SslMode, TargetSessionAttrs},
    tls::{MakeTlsConnect, TlsConnect},
};

use crate::error::{OpenError, OpenErrorKind};

/// After how much idle time the operating system probes a connection.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// The driver's default.
const DEFAULT_KEEPALIVE: Duration = Duration::from_secs(2 * 60 * 60);

/// Parses a URL for connections without TLS: it must say `sslmode=disable`, or name hosts of this machine only.
pub(crate) fn parse_url_without_tls(url: &str) -> Result<Config, OpenError> {
    let config = parse_url(url)?;
    match config.get_ssl_mode() {
        SslMode::Disable => Ok(config),
        SslMode::Prefer if is_local(&config) => Ok(config),
        _ => Err(OpenErrorKind::TlsRequired.into()),
    }
}

pub(crate) fn parse_url(url: &str) -> Result<Config, OpenError> {
    url.parse().map_err(|error| OpenError::with_source(OpenErrorKind::InvalidUrl, error))
}

/// Whether all hosts are this machine.
fn is_local(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// Applies to every connection: no plaintext across a network unless requested, primaries only, and a dead server is
/// detected.
pub(crate) fn harden(config: &mut Config, timeout: Duration) {
    if config.get_ssl_mode() == SslMode::Prefer && !is_local(config) {
        config.ssl_mode(SslMode::Require);
    }
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_keepalives_idle() == DEFAULT_KEEPALIVE {
        config.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE).keepalives_retries(3);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(2 * timeout);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(timeout);
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
        .map_err(|error| OpenError::with_source(OpenErrorKind::Unavailable, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(url: &str) -> Option<OpenErrorKind> {
        parse_url_without_tls(url).err().map(|error| error.kind())
    }

    #[test]
    fn a_url_needs_no_tls_for_this_machine_or_with_sslmode_disable() {
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
    fn a_url_across_a_network_never_silently_disables_tls() {
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
    fn an_invalid_url_is_an_error() {
        for url in ["mysql://db", "postgresql://db/?sslmode=verify-full", "postgresql://db/?unknown=1"] {
            assert_eq!(kind_of(url), Some(OpenErrorKind::InvalidUrl), "{url}");
        }
    }

    #[test]
    fn sslmode_prefer_is_hardened_to_require_across_a_network() {
        let mut config: Config = "postgresql://app@db.internal/app".parse().unwrap();
        harden(&mut config, Duration::from_secs(5));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
    }

    #[test]
    fn settings_of_the_url_are_kept() {
        let url = "host=db.internal keepalives_idle=77 tcp_user_timeout=66 connect_timeout=55 application_name=shop";
        let mut config: Config = url.parse().unwrap();
        harden(&mut config, Duration::from_secs(5));
        assert_eq!(config.get_keepalives_idle(), Duration::from_secs(77));
        assert_eq!(config.get_tcp_user_timeout(), Some(&Duration::from_secs(66)));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(55)));
        assert_eq!(config.get_application_name(), Some("shop"));
    }
}
