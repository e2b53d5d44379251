//! The tests that SECURITY.md and the documents by requirement name.

use std::{
    fs,
    path::{Path, PathBuf},
};

const DOCUMENTS: [&str; 3] = ["SECURITY.md", "docs/asvs.md", "docs/rfc.md"];
const FOLDERS: [&str; 4] = ["crates", "examples", "src", "tests"];

/// Names of tests are sentences.
fn is_test(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(is_plain) && name.split('_').count() >= 5
}

fn add_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_tests_that_documents_name_are_in_the_files_that_they_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in FOLDERS {
        add_sources(&root.join(folder), &mut files);
    }
    let sources_of = |name: &str| -> Vec<String> {
        let found = files.iter().filter(|path| path.ends_with(name));
        found.map(|path| fs::read_to_string(path).unwrap()).collect()
    };
    let (mut checked, mut wrong) = (0, Vec::new());
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).unwrap();
        for (number, line) in text.lines().enumerate() {
            // Those of the last file that the line names, where several have that name.
            let mut sources = None;
            for name in line.split('`').skip(1).step_by(2) {
                let is_right = if name.ends_with(".rs") {
                    !sources.insert(sources_of(name)).is_empty()
                } else if let Some(sources) = sources.as_ref().filter(|_| is_test(name)) {
                    checked += 1;
                    sources.iter().any(|source| source.contains(name))
                } else {
                    true
                };
                if !is_right {
                    wrong.push(format!("{document}:{}: {name}", number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} names are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked >= 300, "{checked}");
}
