//! The text form of handles.

use tower_refresh_core::{ParseSessionHandleError, SessionHandle};

const HANDLE: SessionHandle = SessionHandle::from_bytes([7; 16]);
const TEXT: &str = "BwcHBwcHBwcHBwcHBwcHBw";

#[test]
fn a_handle_is_22_characters_of_base64url_and_is_parsed_from_them() {
    assert_eq!(HANDLE.to_string(), TEXT);
    assert_eq!(TEXT.parse(), Ok(HANDLE));
    assert_eq!(format!("{HANDLE:?}"), format!("SessionHandle({TEXT})"));
    assert_eq!(format!("{HANDLE:>24}"), format!("  {TEXT}"), "it can be aligned in a list");
}

#[test]
fn invalid_text_is_an_error_that_describes_a_handle() {
    for (text, reason) in [
        ("", "empty"),
        ("BwcHBwcHBwcHBwcHBwcHB", "one character too short"),
        ("BwcHBwcHBwcHBwcHBwcHBwc", "one too long"),
        ("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc", "32 bytes"),
        ("BwcHBwcHBwcHBwcHBwcHBw==", "padded"),
        ("BwcHBwcHBwcHBwcHBwcHBx", "unused bits are set"),
        ("BwcHBwcHBwcHBwcHBwc+Bw", "the standard alphabet"),
        (" BwcHBwcHBwcHBwcHBwcHBw", "a space before it"),
    ] {
        let error: ParseSessionHandleError = text.parse::<SessionHandle>().expect_err(reason);
        assert_eq!(error.to_string(), "a session handle is 22 characters of unpadded base64url", "{reason}");
    }
}
