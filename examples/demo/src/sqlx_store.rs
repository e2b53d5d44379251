//! The store on a pool of sqlx, as an application has one for its own tables.

use std::{net::IpAddr, time::Duration};

use anyhow::{Result, bail};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use tower_refresh_sqlx::{SqlxOptions, SqlxStore};

/// The driver repeats attempts to connect for this long, so it is less than a request waits for the store.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

pub(crate) async fn open(store: SqlxOptions, url: &str) -> Result<SqlxStore> {
    let options: PgConnectOptions = url.parse()?;
    if matches!(options.get_ssl_mode(), PgSslMode::Allow | PgSslMode::Prefer) && !is_local(options.get_host())
    {
        bail!("the connection crosses a network, and this build has no TLS: opt out with sslmode=disable");
    }
    let pool =
        PgPoolOptions::new().max_connections(10).acquire_timeout(CONNECT_TIMEOUT).connect_lazy_with(options);
    Ok(store.open(pool).await?)
}

fn is_local(host: &str) -> bool {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.starts_with('/')
        || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_url_across_a_network_must_opt_out_of_tls() {
        for (url, rejected) in [
            ("postgres://user@db.internal/db", true),
            ("postgres://user@10.0.0.7/db?sslmode=prefer", true),
            ("postgres://user@127.0.0.1:1/db", false),
            ("postgres://user@[::1]:1/db", false),
            ("postgres://user@localhost:1/db", false),
            // This address is never assigned to a host.
            ("postgres://user@192.0.2.1:1/db?sslmode=disable", false),
        ] {
            let error = format!("{:#}", open(SqlxOptions::new(), url).await.unwrap_err());
            assert_eq!(error.contains("sslmode=disable"), rejected, "{url}: {error}");
        }
    }
}
