//! The URL parser of Node.js, which follows the WHATWG URL Standard as browsers do.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use tower_refresh::safe_next;

use super::paths::{HOSTILE, OWN};

/// Prints the values that leave the site, or reach another path than they say.
const SCRIPT: &str = "
const base = new URL('https://app.example.com/login?next=x');
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const left = JSON.parse(Buffer.concat(chunks)).filter((next) => {
  try {
    const url = new URL(next, base);
    return url.origin !== base.origin || url.pathname.startsWith('//') || url.hash !== '';
  } catch {
    return true;
  }
});
console.log(JSON.stringify(left));";

/// `scripts/test-world` installs one where the system has none.
fn node() -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let installed = target.join("interop/venv/bin/node");
    if installed.exists() { Command::new(installed) } else { Command::new("node") }
}

fn leaving(values: &[&str]) -> Vec<String> {
    let mut process = node()
        .args(["--input-type=module", "--eval", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(serde_json::to_string(values).unwrap().as_bytes()).unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
#[ignore = "needs node"]
fn no_accepted_value_leaves_the_site_in_node() {
    let all = OWN.iter().chain(HOSTILE).map(|(next, _)| *next);
    let accepted: Vec<_> = all.clone().filter(|next| safe_next(next).is_some()).collect();
    assert_eq!(accepted.len(), OWN.len());
    assert_eq!(leaving(&accepted), Vec::<String>::new());
    assert!(leaving(&all.collect::<Vec<_>>()).len() > 30, "the parser sees through the hostile ones");
}
