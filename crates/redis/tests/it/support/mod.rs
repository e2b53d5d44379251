//! Private servers: each with ports and a folder of its own, on the loopback interface only.

mod cluster;
mod resharding;
mod sentinel;
mod watcher;

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tower_refresh_core::{SessionHandle, SessionRow, Timestamp};

pub(crate) use self::{cluster::Cluster, resharding::Resharding, sentinel::Watched, watcher::follow};

/// A server. It stops when this value is dropped, or with the test process, however that ends.
pub(crate) struct Redis {
    pub(crate) port: u16,
    folder: TempDir,
    arguments: Vec<String>,
    process: Process,
}

/// A shell that waits for the end of its input, and then kills the server.
struct Process {
    shell: Child,
    pid: String,
}

/// The rights of the user in README.md and in the documentation of the crate.
pub(crate) const LEAST_RIGHTS: &str = "resetchannels &tower-refresh:ended ~tower-refresh:* \
    +ping +time +scan +get +mget +getrange +exists +zrange +zrem +xrange +xinfo|stream +subscribe +publish \
    +script|load +evalsha +set +setrange +pexpireat +unlink +zadd +zscore +zremrangebyscore +zcount \
    +zrandmember +pexpiretime +xadd";

/// A file that makes the shell of a killed server keep its folder.
const KILLED: &str = "killed";
const ALIVE_WITHIN: Duration = Duration::from_secs(20);

impl Redis {
    /// A server that syncs each write to the disk before it answers.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_on(free_port(), &[&["--save", ""], arguments].concat())
    }

    pub(crate) fn start_on(port: u16, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let process = Process::start(port, &folder, &arguments);
        let server = Self { port, folder, arguments, process };
        server.until_alive();
        server
    }

    /// Starts a replica, and waits until it has caught up.
    pub(crate) fn start_replica(&self) -> Self {
        let replica = Self::start_with(&["--replicaof", "127.0.0.1", &self.port.to_string()]);
        until("the replica has caught up", || {
            self.online_replicas() == 1 && replica.replication().contains("master_link_status:up")
        });
        replica
    }

    pub(crate) fn replication(&self) -> String {
        self.ask(&["INFO", "replication"]).unwrap_or_default()
    }

    /// How many replicas have acknowledged something. Until then the server sends them nothing, for up to a second.
    pub(crate) fn online_replicas(&self) -> usize {
        let replication = self.replication();
        let lines = replication.lines().filter(|line| line.contains("state=online"));
        lines.filter(|line| !line.contains(",offset=0,")).count()
    }

    pub(crate) fn start_sentinel(port: u16, config: &str) -> Self {
        Self::start_on(port, &[config, "--sentinel"])
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> redis::Client {
        redis::Client::open(self.url()).unwrap()
    }

    /// Sends a command on a connection of its own.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut connection = self.client().get_connection_with_timeout(Duration::from_secs(5))?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection)
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        fs::write(self.folder.path().join(KILLED), "").unwrap();
        self.process.signal("KILL");
        until("the server is gone", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err());
    }

    /// Starts the server again, on the data on its disk.
    pub(crate) fn restart(&mut self) {
        self.process = Process::start(self.port, &self.folder, &self.arguments);
        fs::remove_file(self.folder.path().join(KILLED)).unwrap();
        self.until_alive();
    }

    pub(crate) fn freeze(&self) {
        self.process.signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.process.signal("CONT");
    }

    fn until_alive(&self) {
        until("the server answers", || self.ask::<String>(&["PING"]).is_ok());
    }
}

impl Process {
    fn start(port: u16, folder: &TempDir, arguments: &[String]) -> Self {
        let mut shell = Command::new("sh")
            .args([
                "-c",
                "exec 3<&0; \"$@\" >log 2>&1 3<&- & pid=$!; echo $pid; read _ <&3; \
                 kill -9 $pid 2>/dev/null; wait; [ -e killed ] || rm -rf \"$PWD\"",
                "sh",
                "redis-server",
            ])
            .args(arguments.first().filter(|first| !first.starts_with("--")))
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
            .arg(folder.path())
            .args(arguments.iter().skip_while(|argument| !argument.starts_with("--")))
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut pid).unwrap();
        Self { shell, pid: pid.trim().to_owned() }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([&format!("-{signal}"), &self.pid]).status().unwrap();
        assert!(status.success(), "the server {} is there", self.pid);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A port that is free, like the one 10 000 higher, which a Cluster's node needs as well.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() % 20_000 + 10_100;
        if [port, port + 10_000].iter().all(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return port;
        }
    }
}

pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < ALIVE_WITHIN, "{what}, within {ALIVE_WITHIN:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// As [`until`], for an async condition.
pub(crate) async fn until_async(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < ALIVE_WITHIN, "{what}, within {ALIVE_WITHIN:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// In the far future, so that Redis does not remove the sessions.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(4_000_000_000);

pub(crate) fn handle(number: u64) -> SessionHandle {
    SessionHandle::from_bytes(u128::from(number).to_be_bytes())
}

pub(crate) fn row(number: u64) -> SessionRow {
    let expiry = NOW.saturating_add(Duration::from_secs(7 * 24 * 60 * 60));
    SessionRow::new(handle(number), "alice".into(), NOW, expiry, expiry)
}

/// The row with a change.
pub(crate) fn with(mut row: SessionRow, change: impl FnOnce(&mut SessionRow)) -> SessionRow {
    change(&mut row);
    row
}
