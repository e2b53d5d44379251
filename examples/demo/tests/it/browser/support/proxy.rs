//! A proxy with TLS that records what passes, and that can lose responses.

use std::{
    error::Error,
    sync::{Arc, Mutex},
};

use axum::body::{Body, to_bytes};
use hyper::{
    HeaderMap, Request, Response, body::Incoming, client::conn::http1 as client,
    server::conn::http1 as server, service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::certificate::Certificate;

/// A request that passed, and its response.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) path: String,
    pub(crate) request: HeaderMap,
    pub(crate) status: u16,
    pub(crate) response: HeaderMap,
    /// Whether the client got a closed connection instead of the response.
    pub(crate) is_lost: bool,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    log: Arc<Log>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Log {
    exchanges: Mutex<Vec<Exchange>>,
    /// The paths whose responses are lost, and how many responses are left until then.
    losses: Mutex<Vec<(String, u32)>>,
}

struct Upstream {
    address: String,
    /// With HTTPS, the certificate that both ends of the proxy have.
    tls: Option<tokio_rustls::TlsConnector>,
}

impl Proxy {
    /// To a server at `http://…`, or at `https://…` with the same certificate.
    pub(crate) async fn start(certificate: &Certificate, url: &str) -> Self {
        let (scheme, address) = url.trim_end_matches('/').split_once("://").unwrap();
        let tls = (scheme == "https").then(|| certificate.connector());
        let upstream = Arc::new(Upstream { address: address.to_owned(), tls });
        let (acceptor, log) = (certificate.acceptor(), Arc::<Log>::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let recording = Arc::clone(&log);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (acceptor, upstream, log) = (acceptor.clone(), upstream.clone(), recording.clone());
                tokio::spawn(async move {
                    let connection = acceptor.accept(connection).await.ok()?;
                    let service = service_fn(move |request| forward(request, upstream.clone(), log.clone()));
                    // An error means that the client has disconnected, or that a response is lost.
                    server::Builder::new().serve_connection(TokioIo::new(connection), service).await.ok()
                });
            }
        });
        Self { port, log, task }
    }

    /// What has passed for this path.
    pub(crate) fn exchanges(&self, path: &str) -> Vec<Exchange> {
        let exchanges = self.log.exchanges.lock().unwrap();
        exchanges.iter().filter(|exchange| exchange.path == path).cloned().collect()
    }

    /// The requests that were not granted: the path, and a status of 400 or more.
    pub(crate) fn rejected(&self) -> Vec<(String, u16)> {
        let exchanges = self.log.exchanges.lock().unwrap();
        // Browsers ask for an icon, which the demo has not, when they like.
        let rejected =
            exchanges.iter().filter(|exchange| exchange.status >= 400 && exchange.path != "/favicon.ico");
        rejected.map(|exchange| (exchange.path.clone(), exchange.status)).collect()
    }

    /// Loses the nth response for this path from now on: the server has sent it, and the client's connection is closed. 1 is the next.
    pub(crate) fn lose(&self, path: &str, nth: u32) {
        self.log.losses.lock().unwrap().push((path.to_owned(), nth));
    }

    /// Loses no more responses.
    pub(crate) fn lose_no_more(&self) {
        self.log.losses.lock().unwrap().clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Log {
    fn loses(&self, path: &str) -> bool {
        let mut losses = self.losses.lock().unwrap();
        for (_, left) in losses.iter_mut().filter(|(lost, _)| lost == path) {
            *left -= 1;
        }
        let before = losses.len();
        losses.retain(|(_, left)| *left > 0);
        losses.len() < before
    }
}

/// An error closes the client's connection without a response.
async fn forward(
    request: Request<Incoming>,
    upstream: Arc<Upstream>,
    log: Arc<Log>,
) -> Result<Response<Body>, Box<dyn Error + Send + Sync>> {
    let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
    let connection = TcpStream::connect(&upstream.address).await?;
    let response = match &upstream.tls {
        None => send(request, connection).await?,
        Some(tls) => send(request, tls.connect("localhost".try_into()?, connection).await?).await?,
    };
    let is_lost = log.loses(&path);
    log.exchanges.lock().unwrap().push(Exchange {
        path,
        request: headers,
        status: response.status().as_u16(),
        response: response.headers().clone(),
        is_lost,
    });
    if is_lost {
        to_bytes(response.into_body(), usize::MAX).await?;
        return Err("lost".into());
    }
    Ok(response)
}

async fn send<S>(request: Request<Incoming>, connection: S) -> Result<Response<Body>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = client::handshake(TokioIo::new(connection)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?.map(Body::new))
}
