//! The program under test, and its providers.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::json;
use tempfile::TempDir;

pub(crate) struct Programs {
    pub(crate) url: String,
    /// The issuers of `one`, which answers with a redirect, and `two`, which answers with a form.
    pub(crate) issuers: [String; 2],
    _app: Program,
    _providers: Program,
    _folder: TempDir,
}

impl Programs {
    pub(crate) fn start() -> Self {
        // Another program may take a port before these do.
        (0..5).find_map(|_| Self::try_start()).expect("the programs start")
    }

    /// `localhost` and `127.0.0.1` are two sites, as an application and its provider are.
    fn try_start() -> Option<Self> {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [port, one, two] = listeners.map(|listener| listener.local_addr().unwrap().port());
        let issuers = [one, two].map(|port| format!("http://127.0.0.1:{port}"));
        let url = format!("http://localhost:{port}");
        let provider = |name: &str, issuer: &str, form_post: bool| {
            json!({
                "name": name, "issuer": issuer, "form_post": form_post,
                "client_id": "oidc-login", "client_secret": "a secret of the tests, of some length",
            })
        };
        let settings = json!({
            "listen": format!("127.0.0.1:{port}"), "url": url,
            "providers": [provider("one", &issuers[0], false), provider("two", &issuers[1], true)],
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.json");
        fs::write(&file, settings.to_string()).unwrap();
        let app = Program::start(Command::new(env!("CARGO_BIN_EXE_oidc-login")).arg(&file), 1)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("provider/provider.mjs");
        let mut node = Command::new(node());
        let providers = node.arg(script).arg(&file).env("NODE_BASE", installed("oidc-provider"));
        let providers = Program::start(providers, 2)?;
        Some(Self { url, issuers, _app: app, _providers: providers, _folder: folder })
    }
}

/// What `scripts/test-world` installs.
fn installed(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn node() -> PathBuf {
    let node = installed("interop/venv/bin/node");
    if node.exists() { node } else { "node".into() }
}

struct Program {
    process: Child,
    /// Kept open, because the program may print.
    output: BufReader<ChildStdout>,
}

impl Program {
    /// Waits until it has printed so many lines. `None` if it exits before.
    fn start(command: &mut Command, lines: usize) -> Option<Self> {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut program = Self { process, output };
        for _ in 0..lines {
            if program.output.read_line(&mut String::new()).unwrap() == 0 {
                return None;
            }
        }
        Some(program)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
