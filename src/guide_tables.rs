//! The tables of defaults in the guide, for the tests that compare them with the code.

use std::{collections::BTreeMap, time::Duration};

const GUIDE: &str = include_str!("guide/defaults.md");
pub(crate) const REQUIRED: &str = "must be given";

/// The first two cells of each row of the table under a heading: a name in backticks, and its default.
pub(crate) fn table(heading: &str) -> BTreeMap<&'static str, String> {
    let section = GUIDE.split("\n# ").find_map(|section| section.strip_prefix(heading)).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let (name, rest) = row.split_once('`').unwrap();
        (name, rest.split('|').nth(1).unwrap().trim().replace('`', ""))
    })
    .collect()
}

pub(crate) fn on(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}

pub(crate) fn optional<T>(value: Option<T>) -> String {
    value.map_or("none", |_| "some").to_owned()
}

/// In the largest unit that leaves no rest.
pub(crate) fn time(duration: Duration) -> String {
    let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let (name, size) = units.into_iter().find(|(_, size)| duration.as_secs().is_multiple_of(*size)).unwrap();
    // A day is shown in hours.
    match duration.as_secs() / size {
        1 if name == "d" => "24 h".to_owned(),
        1 if name == "min" => "60 s".to_owned(),
        number => format!("{number} {name}"),
    }
}
