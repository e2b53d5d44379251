//! Opens a store: checks the options, connects, and checks what the user may do.

use std::sync::Arc;

use crate::{
    connection::SharedConnection, database::Database, error::OpenError, keyspace::Keys,
    options::RedisOptions, rights, server::Server, store::RedisStore,
};

impl RedisStore {
    /// Connects to the server of a [URL](Server::url) with the default [options](RedisOptions).
    ///
    /// # Errors
    /// If the URL is invalid or leads across a network without TLS, the server cannot be reached or is too old, or the user lacks
    /// a right ([`OpenError::kind`]).
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        RedisOptions::new().connect(Server::url(url)?).await
    }
}

impl RedisOptions {
    /// Connects to the server, and tries each command that the store uses in a way that changes nothing.
    ///
    /// # Errors
    /// If an option is invalid, the server cannot be reached or is too old, or the user lacks a right ([`OpenError::kind`]).
    pub async fn connect(self, server: Server) -> Result<RedisStore, OpenError> {
        let keys = Keys::new(&self.prefix)?;
        self.check()?;
        install_crypto();
        let route = Arc::new(server.route);
        let connection = SharedConnection::new(Arc::clone(&route), server.given, self.timeout);
        let waiting = self
            .wait
            .map(|wait| (wait, SharedConnection::new(Arc::clone(&route), None, self.timeout + wait.timeout)));
        connection.connect().await.map_err(rights::connect_error)?;
        let database = Database::new(keys, connection, waiting, route, self.retention, self.feed_window);
        rights::check(&database, self.read_only).await?;
        Ok(RedisStore::new(database))
    }
}

/// The driver leaves the choice of a provider to the process, and rustls panics if none was chosen.
fn install_crypto() {
    #[cfg(feature = "rustls")]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may install one at the same time, which is fine.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}
