//! Which store a URL names.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    Memory,
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// The URL may hold a password, so no error repeats it.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once(':') else {
            bail!("the store must be a URL such as memory:");
        };
        match (scheme, rest) {
            ("memory", "") => Ok(Self::Memory),
            ("sqlite", "") => bail!("the store sqlite: needs a file, such as sqlite:demo.db"),
            ("sqlite", file) => Ok(Self::Sqlite(file.into())),
            ("postgres" | "postgresql" | "redis" | "rediss" | "redis+cluster", _) => {
                bail!("the store {scheme}: is not there yet; memory: and sqlite: are")
            }
            _ => bail!("the store is none of memory:, sqlite:, postgres:, redis: and redis+cluster:"),
        }
    }

    /// The file beside which keys are kept.
    pub(crate) fn database(&self) -> Option<&Path> {
        match self {
            Self::Memory => None,
            Self::Sqlite(file) => Some(file),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_stores() {
        assert_eq!(StoreUrl::parse("memory:").unwrap(), StoreUrl::Memory);
        assert_eq!(StoreUrl::parse("sqlite:a/b.db").unwrap(), StoreUrl::Sqlite("a/b.db".into()));
    }

    #[test]
    fn no_error_repeats_a_password() {
        for url in
            ["postgres://user:secret@host", "redis://:secret@host", "mysql://user:secret@host", "secret"]
        {
            let error = StoreUrl::parse(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
