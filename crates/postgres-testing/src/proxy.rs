//! A proxy between a store and its server, which makes connections fail.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    select,
    task::AbortHandle,
};

use crate::server::Server;

/// What happens to a connection when the client sends something next.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums, reason = "used here only")]
pub enum Fault {
    /// Nothing: a fault that comes later meets what is sent later.
    Absent,
    /// The server does not read it, and reports that an administrator terminated the connection.
    Terminated,
    /// The server executes it, and the connection is lost before the client has the reply.
    ReplyLost,
}

/// The proxy, which stops when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    faults: Faults,
    accepting: AbortHandle,
}

type Faults = Arc<Mutex<VecDeque<Fault>>>;

/// The fields of the server's error: severity, code and message.
const TERMINATED: &[u8] = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0";

impl Proxy {
    /// Starts one in front of the server.
    pub async fn start(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let (socket, faults) = (server.socket(), Faults::default());
        let accepting = tokio::spawn({
            let faults = Arc::clone(&faults);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let server = UnixStream::connect(&socket).await.expect("the server accepts");
                    tokio::spawn(forward(client, server, Arc::clone(&faults)));
                }
            }
        });
        Self { port, faults, accepting: accepting.abort_handle() }
    }

    /// The URL of the database `postgres` through the proxy.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of a database through the proxy.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The next things that clients send meet these faults, one each.
    pub fn fail_next(&self, faults: &[Fault]) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(mut client: TcpStream, mut server: UnixStream, faults: Faults) -> io::Result<()> {
    let (mut request, mut reply) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        select! {
            read = client.read(&mut request) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                let fault = faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                match fault {
                    None | Some(Fault::Absent) => server.write_all(&request[..read]).await?,
                    Some(Fault::Terminated) => {
                        let length = u32::try_from(4 + TERMINATED.len()).expect("the error is short");
                        client.write_all(&[b"E", &length.to_be_bytes()[..], TERMINATED].concat()).await?;
                        return client.shutdown().await;
                    }
                    Some(Fault::ReplyLost) => {
                        server.write_all(&request[..read]).await?;
                        return server.read(&mut reply).await.map(drop);
                    }
                }
            }
            read = server.read(&mut reply) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                client.write_all(&reply[..read]).await?;
            }
        }
    }
}
