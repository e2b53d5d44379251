//! A reverse proxy with TLS for several hosts.

use std::{collections::HashMap, path::Path, process::Command, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

pub(crate) struct Front {
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Front {
    /// Forwards connections for each host to the address beside it.
    pub(crate) async fn start(hosts: &[(&str, &str)]) -> Self {
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
                tokio::spawn(async move { forward(client, acceptor, &hosts).await.ok() });
            }
        });
        Self { port, task }
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
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut client = acceptor.accept(client).await?;
    let host = client.get_ref().1.server_name().and_then(|name| hosts.get(name));
    let Some(host) = host else { return Ok(()) };
    let mut server = TcpStream::connect(host).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
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
