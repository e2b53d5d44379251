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

/// Times in tokens are whole seconds, so a lifetime of 2 s may last little more than 1 s.
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
            .unwrap_or_else(|error| panic!("run `cargo build -p demo --examples` first: {error}"));
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        process.wait_with_output().unwrap()
    }

    /// Standard output and standard error of a successful run.
    #[track_caller]
    fn succeed(&self, arguments: &[&str], input: &str) -> (String, String) {
        let output = self.run(arguments, input);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert!(output.status.success(), "{}", text(output.stderr));
        (text(output.stdout), text(output.stderr))
    }

    /// Standard error of a failed run.
    #[track_caller]
    fn fail(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    }
}

/// Cargo builds examples in a folder beside the tests.
fn path_of(example: &str) -> PathBuf {
    let deps = env::current_exe().unwrap();
    let built = deps.parent().and_then(|deps| deps.parent()).unwrap();
    built.join("examples").join(format!("{example}{}", env::consts::EXE_SUFFIX))
}

#[test]
fn it_stays_logged_in_across_expiries_and_runs() {
    let server = Server::start(&["--access-ttl", "2s"]);
    let folder = tempfile::tempdir().unwrap();
    let client = Client { url: format!("http://{}", server.address), folder: folder.path() };
    assert!(client.fail(&["me"], "").contains("not logged in"));
    assert!(client.fail(&["login", "alice"], "guess\n").contains("401"));

    client.succeed(&["login", "alice"], "alice-password\n");
    let (me, renewed) = client.succeed(&["me"], "");
    assert!(me.contains("\"sub\":\"alice\"") && !renewed.contains("renewed"), "{me} {renewed}");
    sleep(TWO_SECONDS_AND_MORE);
    let (me, renewed) = client.succeed(&["me"], "");
    assert!(me.contains("\"sub\":\"alice\"") && renewed.contains("renewed"), "{me} {renewed}");

    sleep(TWO_SECONDS_AND_MORE);
    client.succeed(&["logout"], "");
    assert!(client.fail(&["me"], "").contains("not logged in"));
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
#[cfg(unix)]
fn only_the_owner_can_read_its_file_and_only_one_server_receives_its_tokens() {
    use std::os::unix::fs::PermissionsExt;

    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let client = Client { url: format!("http://{}", server.address), folder: folder.path() };
    client.succeed(&["login", "alice"], "alice-password\n");
    let mode = folder.path().join("login.json").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let other = Server::start(&[]);
    let elsewhere = Client { url: format!("http://{}", other.address), folder: folder.path() };
    assert!(elsewhere.fail(&["me"], "").contains("not logged in"));
    client.succeed(&["me"], "");
}

#[test]
fn it_reports_that_its_session_has_ended() {
    let server = Server::start(&["--access-ttl", "2s"]);
    let folder = tempfile::tempdir().unwrap();
    let client = Client { url: format!("http://{}", server.address), folder: folder.path() };
    client.succeed(&["login", "alice"], "alice-password\n");
    assert_eq!(server.logged_in("alice").post("/auth/logout-everywhere").status, 204);
    assert!(client.fail(&["me"], "").contains("log in again"));
    assert!(client.fail(&["me"], "").contains("not logged in"));
}
