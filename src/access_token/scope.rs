//! The syntax of a scope (RFC 6749 §3.3).

/// Whether `text` is a list of scope tokens: printable ASCII without `"` and `\`, separated by single spaces.
pub(crate) fn is_valid(text: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    text.split(' ').all(is_token)
}
