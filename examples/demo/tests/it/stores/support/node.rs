//! A database server of the test's own: on a port that no other process has, in a folder of its own, on the loopback interface.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use super::process::Process;

pub(crate) struct Node {
    process: Option<Process>,
    folder: TempDir,
    command: Vec<String>,
    kind: Kind,
    pub(crate) port: u16,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Postgres,
    /// PostgreSQL, with a pool of sqlx.
    Sqlx,
    Redis,
}

const ALIVE_WITHIN: Duration = Duration::from_secs(60);

impl Node {
    /// With its defaults, which sync each commit to the disk.
    pub(crate) fn postgres() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The server runs as the folder's owner, because it does not start as root.
        if is_root() {
            run(Command::new("chown").arg(unprivileged()).arg(folder.path()));
        }
        let data = folder.path().join("data").to_str().unwrap().to_owned();
        let initdb = as_owner(&postgres_program("initdb"));
        let initdb = initdb.iter().map(String::as_str).chain([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--pgdata",
            &data,
        ]);
        let initdb: Vec<_> = initdb.collect();
        run(Command::new(initdb[0]).args(&initdb[1..]).current_dir(folder.path()));
        let port = free_port();
        let mut command = as_owner(&postgres_program("postgres"));
        command.extend(["-D".into(), data, "-p".into(), port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories="] {
            command.extend(["-c".into(), setting.into()]);
        }
        Self::start(Kind::Postgres, port, folder, command)
    }

    #[allow(dead_code, reason = "used with the demo's feature `sqlx`")]
    pub(crate) fn postgres_by_sqlx() -> Self {
        let mut node = Self::postgres();
        node.kind = Kind::Sqlx;
        node
    }

    /// It syncs each write to the disk before it answers.
    pub(crate) fn redis() -> Self {
        Self::redis_with(&[])
    }

    pub(super) fn redis_with(arguments: &[&str]) -> Self {
        let port = free_port();
        let always = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
        let port_text = port.to_string();
        let mut command = vec!["redis-server", "--port", &port_text, "--bind", "127.0.0.1"];
        command.extend(always.iter().chain(arguments));
        let command = command.into_iter().map(str::to_owned).collect();
        Self::start(Kind::Redis, port, tempfile::tempdir().unwrap(), command)
    }

    fn start(kind: Kind, port: u16, folder: TempDir, command: Vec<String>) -> Self {
        let mut node = Self { process: None, folder, command, kind, port };
        node.restart();
        node
    }

    pub(crate) fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same server by another port, of a proxy.
    pub(crate) fn url_at(&self, port: u16) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"),
            Kind::Sqlx => format!("sqlx+postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"),
            Kind::Redis => format!("redis://127.0.0.1:{port}"),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Postgres => "PostgreSQL",
            Kind::Sqlx => "PostgreSQL with sqlx",
            Kind::Redis => "Redis",
        }
    }

    /// `kill -9` to all its processes.
    pub(crate) fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it on what it has on its disk; returns when it answers.
    pub(crate) fn restart(&mut self) {
        self.process = Some(Process::start(&self.command, self.folder.path()));
        for _ in 0..ALIVE_WITHIN.as_millis() / 50 {
            if self.is_ready() {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("the server does not start:\n{log}");
    }

    pub(crate) fn freeze(&self) {
        self.process.as_ref().unwrap().freeze();
    }

    pub(crate) fn thaw(&self) {
        self.process.as_ref().unwrap().thaw();
    }

    fn is_ready(&self) -> bool {
        if self.kind == Kind::Redis {
            return self.ask(&["PING"]).trim() == "PONG";
        }
        let mut ready = Command::new(postgres_program("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().unwrap().success()
    }

    /// What Redis answers, as text; nothing when it is not there.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &port]).args(words).stderr(Stdio::null());
        String::from_utf8(cli.output().unwrap().stdout).unwrap()
    }
}

/// A port on which no process listens, and neither on the one 10 000 higher, which a Cluster's node needs as well. Below those
/// that outgoing connections have, so that it is still free after a restart.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() % 11_000 + 10_100;
        if [port, port + 10_000].iter().all(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return port;
        }
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// The user id of the account without any rights, as every Unix has it.
const OVERFLOW_USER: &str = "65534";

fn unprivileged() -> &'static str {
    let known = Command::new("id").arg("postgres").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if known.unwrap().success() { "postgres" } else { OVERFLOW_USER }
}

/// The program, run by whom the server's folder belongs to.
fn as_owner(program: &str) -> Vec<String> {
    if !is_root() {
        return vec![program.to_owned()];
    }
    let reuid = format!("--reuid={}", unprivileged());
    ["setpriv", &reuid, "--clear-groups", "--", program].map(str::to_owned).into()
}

/// The newest version that has a server, in the folder where Debian installs versions, else the program in the path.
fn postgres_program(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/postgres").exists())
        .max_by_key(|version| version.file_name().to_str().and_then(|name| name.parse::<u32>().ok()))
        .map(|version| version.path().join("bin").join(name));
    newest.unwrap_or_else(|| PathBuf::from(name)).to_str().unwrap().to_owned()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} fails: {error}");
}
