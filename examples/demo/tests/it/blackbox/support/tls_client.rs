//! A client with one connection over TLS, which stores cookies.

use std::{path::Path, sync::Arc};

use hyper::{
    Method, Request, Response,
    body::Incoming,
    client::conn::{http1, http2},
    ext::Protocol,
    header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

pub(crate) struct TlsClient {
    sender: Sender,
    address: String,
    cookies: Vec<(String, String)>,
}

enum Sender {
    Http1(http1::SendRequest<String>),
    Http2(http2::SendRequest<String>),
}

impl TlsClient {
    /// Connects and offers these protocols.
    pub(crate) async fn connect(address: &str, protocols: &[&str]) -> Self {
        let mut roots = RootCertStore::empty();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates/root.pem");
        roots.add(CertificateDer::from_pem_file(root).unwrap()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let stream = TokioIo::new(stream);
        let sender = if is_http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection.with_upgrades());
            Sender::Http1(sender)
        };
        Self { sender, address: address.to_owned(), cookies: Vec::new() }
    }

    /// Logs in with the user's password; returns the status and the cookies that are set.
    pub(crate) async fn log_in(&mut self, user: &str) -> (u16, Vec<String>) {
        let form = json!({ "username": user, "password": format!("{user}-password") });
        let response = self.send("POST", "/login", &form.to_string()).await;
        let cookies = response.headers().get_all(SET_COOKIE).iter();
        let cookies: Vec<_> = cookies.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
        for cookie in &cookies {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        (response.status().as_u16(), cookies)
    }

    /// Sends JSON, if any.
    pub(crate) async fn send(&mut self, method: &str, path: &str, body: &str) -> Response<Vec<u8>> {
        let request = self.request(method, path).header(CONTENT_TYPE, "application/json");
        let (head, body) = self.start(request.body(body.to_owned()).unwrap()).await.into_parts();
        Response::from_parts(head, collect(body).await)
    }

    /// The handshake of a WebSocket: with GET (RFC 6455), or over HTTP/2 with CONNECT (RFC 8441).
    pub(crate) async fn open_socket(&mut self, path: &str) -> Response<Incoming> {
        if let Sender::Http2(_) = self.sender {
            return self.connect_stream(path, Protocol::from_static("websocket")).await;
        }
        let request = self
            .request("GET", path)
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        self.start(request.body(String::new()).unwrap()).await
    }

    /// A stream of another protocol over HTTP/2.
    pub(crate) async fn connect_stream(&mut self, path: &str, protocol: Protocol) -> Response<Incoming> {
        // The server permits it with its settings, which may arrive after the first request only.
        self.send("GET", "/healthz", "").await;
        let request = self
            .request(Method::CONNECT.as_str(), path)
            .header("sec-websocket-version", "13")
            .extension(protocol);
        self.start(request.body(String::new()).unwrap()).await
    }

    fn request(&self, method: &str, path: &str) -> hyper::http::request::Builder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder().method(method);
        let request = match self.sender {
            Sender::Http1(_) => request.uri(path).header(HOST, &self.address),
            Sender::Http2(_) => request.uri(format!("https://{}{path}", self.address)),
        };
        // HTTP/2 permits a header for each cookie (RFC 9113 §8.2.3).
        match self.sender {
            Sender::Http1(_) if cookies.is_empty() => request,
            Sender::Http1(_) => request.header(COOKIE, cookies.join("; ")),
            Sender::Http2(_) => {
                cookies.iter().fold(request, |request, cookie| request.header(COOKIE, cookie))
            }
        }
    }

    async fn start(&mut self, request: Request<String>) -> Response<Incoming> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
            Sender::Http2(sender) => {
                sender.ready().await.unwrap();
                sender.send_request(request).await.unwrap()
            }
        }
    }
}

async fn collect(body: Incoming) -> Vec<u8> {
    axum::body::to_bytes(axum::body::Body::new(body), usize::MAX).await.unwrap().to_vec()
}
