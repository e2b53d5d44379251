//! The bearer token in an `Authorization` header (RFC 6750 §2.1).

const SCHEME: &[u8; 6] = b"Bearer";

/// The access token in the value of an `Authorization` header, which may be empty; `None` for another scheme.
#[inline(always)]
pub(crate) fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    // As nearly every client writes it.
    if let Some(token @ [first, .., last]) = value.strip_prefix(b"Bearer ")
        && first.is_ascii_graphic()
        && last.is_ascii_graphic()
    {
        return Some(token);
    }
    other_bearer_token(value)
}

#[inline(never)]
fn other_bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_first_chunk()?;
    let is_scheme = scheme == SCHEME || scheme.eq_ignore_ascii_case(SCHEME);
    let is_bearer = is_scheme && rest.first().is_none_or(|byte| is_blank(*byte));
    is_bearer.then(|| rest.trim_ascii())
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
