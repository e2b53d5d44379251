//! A private PgBouncer.

use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::server::{Process, Server, as_owner, create_folder};

/// In front of a server, with a folder of its own. Clients connect through a socket in it.
#[derive(Debug)]
pub struct Bouncer {
    folder: PathBuf,
    server: PathBuf,
    process: Option<Process>,
}

impl Bouncer {
    /// `mode` is the unit that a client keeps its connection to the server for: `session` or `transaction`.
    pub fn start(server: &Server, mode: &str) -> Self {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_nanos();
        let folder = env::temp_dir().join(format!("tower-refresh-pgbouncer-{nanos}"));
        create_folder(&folder);
        let mut bouncer = Self { folder, server: server.folder().to_owned(), process: None };
        bouncer.configure(mode);
        let mut command = as_owner(Path::new("pgbouncer"));
        command.arg(bouncer.settings());
        bouncer.process = Some(Process::start(&command, &bouncer.folder));
        let started = Instant::now();
        while !bouncer.folder.join(".s.PGSQL.6432").exists() {
            assert!(started.elapsed() < Duration::from_secs(20), "PgBouncer starts");
            thread::sleep(Duration::from_millis(20));
        }
        bouncer
    }

    /// Changes the mode while it runs.
    pub fn change_mode(&self, mode: &str) {
        self.configure(mode);
        self.process.as_ref().expect("it runs").signal("HUP");
    }

    fn configure(&self, mode: &str) {
        let settings = format!(
            "[databases]\n* = host={} user=postgres\n[pgbouncer]\nauth_type = any\nlisten_addr =\n\
             listen_port = 6432\nunix_socket_dir = {}\npool_mode = {mode}\ndefault_pool_size = 8\n",
            self.server.display(),
            self.folder.display(),
        );
        fs::write(self.settings(), settings).expect("the settings are written");
    }

    fn settings(&self) -> PathBuf {
        self.folder.join("pgbouncer.ini")
    }

    /// The URL of a database through PgBouncer.
    pub fn url(&self, database: &str) -> String {
        let host = self.folder.to_str().expect("the folder's name is text").replace('/', "%2F");
        format!("postgresql://postgres@{host}:6432/{database}")
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(b"");
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
