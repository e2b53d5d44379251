//! No object may have a member twice, at any depth (RFC 8725 §2.4 tells why, RFC 7519 §4 allows the refusal).
//!
//! Parsers disagree on which of two counts, so the one who checks and the one who uses could read different values.
//! serde's derived code refuses some, its `flatten` and its maps none: hence a pass of our own.
//!
//! It looks at quotes, brackets and commas only. Of a JSON text it finds every name; a text that is no JSON is left to
//! the parser, which comes next and refuses it.

use std::borrow::Cow;

use super::InvalidToken;

/// The deepest nesting that serde_json reads.
const MAX_DEPTH: usize = 127;

/// Checks that no object in `json` has a member twice, and that it is not nested too deep.
pub(crate) fn refuse(json: &str) -> Result<(), InvalidToken> {
    // The names of all objects that are open, those of the innermost last: one buffer for all depths.
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    // Where the names of each open object begin. An array has none.
    let mut open: Vec<Option<usize>> = Vec::new();
    let mut name_is_next = false;
    let mut bytes = json.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let len = string_len(bytes.by_ref().map(|(_, byte)| byte))?;
                if name_is_next {
                    names.push(name(json.get(at..at + len).ok_or(InvalidToken::Malformed)?)?);
                    name_is_next = false;
                }
            }
            b'{' | b'[' if open.len() == MAX_DEPTH => return Err(InvalidToken::Malformed),
            b'{' => {
                open.push(Some(names.len()));
                name_is_next = true;
            }
            b'[' => {
                open.push(None);
                name_is_next = false;
            }
            b'}' | b']' => {
                if let Some(start) = open.pop().ok_or(InvalidToken::Malformed)? {
                    close(&mut names, start)?;
                }
                name_is_next = false;
            }
            b',' => name_is_next = matches!(open.last(), Some(Some(_))),
            _ => {}
        }
    }
    Ok(())
}

/// The length of a string with its quotes, of which the first one was taken already.
fn string_len(mut bytes: impl Iterator<Item = u8>) -> Result<usize, InvalidToken> {
    let mut len = 1;
    while let Some(byte) = bytes.next() {
        len += 1;
        match byte {
            b'"' => return Ok(len),
            b'\\' => {
                bytes.next();
                len += 1;
            }
            _ => {}
        }
    }
    Err(InvalidToken::Malformed)
}

/// What a string in quotes says.
fn name(string: &str) -> Result<Cow<'_, str>, InvalidToken> {
    if string.contains('\\') {
        return serde_json::from_str(string).map(Cow::Owned).map_err(|_| InvalidToken::Malformed);
    }
    Ok(Cow::Borrowed(string.trim_matches('"')))
}

/// Forgets the names of an object that ends, unless two are the same. Sorting keeps an object of many members cheap,
/// and cannot be attacked as a hash can.
fn close(names: &mut Vec<Cow<'_, str>>, start: usize) -> Result<(), InvalidToken> {
    if let Some(names) = names.get_mut(start..) {
        names.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        if names.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(InvalidToken::DuplicateMember);
        }
    }
    names.truncate(start);
    Ok(())
}
