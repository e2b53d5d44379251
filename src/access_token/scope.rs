//! What a scope may look like.

/// Whether `text` is one scope token or several with one space between them, of printable ASCII but `"` and `\`
/// (RFC 6749 §3.3).
pub(crate) fn is_list(text: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty()
            && token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
    };
    text.split(' ').all(is_token)
}
