//! The rules for each crate.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Crate, Path};

const FILES_IN_A_FOLDER: usize = 12;
const LINES_OF_CODE: usize = 300;

/// The violations, one per line.
pub(super) fn violations(code: &Crate) -> Vec<String> {
    [circles(code), globs(code), hidden(code), full_folders(code), long_files(code)].concat()
}

/// The members of a folder and the imports from one to another, each with an example.
type Imports = BTreeMap<(String, String), String>;

/// Modules of one folder that import each other, directly or through others. A folder's own file may import from its
/// children, and they may import from it.
fn circles(code: &Crate) -> Vec<String> {
    let mut folders = BTreeMap::<Path, Imports>::new();
    for file in code.files.iter().filter(|file| !file.is_test && file.path != "main.rs") {
        for path in &file.paths {
            if let Some((folder, to)) = code.parting(&file.module, path) {
                let from = file.module[folder.len()].clone();
                let example = format!("{from} -> {to} ({} imports {})", file.path, path.join("::"));
                folders.entry(folder).or_default().entry((from, to)).or_insert(example);
            }
        }
    }
    let found = folders.iter().flat_map(|(folder, imports)| {
        circles_of(imports).into_iter().map(|members| {
            let among = |(from, to): &(String, String)| members.contains(from) && members.contains(to);
            let examples =
                imports.iter().filter(|(ends, _)| among(ends)).map(|(_, example)| example.as_str());
            let place = if folder.is_empty() { "the crate".to_owned() } else { folder.join("/") };
            let list = members.iter().cloned().collect::<Vec<_>>().join(", ");
            format!(
                "{} modules of {place} import each other: {list}\n    {}",
                members.len(),
                examples.collect::<Vec<_>>().join("\n    ")
            )
        })
    });
    found.collect()
}

fn circles_of(imports: &Imports) -> BTreeSet<BTreeSet<String>> {
    let members: BTreeSet<_> = imports.keys().map(|(from, _)| from.as_str()).collect();
    let reached: BTreeMap<_, _> = members.iter().map(|member| (*member, reached(imports, member))).collect();
    let circle = |member: &str| -> BTreeSet<String> {
        let back = |other: &&&str| reached.get(**other).is_some_and(|others| others.contains(member));
        reached[member].iter().filter(back).map(|other| (*other).to_owned()).collect()
    };
    members.iter().map(|member| circle(member)).filter(|circle| circle.len() > 1).collect()
}

fn reached<'a>(imports: &'a Imports, start: &str) -> BTreeSet<&'a str> {
    let (mut reached, mut left) = (BTreeSet::new(), vec![start]);
    while let Some(member) = left.pop() {
        for ((_, to), _) in imports.iter().filter(|((from, _), _)| from == member) {
            if reached.insert(to.as_str()) {
                left.push(to);
            }
        }
    }
    reached
}

fn globs(code: &Crate) -> Vec<String> {
    let files = code.files.iter().filter(|file| !file.is_test);
    let globs =
        files.flat_map(|file| file.globs.iter().map(|line| format!("{}:{line} imports a glob", file.path)));
    globs.collect()
}

fn hidden(code: &Crate) -> Vec<String> {
    let files = code.files.iter().filter(|file| !file.is_test);
    let found = files.flat_map(|file| {
        file.hidden.iter().map(|(line, what)| format!("{}:{line} hides imports with {what}", file.path))
    });
    found.collect()
}

fn full_folders(code: &Crate) -> Vec<String> {
    let mut folders = BTreeMap::<&str, usize>::new();
    for file in code.files.iter().filter(|file| !file.is_test) {
        let folder = file.path.rsplit_once('/').map_or("the top", |(folder, _)| folder);
        *folders.entry(folder).or_default() += 1;
    }
    let full = folders.iter().filter(|(_, files)| **files > FILES_IN_A_FOLDER);
    full.map(|(folder, files)| format!("{folder} has {files} files, more than {FILES_IN_A_FOLDER}")).collect()
}

fn long_files(code: &Crate) -> Vec<String> {
    let long = code.files.iter().filter(|file| file.lines_of_code > LINES_OF_CODE);
    let long = long.map(|file| {
        format!("{} has {} lines of code, more than {LINES_OF_CODE}", file.path, file.lines_of_code)
    });
    long.collect()
}
