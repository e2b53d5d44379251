//! No object may have a member twice, at any depth (RFC 8725 §2.4 tells why, RFC 7519 §4 allows the refusal).
//!
//! Parsers disagree on which of two counts, so the one who checks and the one who uses could read different values.
//! serde's derived code refuses some, its `flatten` and its maps none: hence a pass of our own.
//!
//! It looks at quotes, brackets and commas only. Of a JSON text it finds every name; a text that is no JSON is left to
//! the parser, which refuses it.
//!
//! The pass is left out where one look at the text and at the names that the parser saw tells as much.

use std::{borrow::Cow, hash::BuildHasher};

use foldhash::fast::FixedState;
use memchr::{memchr, memchr_iter};

use super::{InvalidTokenReason, claims::Claim};

/// The deepest nesting that serde_json reads.
const MAX_DEPTH: usize = 127;

/// Whether `json`, which a parser has read to its end, is one object that holds no other and is not nested too deep. Its
/// own members are all there are, then.
pub(super) fn is_flat(json: &str) -> bool {
    let count = |bracket| memchr_iter(bracket, json.as_bytes()).count();
    count(b'{') == 1 && count(b'[') < MAX_DEPTH
}

/// The names of one object's members as they are read, and whether two may be the same.
#[derive(Default)]
pub(super) struct Names {
    claims: u16,
    others: u64,
    may_clash: bool,
}

impl Names {
    pub(super) fn add_claim(&mut self, claim: Claim) {
        let bit = 1 << claim as u8;
        self.may_clash |= self.claims & bit != 0;
        self.claims |= bit;
    }

    /// Of names that are not the same, a few clash as well.
    pub(super) fn add_other(&mut self, name: &str) {
        let bit = 1 << (FixedState::default().hash_one(name) >> 58);
        self.may_clash |= self.others & bit != 0;
        self.others |= bit;
    }

    pub(super) fn differ(&self) -> bool {
        !self.may_clash
    }
}

/// Checks that no object in `json` has a member twice, and that it is not nested too deep.
pub(crate) fn refuse(json: &str) -> Result<(), InvalidTokenReason> {
    let bytes = json.as_bytes();
    // The names of all objects that are open, those of the innermost last: one buffer for all depths.
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

/// How far the closing quote goes, in what follows the opening one. Byte by byte, because most strings are too short for
/// a search by words to pay.
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

/// What a string in quotes says.
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

/// Forgets the names of an object that ends, unless two are the same. Sorting keeps an object of many members cheap,
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
