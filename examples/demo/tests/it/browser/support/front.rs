//! A reverse proxy with TLS for several hosts.

use std::{collections::HashMap, path::Path, process::Command, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, split},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

use super::browser::Browser;

pub(crate) struct Front {
    port: u16,
    task: JoinHandle<()>,
}

impl Front {
    /// Forwards connections for each host to the address beside it.
    pub(crate) async fn start(hosts: &[(&str, &str)]) -> Self {
        Self::with_latency(hosts, Duration::ZERO).await
    }

    /// The same; responses take `latency` on their way back, as across a continent.
    pub(crate) async fn with_latency(hosts: &[(&str, &str)], latency: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_certificate(folder.path(), hosts.iter().map(|(host, _)| *host));
        let hosts: HashMap<_, _> = hosts.iter().map(|&(host, to)| (host.to_owned(), to.to_owned())).collect();
        let (hosts, acceptor) = (Arc::new(hosts), acceptor(folder.path()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, hosts) = (acceptor.clone(), Arc::clone(&hosts));
                // An error means that the client has disconnected.
                tokio::spawn(async move { forward(client, acceptor, &hosts, latency).await.ok() });
            }
        });
        Self { port, task }
    }
}

impl Browser {
    /// A browser that resolves every host to this front and accepts its unknown certificate.
    pub(crate) async fn behind(front: &Front) -> Self {
        Self::with(&[format!("--host-resolver-rules=MAP * 127.0.0.1:{}", front.port)]).await
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    client: TcpStream,
    acceptor: TlsAcceptor,
    hosts: &HashMap<String, String>,
    latency: Duration,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let host = client.get_ref().1.server_name().and_then(|name| hosts.get(name));
    let Some(host) = host else { return Ok(()) };
    let mut server = TcpStream::connect(host).await?;
    if latency.is_zero() {
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = server.into_split();
    let requests = copy(&mut from_client, &mut to_server);
    let responses = async {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let len = from_server.read(&mut chunk).await?;
            if len == 0 {
                return Ok::<_, std::io::Error>(());
            }
            sleep(latency).await;
            to_client.write_all(&chunk[..len]).await?;
        }
    };
    // The server sees to the end what a client that has hung up requested.
    let (requests, responses) = tokio::join!(requests, responses);
    requests.map(drop).and(responses)
}

fn acceptor(folder: &Path) -> TlsAcceptor {
    let der = |file: &str| pem::parse(std::fs::read(folder.join(file)).unwrap()).unwrap().into_contents();
    let chain = vec![CertificateDer::from(der("cert.pem"))];
    let key = PrivateKeyDer::Pkcs8(der("key.pem").into());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn make_certificate<'a>(folder: &Path, hosts: impl Iterator<Item = &'a str>) {
    let names = hosts.map(|host| format!("DNS:{host}")).collect::<Vec<_>>().join(",");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "2", "-subj", "/CN=test", "-addext", &format!("subjectAltName={names}")])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
