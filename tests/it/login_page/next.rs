//! Whether `safe_next` accepts only paths of our own, also as browsers read them.

use proptest::prelude::*;
use tower_refresh::safe_next;
use url::Url;

use super::paths::{HOSTILE, OWN};

const ORIGIN: &str = "https://app.example.com";

/// Whether a redirect from the login page to `next` arrives at exactly this path and query.
fn arrives(next: &str) -> bool {
    let login = Url::parse(ORIGIN).unwrap().join("/login?next=x").unwrap();
    login.join(next).is_ok_and(|url| {
        url.origin() == login.origin() && url.fragment().is_none() && !url.path().starts_with("//")
    })
}

#[test]
fn a_path_of_our_own_is_accepted_unchanged() {
    for (next, reason) in OWN {
        assert_eq!(safe_next(next), Some(*next), "{reason}");
        assert!(arrives(next), "{reason}");
    }
    let longest = format!("/{}", "a".repeat(2047));
    assert_eq!(safe_next(&longest), Some(&*longest));
}

#[test]
fn everything_else_is_refused() {
    for (next, reason) in HOSTILE {
        assert_eq!(safe_next(next), None, "{reason}: {next:?}");
    }
    assert_eq!(safe_next(&format!("/{}", "a".repeat(2048))), None, "too long");
    assert_eq!(safe_next(&"%25".repeat(100_000)), None, "too long to be decoded");
}

/// Pieces that random text would hardly ever contain.
const PIECES: [&str; 24] = [
    "/",
    "/",
    "//",
    "\\",
    ".",
    "..",
    "%2e",
    "%2f",
    "%5c",
    "%25",
    "%09",
    "%0a",
    "%",
    "2f",
    "?",
    "#",
    "@",
    ":",
    ";",
    "\t",
    "evil.example",
    "javascript:",
    "é",
    " ",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_arrives_at_our_own_site(
        pieces in prop::collection::vec(prop::sample::select(PIECES.as_slice()), 0..6),
    ) {
        let next = format!("/{}", pieces.concat());
        if safe_next(&next).is_some() {
            prop_assert!(arrives(&next), "{next}");
        }
    }
}
