//! The two servers, as processes.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{
    client::{Connection, Session},
    load::{CONNECTIONS, Load, Outcome, REFRESH_EACH, send},
};

/// Which program serves.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A build of this program, and the event interval of its runtime.
    Ours(String, Option<String>),
    AxumLogin(String),
}

impl Kind {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Ours(program, _) => program.rsplit('/').next().unwrap_or(program),
            Self::AxumLogin(_) => "axum-login",
        }
    }

    pub(super) fn this_program(event_interval: Option<String>) -> Self {
        Self::Ours(env::current_exe().unwrap().to_str().unwrap().to_owned(), event_interval)
    }

    /// Builds the program, which is a package of its own.
    pub(super) fn axum_login() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("axum-login");
        let status = Command::new("cargo")
            .args(["build", "--release", "--locked"])
            .current_dir(&folder)
            .status()
            .unwrap();
        assert!(status.success());
        Self::AxumLogin(folder.join("target/release/axum-login-server").to_str().unwrap().to_owned())
    }
}

/// A server, the connections to it, and the sessions of its users.
#[derive(Debug)]
pub(super) struct Program {
    process: Child,
    connections: Vec<Connection>,
    /// A session for each connection.
    own: Vec<Session>,
    /// Each is refreshed once in each round.
    refreshed: Vec<Session>,
    refreshes: bool,
}

impl Program {
    pub(super) fn start(kind: &Kind, store: &str, url: &str) -> Self {
        let mut command = match kind {
            Kind::Ours(program, event_interval) => {
                let mut command = Command::new(program);
                command.args(["--serve", store, url]).args(event_interval);
                command
            }
            Kind::AxumLogin(program) => {
                let mut command = Command::new(program);
                command.args([store, url]);
                command
            }
        };
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim().parse().unwrap();
        let connections: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(port)).collect();
        let login = || {
            let mut session = Session::default();
            session.store(&connections[0].call(&session.request("POST", "/login")).head);
            session
        };
        let own = (0..CONNECTIONS).map(|_| login()).collect();
        Self { process, own, refreshed: Vec::new(), refreshes: matches!(kind, Kind::Ours(..)), connections }
    }

    /// Sends this many requests.
    pub(super) fn round(&mut self, load: Load, requests: usize) -> Outcome {
        while self.refreshed.len() < requests.div_ceil(REFRESH_EACH) {
            let mut session = Session::default();
            session.store(&self.connections[0].call(&session.request("POST", "/login")).head);
            self.refreshed.push(session);
        }
        if self.refreshes {
            self.connections[0].call(&Session::default().request("POST", "/expire"));
            for (connection, session) in self.connections.iter().zip(&mut self.own) {
                let response = connection.call(&session.request("GET", "/me"));
                assert!(response.sets_cookies());
                session.store(&response.head);
            }
        }
        send(load, requests, &self.connections, &self.own, &mut self.refreshed, self.refreshes)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The end of its input stops it.
        self.process.stdin.take();
        let _ = self.process.wait();
    }
}
