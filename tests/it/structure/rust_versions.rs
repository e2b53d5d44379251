//! The minimum Rust versions: true for the dependencies, tried by the workflow, and the ones that each README names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

type Version = Vec<u64>;

/// A package of the workspace.
struct Member {
    name: String,
    rust_version: String,
    is_published: bool,
    readme: Option<String>,
    /// What its users compile: dependencies and build dependencies with all features, with the versions of the lock file. `None`
    /// where a dependency states no version.
    dependencies: Vec<(String, Option<String>)>,
}

#[test]
fn no_dependency_needs_a_newer_compiler_than_its_dependent_states() {
    let members = members();
    let names: Vec<&str> = published(&members).map(|member| member.name.as_str()).collect();
    assert!(names.contains(&"tower-refresh") && names.len() >= 5, "the published packages: {names:?}");
    // Features of the examples may need more than the examples themselves.
    let newer: Vec<String> = published(&members).flat_map(newer_dependencies).collect();
    assert!(newer.is_empty(), "{}", newer.join("\n"));
}

#[test]
fn the_workflow_checks_each_published_package_with_the_version_that_it_states() {
    let workflow = fs::read_to_string(root().join(".github/workflows/ci.yml")).unwrap();
    let rows = workflow.lines().filter_map(|line| line.trim().strip_prefix("- { rust: \""));
    let checked: BTreeSet<(String, String)> = rows
        .flat_map(|row| {
            let (version, packages) = row.split_once('"').unwrap();
            let packages = packages.split("-p ").skip(1);
            packages.map(|package| (package.trim_end_matches([' ', '"', '}']).to_owned(), version.to_owned()))
        })
        .collect();
    let members = members();
    let stated =
        published(&members).map(|member| (member.name.clone(), member.rust_version.clone())).collect();
    assert_eq!(checked, stated);
}

#[test]
fn each_readme_names_the_minimum_version() {
    let members = members();
    let default = &published(&members).find(|member| member.name == "tower-refresh").unwrap().rust_version;
    for member in published(&members) {
        let readme = words(member.readme.as_deref().unwrap_or_default());
        let sentence = format!("The minimum Rust version is {}", member.rust_version);
        assert!(readme.contains(&sentence), "the README of {} lacks: {sentence}", member.name);
        let exception = format!("{} for `{}`", member.rust_version, member.name);
        assert!(
            member.rust_version == *default
                || words(&fs::read_to_string(root().join("README.md")).unwrap()).contains(&exception),
            "the README of the workspace lacks: {exception}"
        );
    }
}

fn newer_dependencies(member: &Member) -> Vec<String> {
    let newer = member.dependencies.iter().filter_map(|(name, theirs)| {
        let theirs = theirs.as_deref()?;
        (version(theirs) > version(&member.rust_version)).then(|| {
            format!(
                "{} states Rust {}, but its dependency {name} needs {theirs}",
                member.name, member.rust_version
            )
        })
    });
    newer.collect()
}

fn published(members: &[Member]) -> impl Iterator<Item = &Member> {
    members.iter().filter(|member| member.is_published)
}

/// What cargo resolves for this machine: dependencies of other platforms may not have been downloaded.
fn members() -> Vec<Member> {
    let host = Command::new(env!("CARGO")).args(["-vV"]).output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform", host])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();

    let packages = by_id(&metadata["packages"]);
    let nodes = by_id(&metadata["resolve"]["nodes"]);
    let ids = metadata["workspace_members"].as_array().unwrap().iter().map(|id| id.as_str().unwrap());
    ids.map(|id| member(id, &packages, &nodes)).collect()
}

fn member(id: &str, packages: &BTreeMap<&str, &Value>, nodes: &BTreeMap<&str, &Value>) -> Member {
    let package = packages[id];
    let (mut seen, mut queue) = (BTreeSet::new(), vec![id]);
    while let Some(id) = queue.pop() {
        if seen.insert(id) {
            let dependencies = nodes[id]["deps"].as_array().unwrap();
            let compiled = |dependency: &&Value| {
                dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"] != "dev")
            };
            queue.extend(dependencies.iter().filter(compiled).map(|one| one["pkg"].as_str().unwrap()));
        }
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
    let name = text(&package["name"]).unwrap();
    Member {
        rust_version: text(&package["rust_version"])
            .unwrap_or_else(|| panic!("{name} states no minimum Rust version")),
        name,
        is_published: package["publish"].is_null(),
        readme: package["readme"].as_str().map(|path| fs::read_to_string(folder.join(path)).unwrap()),
        dependencies: seen
            .into_iter()
            .map(|id| (text(&packages[id]["name"]).unwrap(), text(&packages[id]["rust_version"])))
            .collect(),
    }
}

fn by_id(list: &Value) -> BTreeMap<&str, &Value> {
    list.as_array().unwrap().iter().map(|one| (one["id"].as_str().unwrap(), one)).collect()
}

/// As numbers, with three parts: `1.88` is `1.88.0`.
fn version(text: &str) -> Version {
    let mut parts: Version = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}

/// The text with one space between words, as lines break anywhere.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
