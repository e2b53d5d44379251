//! Store URLs.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// It may contain a password, so it does not implement `Debug`, and `Display` omits the parts that may contain one.
#[derive(PartialEq, Eq)]
pub(crate) enum StoreUrl {
    Memory,
    Sqlite(PathBuf),
    Postgres(String),
    /// PostgreSQL, with a pool of sqlx.
    #[cfg(feature = "sqlx")]
    Sqlx(String),
    /// A single node or a cluster.
    Redis(String),
}

impl StoreUrl {
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once(':') else {
            bail!("the store must be a URL such as memory:");
        };
        match (scheme, rest) {
            ("memory", "") => Ok(Self::Memory),
            ("sqlite", "") => bail!("the store sqlite: needs a file, such as sqlite:demo.db"),
            ("sqlite", file) => Ok(Self::Sqlite(file.into())),
            ("postgres" | "postgresql", _) => Ok(Self::Postgres(url.to_owned())),
            #[cfg(feature = "sqlx")]
            ("sqlx+postgres" | "sqlx+postgresql", rest) => Ok(Self::Sqlx(format!("postgres:{rest}"))),
            #[cfg(not(feature = "sqlx"))]
            ("sqlx+postgres" | "sqlx+postgresql", _) => {
                bail!("the store sqlx+postgres: needs the feature sqlx: cargo run -p demo --features sqlx")
            }
            ("redis" | "redis+cluster", _) => Ok(Self::Redis(url.to_owned())),
            _ => bail!(
                "the store is none of memory:, sqlite:, postgres:, sqlx+postgres:, redis: and redis+cluster:"
            ),
        }
    }

    /// The database file; keys are stored beside it.
    pub(crate) fn database(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(file) => Some(file),
            Self::Memory | Self::Postgres(_) | Self::Redis(_) => None,
            #[cfg(feature = "sqlx")]
            Self::Sqlx(_) => None,
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            Self::Postgres(url) | Self::Redis(url) => f.write_str(&without_password(url)),
            #[cfg(feature = "sqlx")]
            Self::Sqlx(url) => write!(f, "sqlx+{}", without_password(url)),
        }
    }
}

/// The scheme and the hosts. The scheme alone if it is not clear what the hosts are.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    let rest = rest.strip_prefix("//").unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    // Either side may be a part of a password with one of these characters.
    if path.contains('@') {
        return format!("{scheme}:");
    }
    format!("{scheme}://{}", authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_store_has_a_url() {
        let parse = |url: &str| StoreUrl::parse(url).unwrap();
        assert!(parse("memory:") == StoreUrl::Memory);
        assert!(parse("sqlite:a/b.db") == StoreUrl::Sqlite("a/b.db".into()));
        for url in ["postgres://host/db", "postgresql://host/db"] {
            assert!(parse(url) == StoreUrl::Postgres(url.into()));
        }
        #[cfg(feature = "sqlx")]
        for url in ["sqlx+postgres://host/db", "sqlx+postgresql://host/db"] {
            assert!(parse(url) == StoreUrl::Sqlx("postgres://host/db".into()));
        }
        for url in ["redis://host", "redis+cluster://a:1,b:2"] {
            assert!(parse(url) == StoreUrl::Redis(url.into()));
        }
    }

    #[test]
    fn neither_errors_nor_display_contain_a_password() {
        for url in ["mysql://user:secret@host", "secret"] {
            let error = StoreUrl::parse(url).map(drop).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
        for (url, name) in [
            ("postgres://user:secret@host:1/db?password=secret", "postgres://host:1"),
            #[cfg(feature = "sqlx")]
            ("sqlx+postgres://user:secret@host:1/db", "sqlx+postgres://host:1"),
            ("postgres://host/db?password=sec@ret", "postgres:"),
            ("postgres://user:sec/r@et@host/db", "postgres:"),
            ("postgres:user:secret@host/db", "postgres://"),
            ("redis://:sec@ret@host/0", "redis://host"),
            ("redis+cluster://user:secret@a:1,b:2", "redis+cluster://a:1,b:2"),
        ] {
            assert_eq!(StoreUrl::parse(url).unwrap_or(StoreUrl::Memory).to_string(), name);
        }
    }
}
