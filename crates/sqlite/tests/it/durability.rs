//! Acknowledged writes survive if the process is killed or can no longer write.

use std::{
    collections::HashMap,
    env,
    hash::{BuildHasher, RandomState},
    io::{BufRead, BufReader, Write, stdout},
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use futures_executor::block_on;
use tokio::task::JoinSet;
use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind};

use crate::support::{NOW, handle, open, pragma, row, sqlite, temporary};

/// Passes the path of the file to a child process.
const FILE: &str = "TOWER_REFRESH_SQLITE_TEST_FILE";
const FIRST: &str = "TOWER_REFRESH_SQLITE_TEST_FIRST";
const ROUNDS: u64 = 20;
const TASKS: u64 = 8;

#[test]
fn every_acknowledged_write_survives_kill_9() {
    let (_folder, path) = temporary();
    let mut sessions = HashMap::new();
    for round in 0..ROUNDS {
        let random = RandomState::new().hash_one(round);
        let mut child = this_test("a_process_that_writes_until_it_is_killed")
            .env(FILE, &path)
            .env(FIRST, (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut acknowledged = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if output.read_line(&mut line).unwrap() == 0 {
                break;
            }
            // The last line may have been cut off.
            if let Some(acknowledgement) = line.strip_suffix('\n').and_then(|line| line.strip_prefix("ack "))
            {
                record(&mut sessions, acknowledgement);
                acknowledged += 1;
            }
            if acknowledged == 1 + random % 300 {
                std::thread::sleep(Duration::from_micros(random % 2_000));
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        assert!(acknowledged > 0);
        check(&path, &sessions);
    }
}

/// The acknowledged writes of a session: its highest version, and whether it ended.
#[derive(Default)]
struct Known {
    version: u64,
    ended: bool,
}

fn record(sessions: &mut HashMap<u64, Known>, acknowledgement: &str) {
    let (number, what) = acknowledgement.split_once(' ').unwrap();
    let known = sessions.entry(number.parse().unwrap()).or_default();
    match what {
        "ended" => known.ended = true,
        version => known.version = version.parse().unwrap(),
    }
}

fn check(path: &PathBuf, sessions: &HashMap<u64, Known>) {
    block_on(async {
        let store = open(path).await;
        for (&number, known) in sessions {
            let row = store.load(handle(number)).await.unwrap().expect("the session exists");
            assert!(row.version >= known.version, "session {number} has all its swaps");
            assert!(row.ended.is_some() || !known.ended, "session {number} is still ended");
        }
    });
    assert_eq!(pragma::<String>(&sqlite(path), "integrity_check"), "ok");
}

/// The child process of another test. Does nothing on its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_writes_until_it_is_killed() {
    let (Some(path), Ok(first)) = (env::var_os(FILE), env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let store = open(path).await;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for number in (first + task..).step_by(TASKS as usize) {
                let mut row = row(number);
                store.create(&row).await.unwrap();
                acknowledge(number, "0");
                while row.version < 3 {
                    assert!(store.compare_and_swap(&row, row.version + 1).await.unwrap());
                    row.version += 1;
                    acknowledge(number, &row.version.to_string());
                }
                if number % 2 == 0 {
                    assert!(store.end(row.handle, EndReason::Logout, NOW, 7).await.unwrap());
                    acknowledge(number, "ended");
                }
            }
        });
    }
    tasks.join_all().await;
}

fn acknowledge(number: u64, what: &str) {
    // In one call, so that lines of several tasks do not mix. The parent may have exited.
    let _ = stdout().lock().write_all(format!("ack {number} {what}\n").as_bytes());
}

#[test]
fn a_file_that_cannot_grow_fails_writes_and_loses_none_that_was_acknowledged() {
    let (_folder, path) = temporary();
    // The limit makes writes fail like a full disk. The signal, which would end the process, is ignored.
    let shell = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\"";
    let test = this_test("a_process_whose_file_cannot_grow");
    let limited = Command::new("sh")
        .args(["-c", shell])
        .arg(test.get_program())
        .args(test.get_args())
        .env(FILE, &path)
        .output()
        .unwrap();
    let output = String::from_utf8(limited.stdout).unwrap();
    assert!(limited.status.success(), "{output}");
    let created = output.lines().find_map(|line| line.strip_prefix("created ")).unwrap();
    let created: u64 = created.parse().unwrap();
    assert!(created > 0);
    block_on(async {
        let store = open(&path).await;
        for number in 0..created {
            assert!(store.load(handle(number)).await.unwrap().is_some());
        }
        store.create(&row(1_000_000)).await.unwrap();
    });
    assert_eq!(pragma::<String>(&sqlite(&path), "integrity_check"), "ok");
}

/// The child process of another test. Does nothing on its own.
#[test]
fn a_process_whose_file_cannot_grow() {
    let Some(path) = env::var_os(FILE) else { return };
    block_on(async {
        let store = open(path).await;
        let mut created = 0;
        let error = loop {
            let mut row = row(created);
            row.data = vec![1; 3_000];
            match store.create(&row).await {
                Ok(()) => created += 1,
                Err(error) => break error,
            }
            assert!(created < 1_000_000, "the limit is reached");
        };
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(std::error::Error::source(&error).is_some());
        assert_eq!(
            store.load(handle(created)).await.unwrap(),
            None,
            "the session whose create failed does not exist"
        );
        assert!(store.load(handle(created - 1)).await.unwrap().is_some(), "reads still work");
        println!("\ncreated {created}");
    });
}

/// This test binary, to run one of its tests.
fn this_test(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    // The names of tests in this binary begin with the module.
    command.args(["--exact", &format!("durability::{name}"), "--nocapture"]);
    command
}
