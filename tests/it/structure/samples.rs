//! The rules, tested with small crates that follow or break them.

use super::{modules::Crate, rules::violations};

fn check(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    violations(&Crate::new(&files))
}

#[track_caller]
fn assert_accepted(files: &[(&str, &str)]) {
    assert_eq!(check(files), Vec::<String>::new());
}

/// Asserts that exactly this rule is broken.
#[track_caller]
fn assert_rejected(files: &[(&str, &str)], expected: &str) {
    let found = check(files);
    assert!(matches!(&found[..], [one] if one.starts_with(expected)), "{found:?}");
}

const AB: &str = "2 modules of the crate import each other: a, b\n";

#[test]
fn imports_between_the_modules_of_a_crate_go_one_way() {
    assert_accepted(&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::X;"), ("b.rs", "use std::fmt;")]);
    assert_rejected(
        &[("lib.rs", ""), ("a.rs", "use crate::b::X;"), ("b.rs", "use crate::{c, a::Y};"), ("c.rs", "")],
        AB,
    );
}

#[test]
fn longer_circles_are_found_too() {
    let files = [
        ("lib.rs", ""),
        ("a.rs", "use crate::b;"),
        ("b/mod.rs", "mod inner;"),
        ("b/inner.rs", "use super::super::c::{d::{self, E}, F as G};"),
        ("c.rs", "fn c() { crate::a::run(); }"),
    ];
    assert_rejected(&files, "3 modules of the crate import each other: a, b, c\n");
}

#[test]
fn a_name_in_the_root_belongs_to_the_module_that_defines_it() {
    let lib = ("lib.rs", "pub use self::b::{X as Renamed}; pub use a::Y; pub use other::Z;");
    assert_accepted(&[lib, ("a.rs", "use crate::Renamed;"), ("b.rs", "use crate::Z;")]);
    assert_rejected(&[lib, ("a.rs", "use crate::Renamed;"), ("b.rs", "fn b(_: crate::Y) {}")], AB);
}

#[test]
fn imports_in_a_folder_go_one_way_and_its_own_file_does_not_count() {
    let lib = ("lib.rs", "");
    let folder = ("f/mod.rs", "mod a; mod b; pub(crate) use b::X; use self::a::Y; struct Own;");
    let files = [lib, folder, ("f/a.rs", "use super::{Own, X};"), ("f/b.rs", "use crate::f::Own;")];
    assert_accepted(&files);
    let expected = "2 modules of f import each other: a, b\n";
    assert_rejected(&[lib, folder, ("f/a.rs", "use super::X;"), ("f/b.rs", "use super::a::Z;")], expected);
    assert_rejected(
        &[lib, folder, ("f/a.rs", "use crate::f::b::Z;"), ("f/b.rs", "fn b() { super::Y }")],
        expected,
    );
}

#[test]
fn imports_in_a_folder_of_a_folder_go_one_way() {
    let folders = [("lib.rs", ""), ("f/mod.rs", "pub use g::a::X;"), ("f/g/mod.rs", "")];
    let files = [("f/g/a.rs", ""), ("f/g/b.rs", "use crate::f::X;")];
    assert_accepted(&[folders.as_slice(), &files].concat());
    let bad = [("f/g/a.rs", "use super::b::Y;"), ("f/g/b.rs", "use crate::f::X;")];
    assert_rejected(&[folders.as_slice(), &bad].concat(), "2 modules of f/g import each other: a, b\n");
}

#[test]
fn a_reexport_from_elsewhere_hides_no_circle() {
    let lib = ("lib.rs", "");
    let folder = ("f/mod.rs", "mod a; use crate::g::X;");
    assert_accepted(&[lib, folder, ("f/a.rs", "use super::X;"), ("g.rs", "")]);
    let expected = "2 modules of the crate import each other: f, g\n";
    assert_rejected(&[lib, folder, ("f/a.rs", "use super::X;"), ("g.rs", "use crate::f::a;")], expected);
}

#[test]
fn paths_in_inline_modules_are_resolved_from_their_place() {
    let lib = ("lib.rs", "");
    assert_accepted(&[
        lib,
        ("a.rs", "mod inner { use super::b::X; mod deep { use super::super::b; } } use self::c;"),
        ("b.rs", "use crate::a;"),
    ]);
    assert_rejected(&[lib, ("a.rs", "mod inner { use super::super::b::X; }"), ("b.rs", "use crate::a;")], AB);
}

#[test]
fn comments_literals_and_tests_import_nothing() {
    let other = r##"
        // use crate::b;
        /* use crate::b; /* crate::b */ crate::b */
        /// [`crate::b`]
        fn a<'b>(x: &'b str) -> impl Sized + use<'b> {
            let quote = ('"', b'\'', '\u{1F600}', "\" crate::b", r#"" crate::b "#, b"crate::b");
        }
        #[cfg(test)]
        #[path = "other.rs"]
        mod elsewhere;
        fn between() {}
        #[cfg(all(test, feature = "x"))]
        pub(crate) mod tests {
            use super::*;
            use crate::b::*;
        }
    "##;
    let tests = "use crate::b::*; use super::super::b;";
    assert_accepted(&[
        ("lib.rs", ""),
        ("a/mod.rs", other),
        ("a/tests.rs", tests),
        ("a/tests/x.rs", tests),
        ("b.rs", "use crate::a;"),
    ]);
    // A module that is declared as a test is a test, whatever its name.
    let folder = ("a/mod.rs", "#[cfg(test)]\n#[cfg(unix)]\nmod cases;");
    assert_accepted(&[("lib.rs", ""), folder, ("a/cases/x.rs", tests), ("b.rs", "use crate::a;")]);
    let after = "#[cfg(test)] mod tests; use crate::b; const QUOTE: char = '\"'; ";
    assert_rejected(&[("lib.rs", ""), ("a.rs", after), ("b.rs", "use crate::a;")], AB);
}

#[test]
fn nothing_is_imported_by_globs() {
    let of_macro = "macro_rules! m { ($($a:ident)*) => { $(pub use self::$a::{$($a),*};)* } }";
    assert_accepted(&[("lib.rs", "use a::b; const C: u8 = 2 * 3;"), ("a.rs", of_macro)]);
    assert_rejected(&[("lib.rs", "\nmod a; pub use a::{b, c::*};"), ("a.rs", "")], "lib.rs:2 imports a glob");
    assert_rejected(&[("lib.rs", "fn f() { use std::io::prelude::*; }")], "lib.rs:1 imports a glob");
}

#[test]
fn no_code_comes_from_where_the_rules_do_not_look() {
    let texts = r#"
        const KEY: &str = include_str!("key.pem");
        fn include(path: &str) { let path = "a"; include(path); }
        extern crate alloc;
        #[cfg(test)]
        #[path = "other.rs"]
        mod elsewhere;
    "#;
    assert_accepted(&[("lib.rs", texts)]);
    let cases = [
        ("\ninclude!(\"b.rs\");", "lib.rs:2 hides imports with include!"),
        ("fn f() { std::include!(\"b.rs\") }", "lib.rs:1 hides imports with include!"),
        ("#[path = \"b.rs\"]\nmod a;", "lib.rs:1 hides imports with #[path]"),
        ("#[cfg_attr(unix, path = r#\"b.rs\"#)] mod a;", "lib.rs:1 hides imports with #[path]"),
        ("extern crate self as other;", "lib.rs:1 hides imports with extern crate self"),
    ];
    for (text, expected) in cases {
        assert_rejected(&[("lib.rs", text)], expected);
    }
}

#[test]
fn a_folder_has_twelve_files_at_most() {
    let twelve = "abcdefghijk".chars().map(|name| format!("f/{name}.rs")).chain(["f/mod.rs".to_owned()]);
    let twelve: Vec<_> = twelve.collect();
    let mut files: Vec<_> = twelve.iter().map(|path| (path.as_str(), "")).collect();
    files.extend([("lib.rs", ""), ("f/mod.rs", "#[cfg(test)] mod tests;"), ("f/tests.rs", "")]);
    files.extend([("f/tests/a.rs", ""), ("f/g/mod.rs", "")]);
    files.retain(|file| *file != ("f/mod.rs", ""));
    assert_accepted(&files);
    files.push(("f/l.rs", ""));
    assert_rejected(&files, "f has 13 files, more than 12");
}

#[test]
fn a_file_has_three_hundred_lines_of_code_at_most() {
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn t() {}\n".repeat(10));
    let lines =
        |count| format!("//! What it is for.\n\n/* And\nmore. */\n{}{tests}", "fn f() {}\n".repeat(count));
    assert_accepted(&[("lib.rs", &lines(300))]);
    assert_rejected(&[("lib.rs", &lines(301))], "lib.rs has 301 lines of code, more than 300");
    let text = format!("const TEXT: &str = \"{}\";", "\n".repeat(300));
    assert_rejected(&[("lib.rs", &text)], "lib.rs has 301 lines of code, more than 300");
}
