//! A proxy in front of a database, whose connections can be cut.

use std::{
    io,
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Both ends of each connection.
    connections: Mutex<Vec<TcpStream>>,
    is_closed: AtomicBool,
    is_over: AtomicBool,
}

impl Proxy {
    /// To the server on this port.
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.is_over.load(Ordering::SeqCst) {
                    return;
                }
                // If the server cannot be reached, the client's connection is closed.
                let _ = accepting.serve(client, server);
            }
        });
        Self { port, state }
    }

    /// Cuts all connections; new ones are accepted.
    pub(crate) fn cut(&self) {
        for end in self.state.connections.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// From now on connections are closed at once.
    pub(crate) fn close(&self) {
        self.state.is_closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(crate) fn open(&self) {
        self.state.is_closed.store(false, Ordering::SeqCst);
    }
}

impl State {
    fn serve(&self, client: TcpStream, server: u16) -> io::Result<()> {
        // Locked until both ends are recorded, so that a cut misses none.
        let mut connections = self.connections.lock().unwrap();
        if self.is_closed.load(Ordering::SeqCst) {
            return Ok(());
        }
        let server = TcpStream::connect(("127.0.0.1", server))?;
        for end in [&client, &server] {
            end.set_nodelay(true)?;
            connections.push(end.try_clone()?);
        }
        let (from_client, from_server) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || forward(from_client, server));
        thread::spawn(move || forward(from_server, client));
        Ok(())
    }
}

/// Copies from one end to the other, until either is closed.
fn forward(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    for end in [from, to] {
        let _ = end.shutdown(Shutdown::Both);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        self.cut();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
