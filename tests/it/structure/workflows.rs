//! The repository's workflows run only code that they name by hash, without write access.

use std::{fs, path::Path};

/// What is wrong with a workflow, one per line.
fn violations(workflow: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if !workflow.contains("\npermissions:\n  contents: read\n") {
        violations.push("the workflow's token has more permissions than reading the repository".to_owned());
    }
    let mut lines = workflow.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.ends_with(": write") || line.contains("write-all") {
            violations.push(format!("a job may write: {line}"));
        }
        let Some(action) = line.trim_start_matches("- ").strip_prefix("uses:") else { continue };
        if !is_pinned(action.trim()) {
            violations.push(format!("not `OWNER/NAME@HASH # vVERSION`, with a full hash: {line}"));
        }
        let keeps_token = action.contains("actions/checkout")
            && !lines.peek().is_some_and(|next| next.contains("persist-credentials: false"));
        if keeps_token {
            violations.push(format!("the next line is not `with: {{ persist-credentials: false }}`: {line}"));
        }
    }
    violations
}

/// A tag can be moved to other code, a hash cannot. The comment is what a person and Dependabot read.
fn is_pinned(action: &str) -> bool {
    let Some((name, rest)) = action.split_once('@') else { return action.starts_with("./") };
    let Some((hash, version)) = rest.split_once(" # v") else { return false };
    name.contains('/')
        && hash.len() == 40
        && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && version.split('.').count() == 3
        && version.split('.').all(|part| part.parse::<u32>().is_ok())
}

#[test]
fn workflows_pin_their_actions_and_cannot_write() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let workflows: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!workflows.is_empty());
    for path in workflows {
        let workflow = fs::read_to_string(&path).unwrap();
        assert!(workflow.contains("uses:"), "{} uses no action", path.display());
        let violations = violations(&workflow);
        assert!(violations.is_empty(), "{}:\n{}", path.display(), violations.join("\n"));
    }
}

#[test]
fn the_rules_for_workflows_find_each_violation() {
    const RIGHT: &str = "on: push\npermissions:\n  contents: read\njobs:\n  a:\n    steps:\n\
        \x20     - uses: actions/checkout@0123456789012345678901234567890123456789 # v7.0.1\n\
        \x20       with: { persist-credentials: false }\n";
    assert_eq!(violations(RIGHT), [] as [String; 0]);
    for (from, to, reason) in [
        ("0123456789012345678901234567890123456789", "v7", "a tag"),
        ("0123456789012345678901234567890123456789", "0123456", "a short hash"),
        ("@0123456789012345678901234567890123456789", "", "the default branch"),
        (" # v7.0.1", "", "no version for the reader"),
        (" # v7.0.1", " # v7", "a version that moves"),
        ("persist-credentials: false", "fetch-depth: 0", "the token stays in the checkout"),
        ("contents: read", "contents: write", "write access for all jobs"),
        ("permissions:\n  contents: read\n", "", "the repository's default permissions"),
        ("    steps:", "    permissions:\n      id-token: write\n    steps:", "write access for one job"),
    ] {
        assert_ne!(violations(&RIGHT.replace(from, to)), [] as [String; 0], "{reason}");
    }
}
