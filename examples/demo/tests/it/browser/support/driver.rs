//! chromedriver's process.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

/// A shell runs chromedriver and waits for the end of its input. So chromedriver, its browser and their folder are removed when
/// this value is dropped, or when the test process exits for any reason.
pub(super) struct Driver {
    shell: Child,
    pub(super) url: String,
    /// Kept open, because the program may print.
    _output: BufReader<ChildStdout>,
}

const KEEPER: &str = r#"
exec 3<&0
chromedriver --port=0 3<&- & pid=$!
# The end of chromedriver is then the end of its output.
exec >/dev/null
read -r _ <&3
browsers=$(cat "/proc/$pid/task/"*/children 2>/dev/null)
kill $browsers "$pid" 2>/dev/null
wait
# The browsers are no children of this shell. They still write while they exit.
for try in 1 2 3 4 5 6 7 8 9 10; do
    for browser in $browsers; do
        if kill -0 "$browser" 2>/dev/null; then sleep 0.2; fi
    done
done
rm -rf "$1"
"#;

impl Driver {
    /// All that chromedriver and its browser write goes into `folder`. `None` if chromedriver exits: it needs one port for IPv4 and
    /// IPv6, and another program may have that of IPv6.
    pub(super) fn start(folder: &Path) -> Option<Self> {
        let mut shell = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(folder)
            .envs(
                ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"]
                    .map(|name| (name, folder)),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C must reach the tests only; they then stop this process.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            if output.read_line(&mut line).unwrap() == 0 {
                drop(shell.stdin.take());
                let _ = shell.wait();
                return None;
            }
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end().trim_end_matches('.').to_owned();
            }
        };
        Some(Self { shell, url: format!("http://127.0.0.1:{port}"), _output: output })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
