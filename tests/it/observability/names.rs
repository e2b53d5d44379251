//! The names of events in docs/observability.md.

use std::collections::BTreeSet;

const DOCUMENTATION: &str = include_str!("../../../docs/observability.md");
const KINDS: &str = include_str!("../../../src/event/mod.rs");
const REASONS: [&str; 3] = [
    include_str!("../../../src/event/device.rs"),
    include_str!("../../../src/event/reason.rs"),
    include_str!("../../../src/access_token/invalid_claims.rs"),
];

/// The texts that the arms of `as_str` return in a source file.
fn names(source: &str) -> BTreeSet<&str> {
    let functions =
        source.split("fn as_str(self)").skip(1).map(|rest| rest.split("\n    }\n").next().unwrap());
    functions.flat_map(str::lines).filter_map(|arm| arm.split_once("=> \"")?.1.split('"').next()).collect()
}

#[test]
fn the_table_of_events_has_every_kind_and_no_other() {
    let (_, table) = DOCUMENTATION.split_once("## Events").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let (_, table) = table.split_once("|---|").unwrap();
    let first_cells = table.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let documented: BTreeSet<_> =
        first_cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`')).collect();
    let kinds = names(KINDS);
    assert!(kinds.len() >= 20, "{kinds:?}");
    assert_eq!(kinds, documented);
}

#[test]
fn every_detail_of_an_event_is_documented() {
    let reasons: BTreeSet<_> = REASONS.into_iter().flat_map(names).collect();
    assert!(reasons.len() >= 31, "{reasons:?}");
    let missing: Vec<_> =
        reasons.iter().filter(|name| !DOCUMENTATION.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
