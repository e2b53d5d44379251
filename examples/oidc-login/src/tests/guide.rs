//! The guide shows what runs here.

use std::{fs, path::Path};

const SIGNING_IN: &str = include_str!("../../../../src/guide/signing_in.md");
const PROVIDER_API: &str = include_str!("../../../../src/guide/provider_api.md");

/// The lines of a text without their indentation, and without the marks of a comment.
fn lines(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("//!").trim());
    lines.filter(|line| !line.is_empty()).collect()
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn the_code_that_the_guide_does_not_compile_and_its_tables_are_those_of_this_package() {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    }
    let files: Vec<_> = files.iter().map(|file| lines(file)).collect();
    let mut count = 0;
    for (chapter, language) in [(SIGNING_IN, "ignore"), (SIGNING_IN, "sql"), (PROVIDER_API, "ignore")] {
        for block in chapter.split(&format!("```{language}\n")).skip(1) {
            let block = lines(block.split("```").next().unwrap());
            let is_there = files.iter().any(|file| file.windows(block.len()).any(|window| window == block));
            assert!(is_there, "no file contains {block:#?}");
            count += 1;
        }
    }
    assert_eq!(count, 5);
}
