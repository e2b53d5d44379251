//! The names of reasons, which are stored and logged and therefore never change.

use tower_refresh_core::EndReason;

const NAMES: [(EndReason, &str); 7] = [
    (EndReason::Logout, "logout"),
    (EndReason::Reuse, "reuse"),
    (EndReason::Disabled, "disabled"),
    (EndReason::Superseded, "superseded"),
    (EndReason::Revoked, "revoked"),
    (EndReason::Displaced, "displaced"),
    (EndReason::Suspicious, "suspicious"),
];

#[test]
fn every_reason_has_a_name_and_is_parsed_from_it() {
    assert_eq!(EndReason::ALL, NAMES.map(|(reason, _)| reason));
    for (reason, name) in NAMES {
        assert_eq!(reason.as_str(), name);
        assert_eq!(format!("{reason:>10}"), format!("{name:>10}"));
        assert_eq!(name.parse(), Ok(reason));
    }
}

#[test]
fn another_word_is_an_error() {
    for text in ["", "Logout", "logout ", "expired"] {
        let error = text.parse::<EndReason>().expect_err(text);
        assert!(!error.to_string().is_empty(), "{text:?}");
    }
}
