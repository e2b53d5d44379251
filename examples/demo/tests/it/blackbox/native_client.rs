//! The example client against the demo.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread::sleep,
    time::Duration,
};

use super::support::Server;

/// Tokens carry whole seconds, so one that lives for two may be good for a little more than one.
const TWO_SECONDS_AND_MORE: Duration = Duration::from_millis(2100);

struct Client<'a> {
    url: String,
    folder: &'a Path,
}

impl Client<'_> {
    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut process = Command::new(path_of("native_client"))
            .args(arguments)
            .env("NATIVE_CLIENT_URL", &self.url)
            .env("NATIVE_CLIENT_FILE", self.folder.join("login.json"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cargo build -p demo --examples comes first: {error}"));
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        process.wait_with_output().unwrap()
    }

    /// What it says after a success.
    #[track_caller]
    fn says(&self, arguments: &[&str], input: &str) -> (String, String) {
        let output = self.run(arguments, input);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert!(output.status.success(), "{}", text(output.stderr));
        (text(output.stdout), text(output.stderr))
    }

    /// What it says after a failure.
    #[track_caller]
    fn complains(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Cargo builds the examples beside the tests.
fn path_of(example: &str) -> PathBuf {
    let deps = env::current_exe().unwrap();
    let built = deps.parent().and_then(|deps| deps.parent()).unwrap();
    built.join("examples").join(format!("{example}{}", env::consts::EXE_SUFFIX))
}

#[test]
fn it_stays_logged_in_over_expiries_and_its_own_ends() {
    let server = Server::start(&["--access-ttl", "2s"]);
    let folder = tempfile::tempdir().unwrap();
    let client = Client { url: format!("http://{}", server.address), folder: folder.path() };
    assert!(client.complains(&["me"], "").contains("not logged in"));
    assert!(client.complains(&["login", "alice"], "guess\n").contains("401"));

    client.says(&["login", "alice"], "alice-password\n");
    let (me, renewed) = client.says(&["me"], "");
    assert!(me.contains("\"sub\":\"alice\"") && !renewed.contains("renewed"), "{me} {renewed}");
    sleep(TWO_SECONDS_AND_MORE);
    let (me, renewed) = client.says(&["me"], "");
    assert!(me.contains("\"sub\":\"alice\"") && renewed.contains("renewed"), "{me} {renewed}");

    sleep(TWO_SECONDS_AND_MORE);
    client.says(&["logout"], "");
    assert!(client.complains(&["me"], "").contains("not logged in"));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
#[cfg(unix)]
fn its_file_is_for_its_owner_alone_and_its_tokens_for_one_server() {
    use std::os::unix::fs::PermissionsExt;

    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let client = Client { url: format!("http://{}", server.address), folder: folder.path() };
    client.says(&["login", "alice"], "alice-password\n");
    let mode = folder.path().join("login.json").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let other = Server::start(&[]);
    let elsewhere = Client { url: format!("http://{}", other.address), folder: folder.path() };
    assert!(elsewhere.complains(&["me"], "").contains("not logged in"));
    client.says(&["me"], "");
}

#[test]
fn it_says_so_when_its_login_was_ended() {
    let server = Server::start(&["--access-ttl", "2s"]);
    let folder = tempfile::tempdir().unwrap();
    let client = Client { url: format!("http://{}", server.address), folder: folder.path() };
    client.says(&["login", "alice"], "alice-password\n");
    assert_eq!(server.logged_in("alice").post("/auth/logout-everywhere").status, 204);
    assert!(client.complains(&["me"], "").contains("log in again"));
    assert!(client.complains(&["me"], "").contains("not logged in"));
}
