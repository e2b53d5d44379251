//! nginx, Caddy and Node.js, each in a folder of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use crate::{interop::program, stores::support::Process};

pub(crate) struct Program {
    // Dropped in this order: the program exits before its folder is removed.
    _process: Process,
    folder: TempDir,
    pub(crate) address: String,
}

/// For each program; its own temporary files are in its folder too.
const NGINX: &str = "daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
";
const CADDY: &str = "{
	admin off
	auto_https off
}
";
const ALIVE_WITHIN: Duration = Duration::from_secs(60);

impl Program {
    /// nginx with this configuration inside `http`, for the port 8080.
    pub(crate) fn nginx(http: &str) -> Self {
        Self::start(&["nginx", "-p", ".", "-c", "config", "-e", "stderr"], |port, folder| {
            let http = http.replace("listen 8080", &format!("listen 127.0.0.1:{port}"));
            fs::write(folder.join("config"), format!("{NGINX}{http}}}\n")).unwrap();
        })
    }

    /// Caddy with this site, for the port 8080.
    pub(crate) fn caddy(site: &str) -> Self {
        // Caddy saves its configuration in the user's folders.
        let command = ["env", "XDG_CONFIG_HOME=.", "XDG_DATA_HOME=.", "caddy", "run", "--config", "config"];
        Self::start(&[&command[..], &["--adapter", "caddyfile"]].concat(), |port, folder| {
            let site = site.replace(":8080", &format!("http://127.0.0.1:{port}"));
            fs::write(folder.join("config"), format!("{CADDY}{site}")).unwrap();
        })
    }

    /// Node.js with these files, of which `server.mjs` is started with its port and `arguments`.
    pub(crate) fn node(files: &[(&str, &str)], arguments: &[&str]) -> Self {
        let node = program("node");
        let command = [&[node.to_str().unwrap(), "server.mjs", "8080"][..], arguments].concat();
        Self::start(&command, |_, folder| {
            for (name, text) in files {
                fs::write(folder.join(name), text).unwrap();
            }
        })
    }

    fn start(command: &[&str], prepare: impl Fn(u16, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        prepare(port, folder.path());
        let port_text = port.to_string();
        let command: Vec<_> =
            command.iter().map(|&part| if part == "8080" { &port_text } else { part }.to_owned()).collect();
        let process = Process::start(&command, folder.path());
        let program = Self { _process: process, folder, address: format!("127.0.0.1:{port}") };
        for _ in 0..ALIVE_WITHIN.as_millis() / 50 {
            if TcpStream::connect(&program.address).is_ok() {
                return program;
            }
            sleep(Duration::from_millis(50));
        }
        panic!("{command:?} does not start:\n{}", program.log());
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The files that it has written into this folder of its own.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
        paths.map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).collect()
    }
}
