//! A private server of PostgreSQL.

use std::{
    env, fs,
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio_postgres::{Client, NoTls};

/// A server that stops with the test process, however that ends: a shell holds it, and waits for the end of its input.
pub(crate) struct Server {
    folder: PathBuf,
    settings: Vec<String>,
    keeper: Option<(Child, ChildStdin)>,
}

/// Runs the server in a folder, its command given after it. A line of input, or its end, stops the server by its pid;
/// after the end, as when the test process was killed, the folder goes as well.
const KEEPER: &str = r#"
    folder=$1; shift
    "$@" & pid=$!
    line=; read -r line
    kill -INT "$pid" 2>/dev/null
    wait "$pid"
    [ -n "$line" ] || rm -rf "$folder"
"#;

impl Server {
    /// A new database cluster, with these settings beside the defaults.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_nanos();
        let folder = env::temp_dir().join(format!("tower-refresh-postgres-{nanos}"));
        // The folder's owner is who the server runs as: it refuses root.
        let mut mkdir = Command::new("install");
        mkdir.args(["-d", "-m", "700"]);
        if is_root() {
            mkdir.args(["-o", unprivileged()]);
        }
        run(mkdir.arg(&folder));
        let mut initdb = as_owner(&program("initdb"));
        run(initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(folder.join("data")));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { folder, settings, keeper: None };
        server.restart();
        server
    }

    /// Starts the server, which is not running.
    pub(crate) fn restart(&mut self) {
        self.release(b"stop\n");
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(&self.folder);
        let server = as_owner(&program("postgres"));
        command.arg(server.get_program()).args(server.get_args());
        command.arg("-D").arg(self.folder.join("data"));
        command.arg("-k").arg(&self.folder);
        for setting in ["listen_addresses=", "max_connections=200"] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let log = fs::File::options().create(true).append(true).open(self.log()).expect("the log opens");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).process_group(0);
        let mut keeper = command.spawn().expect("a shell starts");
        let stdin = keeper.stdin.take().expect("its input is a pipe");
        self.keeper = Some((keeper, stdin));
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let start = Instant::now();
        let mut ready = Command::new(program("pg_isready"));
        ready.arg("-q").arg("-h").arg(&self.folder);
        while !ready.status().expect("pg_isready runs").success() {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(60), "the server starts:\n{}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal to all processes of the server.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
        let children = children.split_whitespace().map(str::to_owned);
        let mut kill = Command::new("kill");
        // A child may have ended meanwhile.
        kill.stderr(Stdio::null()).arg(format!("-{signal}")).arg(pid.to_string()).args(children);
        kill.status().expect("kill runs");
    }

    fn pid(&self) -> u32 {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).expect("the server runs");
        file.lines().next().and_then(|line| line.parse().ok()).expect("the first line is the pid")
    }

    pub(crate) fn url(&self, database: &str) -> String {
        let host = self.folder.to_str().expect("the folder's name is text").replace('/', "%2F");
        format!("postgresql://postgres@{host}/{database}")
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// A connection beside the store.
    pub(crate) async fn client(&self, database: &str) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(database), NoTls).await.expect("connects");
        tokio::spawn(connection);
        client
    }

    /// A new database of the test's own.
    pub(crate) async fn create_database(&self, name: &str, options: &str) {
        let statement = format!("CREATE DATABASE {name} {options}");
        self.client("postgres").await.batch_execute(&statement).await.expect("a database is created");
    }

    fn release(&mut self, line: &[u8]) {
        if let Some((mut keeper, mut stdin)) = self.keeper.take() {
            // The keeper may have been stopped before.
            let _ = stdin.write_all(line);
            drop(stdin);
            let _ = keeper.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.release(b"");
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

fn unprivileged() -> &'static str {
    let known = Command::new("id").arg("postgres").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if known.is_ok_and(|status| status.success()) { "postgres" } else { "nobody" }
}

/// The command, run by whom the server's folder belongs to.
fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", unprivileged())).args(["--clear-groups", "--"]).arg(program);
    command
}

/// Where distributions put the newest version, else what is in the path.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.max_by_key(|version| {
        version.file_name().to_str().and_then(|name| name.parse::<u32>().ok()).unwrap_or(0)
    });
    newest.map(|version| version.path().join("bin").join(name)).unwrap_or_else(|| name.into())
}

fn run(command: &mut Command) {
    let output = command.output().expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} fails: {error}");
}
