//! The request headers beside the proof.

use super::*;
use crate::event::DeviceRefreshSkipped;

/// Why, the values of the header, and what is read.
type Case<T> = (&'static str, &'static [&'static [u8]], Option<T>);

fn request(name: &http::HeaderName, values: &[&[u8]]) -> HeaderMap {
    let mut request = HeaderMap::new();
    for value in values {
        request.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    request
}

#[test]
fn the_identifier_of_the_session_is_bare_or_quoted_and_there_once() {
    let cases: [Case<&[u8]>; 11] = [
        ("as Chromium sends it", &[b"session-id_1"], Some(b"session-id_1")),
        ("as the draft requires", &[b"\"session-id_1\""], Some(b"session-id_1")),
        ("parameters are ignored", &[b"\"id\";a=1;b"], Some(b"id")),
        ("missing", &[], None),
        ("empty", &[b""], None),
        ("an empty string", &[b"\"\""], None),
        ("twice", &[b"id", b"id"], None),
        ("two joined by a proxy", &[b"\"id\", \"id\""], None),
        ("an escape", &[b"\"i\\\"d\""], None),
        ("an unfinished string", &[b"\"id"], None),
        ("an 8-bit byte", &[b"id\xff"], None),
    ];
    for (reason, values, expected) in cases {
        assert_eq!(headers::session_id(&request(&headers::SESSION_ID, values)), expected, "{reason}");
    }
}

#[test]
fn the_reason_of_a_skipped_refresh_is_read() {
    use DeviceRefreshSkipped::{QuotaExceeded, ServerError, Unreachable};
    let cases: [Case<DeviceRefreshSkipped>; 24] = [
        ("as the draft writes it", &[b"unreachable;session_identifier=\"123\""], Some(Unreachable)),
        ("without the identifier", &[b"server_error"], Some(ServerError)),
        ("a bare identifier", &[b"quota_exceeded;session_identifier=_-1aB"], Some(QuotaExceeded)),
        (
            "a list",
            &[b"unreachable;session_identifier=\"1\", quota_exceeded;session_identifier=\"2\""],
            Some(Unreachable),
        ),
        ("a list without blanks", &[b"server_error,unreachable"], Some(ServerError)),
        ("blanks around the comma", &[b"server_error \t,\t unreachable"], Some(ServerError)),
        ("several headers", &[b"server_error", b"unreachable"], Some(ServerError)),
        (
            "a comma in the identifier",
            &[b"server_error;session_identifier=\"a, unreachable\""],
            Some(ServerError),
        ),
        (
            "an escaped quote in the identifier",
            &[b"other;a=\"\\\", unreachable;b=\\\"\", server_error"],
            Some(ServerError),
        ),
        ("a reason of a later draft", &[b"paused;session_identifier=\"1\""], None),
        ("a reason of a later draft before another", &[b"paused, unreachable"], Some(Unreachable)),
        ("another case", &[b"Unreachable"], None),
        ("a name that begins so", &[b"unreachable2"], None),
        ("missing", &[], None),
        ("empty", &[b""], None),
        ("a string", &[b"\"unreachable\""], None),
        ("a comma at the end", &[b"unreachable,"], None),
        ("a comma at the beginning", &[b",unreachable"], None),
        ("an inner list", &[b"(unreachable)"], None),
        ("an unfinished string", &[b"unreachable;session_identifier=\"1"], None),
        ("a blank without a comma", &[b"unreachable server_error"], None),
        ("an 8-bit byte", &[b"unreachable\xff"], None),
        ("a number", &[b"1"], None),
        ("one that is no list before one that is", &[b"(", b"unreachable"], Some(Unreachable)),
    ];
    for (reason, values, expected) in cases {
        assert_eq!(headers::skipped(&request(&headers::SKIPPED, values)), expected, "{reason}");
    }
}
