//! A private PostgreSQL server.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio_postgres::{Client, NoTls};

/// A server with a data folder of its own. Clients connect through a socket in that folder, so it needs no port.
///
/// It stops with the test process, however that ends: a shell owns it and waits for the end of its own input.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    settings: Vec<String>,
    process: Option<Process>,
}

/// A program that stops with the test process.
#[derive(Debug)]
pub struct Process {
    keeper: Child,
    stdin: ChildStdin,
    pid: String,
}

/// Runs the program and prints its process id. A line of input, or the end of input, stops the server, even a
/// frozen one. At the end of input the folder is removed as well. PostgreSQL stops at once with QUIT, which other programs
/// may ignore.
const KEEPER: &str = r#"
    folder=$1; shift
    "$@" >&2 & pid=$!
    echo "$pid"
    line=; read -r line
    kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) 2>/dev/null
    kill -QUIT "$pid" 2>/dev/null
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
    [ -n "$line" ] || rm -rf "$folder"
"#;

const READY_WITHIN: Duration = Duration::from_secs(60);

impl Server {
    /// A new database cluster, with these settings beside the defaults.
    pub fn start(settings: &[&str]) -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_nanos();
        let folder = env::temp_dir().join(format!("tower-refresh-postgres-{nanos}"));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { folder, settings, process: None };
        create_folder(&server.folder);
        let mut initdb = as_owner(&program("initdb"));
        run(initdb
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(server.folder.join("data")));
        server.restart();
        server
    }

    /// Starts the server, which is not running.
    pub fn restart(&mut self) {
        self.release(b"stop\n");
        let mut server = as_owner(&program("postgres"));
        server.arg("-D").arg(self.folder.join("data"));
        server.arg("-k").arg(&self.folder);
        for setting in ["listen_addresses=", "max_connections=200"] {
            server.args(["-c", setting]);
        }
        for setting in &self.settings {
            server.args(["-c", setting]);
        }
        self.process = Some(Process::start(&server, &self.folder));
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let start = Instant::now();
        let mut ready = Command::new(program("pg_isready"));
        ready.arg("-q").arg("-h").arg(&self.folder);
        while !ready.status().expect("pg_isready runs").success() {
            let log = || fs::read_to_string(self.log()).unwrap_or_default();
            assert!(is_running(self.pid()), "the server exited:\n{}", log());
            assert!(start.elapsed() < READY_WITHIN, "the server does not start:\n{}", log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills all processes of the server, as a crash does. Returns when they are gone, as the server does not start while one
    /// of them has its shared memory.
    pub fn kill(&self) {
        let pids = self.stop_all();
        signal("KILL", &pids);
        until("all processes are gone", || !pids.iter().any(|pid| is_running(pid)));
    }

    /// Stops all processes of the server, which then answers nothing but keeps its connections.
    pub fn freeze(&self) {
        signal("STOP", &self.stop_all());
    }

    /// Continues after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        signal("CONT", &self.pids());
    }

    /// Stops the main process, so that it cannot start others, and returns the ids of all.
    fn stop_all(&self) -> Vec<String> {
        let pid = self.pid();
        signal("STOP", &[pid.to_owned()]);
        until("the main process stops", || state(pid) == Some('T'));
        self.pids()
    }

    fn pids(&self) -> Vec<String> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("it runs");
        let children = children.split_whitespace().map(str::to_owned);
        [pid.to_owned()].into_iter().chain(children).collect()
    }

    fn pid(&self) -> &str {
        &self.process.as_ref().expect("the server was started").pid
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        let host = self.folder.to_str().expect("the folder's name is text").replace('/', "%2F");
        format!("postgresql://postgres@{host}/{database}")
    }

    /// The server's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The socket that clients connect to.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// What the server has logged.
    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// A connection beside those of the store.
    pub async fn client(&self, database: &str) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(database), NoTls).await.expect("connects");
        tokio::spawn(connection);
        client
    }

    /// A new database of the test's own.
    pub async fn create_database(&self, name: &str, options: &str) {
        let statement = format!("CREATE DATABASE {name} {options}");
        self.client("postgres").await.batch_execute(&statement).await.expect("a database is created");
    }

    fn release(&mut self, line: &[u8]) {
        if let Some(process) = self.process.take() {
            process.stop(line);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.release(b"");
        // If the server was never started, its shell has not removed the folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Process {
    /// Its output goes to the file `log` in `folder`, which is removed when it stops.
    pub fn start(program: &Command, folder: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper"]).arg(folder);
        command.arg(program.get_program()).args(program.get_args());
        let log = fs::File::options().create(true).append(true).open(folder.join("log"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log.expect("the log opens"));
        let mut keeper = command.process_group(0).spawn().expect("a shell starts");
        let stdin = keeper.stdin.take().expect("its input is a pipe");
        let mut pid = String::new();
        let output = keeper.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut pid).expect("the shell prints the process id");
        Self { keeper, stdin, pid: pid.trim().to_owned() }
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        signal(name, std::slice::from_ref(&self.pid));
    }

    /// Without a line, the folder is removed.
    pub fn stop(mut self, line: &[u8]) {
        // The shell may have been killed.
        let _ = self.stdin.write_all(line);
        drop(self.stdin);
        let _ = self.keeper.wait();
    }
}

/// An empty folder for a program that does not start as root, and must own its folder.
pub fn create_folder(folder: &Path) {
    let mut mkdir = Command::new("install");
    mkdir.args(["-d", "-m", "700"]);
    if is_root() {
        mkdir.args(["-o", unprivileged()]);
    }
    run(mkdir.arg(folder));
}

fn signal(name: &str, pids: &[String]) {
    let mut kill = Command::new("kill");
    // A child may have exited meanwhile.
    kill.stderr(Stdio::null()).arg(format!("-{name}")).args(pids);
    kill.status().expect("kill runs");
}

/// The state of a process as the kernel abbreviates it, or `None` if there is no such process.
fn state(pid: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn is_running(pid: &str) -> bool {
    !matches!(state(pid), None | Some('X' | 'Z'))
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout == b"0\n"
}

/// The user id of the account without any rights, as every Unix has it.
const OVERFLOW_USER: &str = "65534";

fn unprivileged() -> &'static str {
    let known = Command::new("id").arg("postgres").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if known.is_ok_and(|status| status.success()) { "postgres" } else { OVERFLOW_USER }
}

/// The command, run as the owner of [`create_folder`].
pub fn as_owner(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={}", unprivileged())).args(["--clear-groups", "--"]).arg(program);
    command
}

/// The newest version that has a server, in the folder where Debian installs versions, else the program in the path.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/postgres").exists())
        .max_by_key(|version| version.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    newest.map(|version| version.path().join("bin").join(name)).unwrap_or_else(|| name.into())
}

fn run(command: &mut Command) {
    let output = command.output().expect("the command starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} fails: {error}");
}
