//! HTTPS: the certificate and its key, and a listener that completes the TLS handshakes.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use axum::serve::Listener;
use tokio::{
    io,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the certificate chain, the server's certificate first, and its private key.
pub(crate) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("the certificate {} cannot be read", certificate.display()))?;
    ensure!(!chain.is_empty(), "the certificate {} is not PEM", certificate.display());
    let private_key = PrivateKeyDer::pem_file_iter(key)
        .and_then(|mut keys| keys.next().transpose())
        .with_context(|| format!("the key {} cannot be read", key.display()))?
        .with_context(|| format!("the key {} is not PEM, or it is encrypted", key.display()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private_key)
        .with_context(|| {
            format!("the certificate {} with the key {}", certificate.display(), key.display())
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts connections once their handshake is complete. Handshakes proceed side by side, so none delays another connection.
pub(crate) struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    pub(crate) fn new(listener: TcpListener, acceptor: TlsAcceptor) -> Self {
        Self { listener, acceptor, handshakes: JoinSet::new() }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                (connection, peer) = Listener::accept(&mut self.listener) => {
                    let handshake = timeout(HANDSHAKE_TIMEOUT, self.acceptor.accept(connection));
                    self.handshakes.spawn(async move { Some((handshake.await.ok()?.ok()?, peer)) });
                }
                handshake = self.handshakes.join_next(), if !self.handshakes.is_empty() => {
                    // Otherwise the client speaks no TLS, or took too long: its connection is closed by now.
                    if let Some(Ok(Some(accepted))) = handshake {
                        return accepted;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
