//! A reverse proxy with TLS for several hosts.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, split},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::sleep,
};
use tokio_rustls::TlsAcceptor;

use super::{browser::Browser, certificate::Certificate};

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
        let acceptor = Certificate::of(hosts.iter().map(|(host, _)| *host)).acceptor();
        let hosts: HashMap<_, _> = hosts.iter().map(|&(host, to)| (host.to_owned(), to.to_owned())).collect();
        let hosts = Arc::new(hosts);
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
