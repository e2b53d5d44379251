//! Handles as text.

use tower_refresh_core::{ParseSessionHandleError, SessionHandle};

const HANDLE: SessionHandle = SessionHandle::from_bytes([7; 16]);
const TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBw";

#[test]
fn a_handle_is_22_characters_of_base64url_and_comes_back_from_them() {
    assert_eq!(HANDLE.to_string(), TEXT);
    assert_eq!(TEXT.parse(), Ok(HANDLE));
    assert_eq!(format!("{HANDLE:?}"), format!("SessionHandle({TEXT})"));
    assert_eq!(format!("{HANDLE:>24}"), format!("  {TEXT}"), "lists can align it");
}

#[test]
fn what_is_no_handle_is_refused_and_the_error_says_what_one_is() {
    for (text, reason) in [
        ("", "nothing"),
        ("BwcHBwcHBwcHBwcHBwcHB", "a character too few"),
        ("BwcHBwcHBwcHBwcHBwcHBwc", "one too many"),
        ("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc", "32 bytes"),
        ("BwcHBwcHBwcHBwcHBwcHBw==", "padded"),
        ("BwcHBwcHBwcHBwcHBwcHBx", "bits that mean nothing"),
        ("BwcHBwcHBwcHBwcHBwc+Bw", "of the other alphabet"),
        (" BwcHBwcHBwcHBwcHBwcHBw", "a space before it"),
    ] {
        let error: ParseSessionHandleError = text.parse::<SessionHandle>().expect_err(reason);
        assert_eq!(error.to_string(), "a session handle is 22 characters of unpadded base64url", "{reason}");
    }
}
