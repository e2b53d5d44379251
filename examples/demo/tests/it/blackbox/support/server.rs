//! The program under test.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::Client;

pub(crate) struct Server {
    process: Child,
    output: Option<BufReader<ChildStdout>>,
    pub(crate) address: String,
}

impl Server {
    /// A server on a free port with sessions in memory and these arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same with environment variables.
    pub(crate) fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::of(command(arguments, variables), "http")
    }

    /// The same with HTTPS.
    pub(crate) fn start_tls(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::of(command(arguments, variables), "https")
    }

    /// Another program, whose store these arguments name if it has one.
    pub(crate) fn start_service(arguments: &[&str]) -> Self {
        let mut command = command(arguments, &[]);
        command.env_remove("DEMO_STORE");
        Self::of(command, "http")
    }

    /// A server in this folder with its default store.
    pub(crate) fn start_in(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = command(arguments, &[]);
        command.current_dir(folder).env_remove("DEMO_STORE");
        Self::of(command, "http")
    }

    fn of(mut command: Command, scheme: &str) -> Self {
        let mut process = command.spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix(&format!("listening on {scheme}://"));
        let address = address.unwrap_or_else(|| panic!("the first line is {line:?}")).to_owned();
        Self { process, address, output: Some(output) }
    }

    /// A new client of this server, without cookies.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.address)
    }

    /// A client that has logged in.
    pub(crate) fn logged_in(&self, user: &str) -> Client {
        let mut client = self.client();
        client.log_in(user);
        client
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// Closes the pipe of its standard output.
    pub(crate) fn close_output(&mut self) {
        self.output = None;
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Shuts it down gracefully, as before a restart.
    #[cfg(unix)]
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        assert_eq!(self.wait().0.code(), Some(0));
    }

    /// Its exit status, standard output and standard error.
    pub(crate) fn wait(&mut self) -> (ExitStatus, String, String) {
        let status = wait(&mut self.process);
        let (mut output, mut errors) = (String::new(), String::new());
        if let Some(rest) = &mut self.output {
            rest.read_to_string(&mut output).unwrap();
        }
        self.process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        (status, output, errors)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Checks that it fails to start with exit code 2; returns its one line on standard error.
pub(crate) fn fails_to_start(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut process = command(arguments, variables).spawn().unwrap();
    let status = wait(&mut process);
    let (mut output, mut errors) = (String::new(), String::new());
    process.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    process.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(status.code(), Some(2), "{arguments:?} {errors}");
    assert_eq!(output, "", "{arguments:?}");
    assert_eq!(errors.lines().count(), 1, "{arguments:?} printed {errors:?}");
    errors
}

fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DEMO_")) {
        command.env_remove(name);
    }
    command
        // Variables, so that flags of a test can override them.
        .env("DEMO_LISTEN", "127.0.0.1:0")
        .env("DEMO_STORE", "memory:")
        .envs(variables.iter().copied())
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn wait(process: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = process.kill();
            panic!("the program does not end");
        }
        sleep(Duration::from_millis(10));
    }
}
