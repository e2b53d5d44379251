//! The modules of a crate, and what each file imports.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::{LITERAL, Token, tokens};

/// The names from the root of the crate: `["refresh", "load"]`.
pub(super) type Path = Vec<String>;

pub(super) struct Crate {
    pub(super) files: Vec<File>,
    modules: BTreeSet<Path>,
    /// The targets of the names that a `lib.rs` or `mod.rs` imports.
    names: BTreeMap<Path, BTreeMap<String, Path>>,
}

pub(super) struct File {
    /// Below `src`, with slashes.
    pub(super) path: String,
    pub(super) module: Path,
    pub(super) is_test: bool,
    pub(super) lines_of_code: usize,
    /// The paths of this crate that are written out or imported.
    pub(super) paths: Vec<Path>,
    /// The lines with a glob import.
    pub(super) globs: Vec<usize>,
    /// The lines that bring in code where the other rules do not look for it, and how.
    pub(super) hidden: Vec<(usize, &'static str)>,
}

/// One name of a `use`.
#[derive(Clone)]
struct Import {
    path: Path,
    /// The name it is imported as; `*` for all.
    name: String,
    line: usize,
}

impl Crate {
    /// Takes the paths and texts of the files in `src`.
    pub(super) fn new(files: &[(String, String)]) -> Self {
        let mut sorted = files.to_vec();
        sorted.sort();
        let modules: BTreeSet<_> = sorted.iter().map(|(path, _)| module(path)).collect();
        let mut names = BTreeMap::<_, BTreeMap<_, _>>::new();
        let mut tests = BTreeSet::new();
        let files = sorted.iter().map(|(path, text)| {
            let (tokens, test_modules) = tokens(text);
            let module = module(path);
            tests.extend(test_modules.into_iter().map(|name| [module.as_slice(), &[name]].concat()));
            let (imports, written) = imports(&tokens, &module);
            let absolute = |path: &Path, within: &Path| absolute(path, within, &modules);
            let mut paths = Vec::new();
            for (import, within) in &imports {
                let Some(target) = absolute(&import.path, within) else { continue };
                names.entry(within.clone()).or_default().insert(import.name.clone(), target.clone());
                paths.push(target);
            }
            paths.extend(written.iter().filter_map(|(path, within)| absolute(path, within)));
            let lines: BTreeSet<_> =
                tokens.iter().flat_map(|token| token.first_line..=token.last_line).collect();
            let globs = imports.iter().filter(|(import, _)| import.name == "*");
            File {
                path: path.clone(),
                is_test: false,
                lines_of_code: lines.len(),
                paths,
                globs: globs.map(|(import, _)| import.line).collect(),
                hidden: hidden(&tokens),
                module,
            }
        });
        let mut files: Vec<_> = files.collect();
        for file in &mut files {
            file.is_test |= (1..=file.module.len()).any(|length| tests.contains(&file.module[..length]));
        }
        Self { files, modules, names }
    }

    /// The folder where the paths of `module` and of the target diverge, and the child of it that the path leads to.
    ///
    /// A name that the folder imports stands for the imported item. An item of the folder itself belongs to no child.
    pub(super) fn parting(&self, module: &Path, target: &Path) -> Option<(Path, String)> {
        let mut target = target.clone();
        // A circle of re-exports is a mistake that the compiler finds.
        for _ in 0..16 {
            let mut depth = 0;
            loop {
                let (own, next) = (module.get(depth)?, target.get(depth)?);
                let folder = &target[..depth];
                if self.modules.contains(&target[..=depth]) {
                    if own != next {
                        return Some((folder.to_vec(), next.clone()));
                    }
                    depth += 1;
                } else if let Some(named) = self.names.get(folder).and_then(|names| names.get(next)) {
                    target = named.iter().chain(&target[depth + 1..]).cloned().collect();
                    break;
                } else {
                    return None;
                }
            }
        }
        None
    }
}

/// Code from a file or under a name that the paths of the crate do not show.
fn hidden(tokens: &[Token]) -> Vec<(usize, &'static str)> {
    let texts: Vec<_> = tokens.iter().map(|token| token.text.as_str()).collect();
    let found = tokens.iter().enumerate().filter_map(|(at, token)| {
        let what = match &texts[at..] {
            ["include", "!", ..] => "include!",
            // Also within `cfg_attr`.
            ["[" | "(" | ",", "path", "=", LITERAL, ..] => "#[path]",
            ["extern", "crate", "self", ..] => "extern crate self",
            _ => return None,
        };
        Some((token.first_line, what))
    });
    found.collect()
}

fn module(path: &str) -> Path {
    let mut names: Path = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if path == "lib.rs" || names.last().is_some_and(|name| name == "mod") {
        names.pop();
    }
    names
}

/// The path from the root of the crate; `None` for a path of another crate.
fn absolute(path: &Path, within: &Path, modules: &BTreeSet<Path>) -> Option<Path> {
    let (mut from, mut rest) = match path.first()?.as_str() {
        "crate" => (Path::new(), &path[1..]),
        "self" => (within.clone(), &path[1..]),
        "super" => (within.clone(), path.as_slice()),
        first => {
            let child = [within.as_slice(), &[first.to_owned()]].concat();
            return modules.contains(&child).then(|| [within.as_slice(), path].concat());
        }
    };
    while rest.first().is_some_and(|name| name == "super") {
        from.pop()?;
        rest = &rest[1..];
    }
    from.extend_from_slice(rest);
    Some(from)
}

type Within<T> = Vec<(T, Path)>;

/// The imports and the written-out paths, each with its module.
fn imports(tokens: &[Token], module: &Path) -> (Within<Import>, Within<Path>) {
    let (mut imports, mut written) = (Vec::new(), Vec::new());
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    // The modules in this file that are open, with the depth of their braces.
    let (mut within, mut open, mut depth) = (module.clone(), Vec::new(), 0);
    let mut at = 0;
    while at < tokens.len() {
        match text(at) {
            "mod" if text(at + 2) == "{" => {
                within.push(text(at + 1).to_owned());
                open.push(depth);
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if open.last() == Some(&depth) {
                    open.pop();
                    within.pop();
                }
            }
            // `use<'a>` is a bound, and the imports of a macro are known only where it is called.
            "use" if text(at + 1) == "<" || is_of_macro(&tokens[at..]) => {}
            "use" => {
                let mut tree = Vec::new();
                at = use_tree(tokens, at + 1, &Path::new(), &mut tree);
                imports.extend(tree.into_iter().map(|import| (import, within.clone())));
            }
            "crate" | "self" | "super" if text(at + 1) == "::" => {
                let mut path = vec![text(at).to_owned()];
                while text(at + 1) == "::" && is_name(text(at + 2)) {
                    path.push(text(at + 2).to_owned());
                    at += 2;
                }
                written.push((path, within.clone()));
            }
            _ => {}
        }
        at += 1;
    }
    (imports, written)
}

fn is_of_macro(import: &[Token]) -> bool {
    import.iter().take_while(|token| token.text != ";").any(|token| token.text == "$")
}

fn is_name(text: &str) -> bool {
    text.starts_with(|char: char| char.is_alphabetic() || char == '_')
}

/// Reads one branch of a `use` from `at` on. Returns the position of its last token, or of the one after it.
fn use_tree(tokens: &[Token], mut at: usize, prefix: &Path, imports: &mut Vec<Import>) -> usize {
    let text = |at: usize| tokens.get(at).map_or(";", |token| token.text.as_str());
    let mut path = prefix.clone();
    if text(at) == "::" {
        // An item of another crate, whatever its name.
        path.push(String::new());
        at += 1;
    }
    loop {
        match text(at) {
            "{" => {
                at += 1;
                while text(at) != "}" && text(at) != ";" {
                    at = use_tree(tokens, at, &path, imports);
                    at += usize::from(text(at) == ",");
                }
                return at + 1;
            }
            "::" => at += 1,
            "as" | "," | "}" | ";" => break,
            name => {
                path.push(name.to_owned());
                at += 1;
            }
        }
    }
    if path.len() > 1 {
        path.pop_if(|last| last == "self");
    }
    let mut name = path.last().cloned().unwrap_or_default();
    path.pop_if(|last| last == "*");
    let line = tokens.get(at).map_or(0, |token| token.first_line);
    if text(at) == "as" {
        text(at + 1).clone_into(&mut name);
        at += 2;
    }
    imports.push(Import { path, name, line });
    at
}
