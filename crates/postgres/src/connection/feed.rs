//! How the feed connects.

use std::{fmt, time::Duration};

use tokio_postgres::{Config, NoTls};

use super::{
    ListenConnector,
    settings::{harden, parse_url, parse_url_without_tls},
};
use crate::error::OpenError;

/// How the feed connects.
#[derive(Clone, Debug)]
pub(crate) enum Feed {
    /// As the store does, if the store knows how its pool connects.
    AsStore,
    Url(FeedUrl),
    Connector(ListenConnector),
}

impl Feed {
    /// A URL becomes a connector without TLS.
    pub(crate) fn without_tls(&self, timeout: Duration) -> Result<Self, OpenError> {
        let Self::Url(FeedUrl(url)) = self else { return Ok(self.clone()) };
        let mut config = parse_url_without_tls(url)?;
        harden(&mut config, timeout);
        Ok(Self::Connector(ListenConnector::new(config, NoTls)))
    }
}

#[derive(Clone)]
pub(crate) struct FeedUrl(String);

impl FeedUrl {
    pub(crate) fn new(url: String) -> Self {
        Self(url)
    }

    /// For connections with TLS.
    pub(crate) fn parse(&self, timeout: Duration) -> Result<Config, OpenError> {
        let mut config = parse_url(&self.0)?;
        harden(&mut config, timeout);
        Ok(config)
    }
}

impl fmt::Debug for FeedUrl {
    /// Omits the URL, which may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FeedUrl")
    }
}
