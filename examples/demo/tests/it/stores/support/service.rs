//! Demo servers that share a store and keys.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Arc, RwLock},
    time::Duration,
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    signature::Ed25519KeyPair,
};
use pem::Pem;
use tempfile::TempDir;

use super::{Browser, until};

/// The current addresses of the servers: a restart changes the port.
pub(crate) type Addresses = Arc<RwLock<Vec<String>>>;

pub(crate) struct Service {
    demos: Vec<Demo>,
    addresses: Addresses,
    keys: TempDir,
    store: String,
}

struct Demo {
    process: Child,
    arguments: Vec<String>,
    /// Kept open, because the program may print.
    _output: BufReader<ChildStdout>,
}

impl Service {
    /// Starts one server for each list of arguments.
    pub(crate) fn start(store: &str, servers: &[&[&str]]) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let pair = Ed25519KeyPair::generate().unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = pem::encode(&Pem::new("PRIVATE KEY", pkcs8.as_ref()));
        fs::write(keys.path().join("signing.pem"), pem).unwrap();
        fs::write(keys.path().join("refresh.key"), [7; 32]).unwrap();
        let mut service =
            Self { demos: Vec::new(), addresses: Addresses::default(), keys, store: store.into() };
        for arguments in servers {
            service.add(arguments);
        }
        service
    }

    /// Starts another server with the same store, unless the arguments contain another URL.
    pub(crate) fn add(&mut self, arguments: &[&str]) {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let (demo, address) = self.launch(arguments);
        self.demos.push(demo);
        self.addresses.write().unwrap().push(address);
    }

    fn launch(&self, arguments: Vec<String>) -> (Demo, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DEMO_")) {
            command.env_remove(name);
        }
        let mut process = command
            .args(["--listen", "127.0.0.1:0", "--store", &self.store])
            .arg("--signing-key")
            .arg(self.keys.path().join("signing.pem"))
            .arg("--refresh-key")
            .arg(self.keys.path().join("refresh.key"))
            .args(&arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on http://");
        let address = address.unwrap_or_else(|| panic!("the first line is {line:?}")).to_owned();
        (Demo { process, arguments, _output: output }, address)
    }

    pub(crate) fn count(&self) -> usize {
        self.demos.len()
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(Arc::clone(&self.addresses))
    }

    pub(crate) fn kill(&mut self, server: usize) {
        self.demos[server].process.kill().unwrap();
        self.demos[server].process.wait().unwrap();
    }

    /// Starts a killed server again.
    pub(crate) fn start_again(&mut self, server: usize) {
        let arguments = self.demos[server].arguments.clone();
        let (demo, address) = self.launch(arguments);
        self.demos[server] = demo;
        self.addresses.write().unwrap()[server] = address;
    }

    /// Shuts a server down gracefully and starts it again.
    pub(crate) fn restart(&mut self, server: usize) {
        let process = &mut self.demos[server].process;
        let pid = process.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        until("the server stops", Duration::from_secs(20), || process.try_wait().unwrap().is_some());
        assert_eq!(process.wait().unwrap().code(), Some(0));
        self.start_again(server);
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
