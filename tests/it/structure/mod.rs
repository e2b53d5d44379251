//! The layout of `src/`, here and in each crate: imports go one way, and files and folders stay small. The minimum Rust versions and
//! the workflows are checked here too, and the tests that documents name.

mod documents;
mod lexer;
mod modules;
mod rules;
mod rust_versions;
mod samples;
mod workflows;

use std::{
    fs,
    path::{Path, PathBuf},
};

use modules::Crate;

#[test]
fn imports_go_one_way_and_files_and_folders_stay_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = crates.map(|folder| folder.join("src")).collect();
    folders.sort();
    folders.insert(0, root.join("src"));

    let mut violations = Vec::new();
    for folder in folders {
        let mut files = Vec::new();
        read(&folder, &folder, &mut files);
        assert!(files.iter().any(|(path, _)| path == "lib.rs"), "no crate in {}", folder.display());
        let name = folder.strip_prefix(root).unwrap().display().to_string();
        violations
            .extend(rules::violations(&Crate::new(&files)).iter().map(|what| format!("{name}: {what}")));
    }
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

/// The path below `src`, with slashes, and the text of each file.
fn read(src: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(src, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let parts = path.strip_prefix(src).unwrap().iter().map(|part| part.to_str().unwrap());
            files.push((parts.collect::<Vec<_>>().join("/"), fs::read_to_string(&path).unwrap()));
        }
    }
}
