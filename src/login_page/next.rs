//! Which `next` parameter a login may follow.

use std::borrow::Cow;

use super::percent::decode;

/// Longer than addresses that people return to, and short enough for a header.
const LONGEST: usize = 2048;

/// Proxies, frameworks and applications decode once each.
const MOST_LAYERS: usize = 3;

/// `next` if it is a path of this site, with or without a query, so that a login can redirect to it; else `None`.
///
/// A login page receives the page to which it returns in a parameter that anyone can put into a link: without this check the
/// application is an open redirect (CWE-601). Pass the value as the framework has decoded it, both where the page is shown and where
/// the login redirects: a form field comes from the client too.
///
/// It returns `None` for:
///
/// - what does not begin with exactly one slash: nothing, another scheme, another host;
/// - a backslash, which browsers take for a slash, white space and control characters, which they leave out, and everything else
///   that they send only percent-encoded, such as quotes, angle brackets and characters beyond ASCII;
/// - the segments `.` and `..`, which browsers resolve before they send a request;
/// - a path that is one of these after percent-decoding, once or several times;
/// - a fragment, which no server receives, and more than 2048 bytes.
///
/// ```
/// use tower_refresh::safe_next;
///
/// assert_eq!(safe_next("/orders?page=2"), Some("/orders?page=2"));
/// assert_eq!(safe_next("https://evil.example/"), None);
/// assert_eq!(safe_next("//evil.example/"), None);
/// assert_eq!(safe_next("/\\evil.example/"), None);
/// assert_eq!(safe_next("/%2F/evil.example/"), None);
///
/// let next = safe_next("javascript:alert(1)").unwrap_or("/");
/// assert_eq!(next, "/");
/// ```
#[must_use]
pub fn safe_next(next: &str) -> Option<&str> {
    let path = next.split('?').next().unwrap_or_default();
    let is_safe = next.len() <= LONGEST && next.bytes().all(is_sent_by_browsers) && is_own_path(path);
    is_safe.then_some(next)
}

fn is_sent_by_browsers(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\\\"<>`#".contains(&byte)
}

/// As anything that decodes the path reads it.
fn is_own_path(path: &str) -> bool {
    let mut path = Cow::Borrowed(path.as_bytes());
    for _ in 0..=MOST_LAYERS {
        if !is_plain_path(&path) {
            return false;
        }
        match decode(&path) {
            Some(decoded) => path = Cow::Owned(decoded),
            None => return true,
        }
    }
    false
}

fn is_plain_path(path: &[u8]) -> bool {
    str::from_utf8(path).is_ok_and(|path| {
        path.starts_with('/')
            && !path.starts_with("//")
            && !path.contains(|c: char| c == '\\' || c.is_control())
            && !path.split('/').any(is_dot_segment)
    })
}

/// Some servers leave out what follows a semicolon.
fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.split(';').next(), Some("." | ".."))
}
