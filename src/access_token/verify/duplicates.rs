//! Rejection of duplicate members, at any depth (RFC 8725 §2.4 has the reason; RFC 7519 §4 allows it).
//!
//! Parsers disagree on which of two members counts, so the code that checks a claim and the code that uses it could read
//! different values. serde's derived code rejects some duplicates, its `flatten` and its maps none: hence this pass.
//!
//! It looks at quotes, brackets and commas only. It finds every name of a JSON text; a text that is not JSON is left to the
//! parser, which rejects it. The pass is skipped where the text and the names that the parser saw rule duplicates out.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use super::InvalidTokenReason;

/// The deepest nesting that serde_json reads.
const MAX_DEPTH: usize = 127;

/// Whether `json`, which a parser has read to its end, is one object without nested objects, and not nested too deep. Then
/// its own members are all there are.
pub(super) fn is_flat(json: &str) -> bool {
    let count = |bracket| memchr_iter(bracket, json.as_bytes()).count();
    count(b'{') == 1 && count(b'[') < MAX_DEPTH
}

/// Checks that no object in `json` has a duplicate member, and that it is not nested too deep.
pub(crate) fn reject(json: &str) -> Result<(), InvalidTokenReason> {
    let bytes = json.as_bytes();
    // The names of all open objects, those of the innermost last: one buffer for all depths.
    let mut names: Vec<Cow<'_, str>> = Vec::with_capacity(16);
    // Where the names of each open object begin. An array has none.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut name_is_next = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                at += string_len(bytes.get(at..).unwrap_or_default())?;
                if name_is_next {
                    names.push(name(json.get(start..at).ok_or(InvalidTokenReason::Malformed)?)?);
                    name_is_next = false;
                }
            }
            b'{' | b'[' if open.len() == MAX_DEPTH => return Err(InvalidTokenReason::Malformed),
            b'{' => {
                open.push(Some(names.len()));
                name_is_next = true;
            }
            b'[' => open.push(None),
            b'}' | b']' => {
                if let Some(start) = open.pop().ok_or(InvalidTokenReason::Malformed)? {
                    close(&mut names, start)?;
                }
            }
            b',' => name_is_next = matches!(open.last(), Some(Some(_))),
            _ => {}
        }
    }
    Ok(())
}

/// The length up to and including the closing quote. Byte by byte, because most strings are too short for a search by words
/// to pay.
fn string_len(bytes: &[u8]) -> Result<usize, InvalidTokenReason> {
    let mut is_escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'"' => return Ok(at + 1),
            b'\\' => is_escaped = true,
            _ => {}
        }
    }
    Err(InvalidTokenReason::Malformed)
}

/// The content of a quoted string.
fn name(string: &str) -> Result<Cow<'_, str>, InvalidTokenReason> {
    if memchr(b'\\', string.as_bytes()).is_some() {
        return serde_json::from_str(string).map(Cow::Owned).map_err(|_| InvalidTokenReason::Malformed);
    }
    string
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .map(Cow::Borrowed)
        .ok_or(InvalidTokenReason::Malformed)
}

/// Drops the names of an object that ends, and rejects it if two are equal. Sorting keeps an object of many members cheap,
/// and cannot be attacked as a hash can.
fn close(names: &mut Vec<Cow<'_, str>>, start: usize) -> Result<(), InvalidTokenReason> {
    if let Some(names) = names.get_mut(start..) {
        names.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(InvalidTokenReason::DuplicateMember);
        }
    }
    names.truncate(start);
    Ok(())
}
