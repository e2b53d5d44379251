//! A database's process.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A shell runs the process and waits for the end of its input. So the process is killed when this value is dropped, or when the
/// test process exits for any reason.
pub(crate) struct Process {
    shell: Child,
    pid: String,
}

/// A frozen process must be resumed, or it cannot exit.
const KEEPER: &str = r#"
exec 3<&0
"$@" >>log 2>&1 3<&- & pid=$!
echo "$pid"
read -r _ <&3
kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children" 2>/dev/null) 2>/dev/null
kill -INT "$pid" 2>/dev/null
wait
"#;

impl Process {
    pub(crate) fn start(command: &[String], folder: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .args(command)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C must reach the tests only; they then stop this process.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut pid = String::new();
        BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut pid).unwrap();
        Self { shell, pid: pid.trim().to_owned() }
    }

    pub(super) fn kill(&self) {
        // The process must not fork between the list of its children and their end.
        self.signal("STOP", "KILL");
    }

    pub(super) fn freeze(&self) {
        self.signal("STOP", "STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("CONT", "CONT");
    }

    /// Sends a signal to the process, then one to it and its children.
    fn signal(&self, first: &str, all: &str) {
        let pid = &self.pid;
        assert!(signal(first, &[pid]), "the server {pid} is there");
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let mut pids = vec![pid.as_str()];
        pids.extend(children.split_whitespace());
        // A child may have exited meanwhile.
        signal(all, &pids);
    }
}

fn signal(name: &str, pids: &[&str]) -> bool {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).args(pids).stderr(Stdio::null());
    kill.status().unwrap().success()
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
