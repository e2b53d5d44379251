//! Step 1: the tokens in a request's fields.
//!
//! Fields are read as bytes. Nothing is percent-decoded, unquoted or lower-cased, and a field that is not UTF-8
//! spoils no neighbour: with more lenient readers a sibling host can set a cookie that they take for ours.

use std::{mem, slice};

use http::HeaderValue;
use memchr::memchr_iter;

/// More cookies of one name than this are not looked at: no browser sends them, and each costs a signature check.
const MOST_DUPLICATES: usize = 8;

const SCHEME: &[u8; 6] = b"Bearer";

/// The access token in an `Authorization` field, perhaps an empty one (RFC 6750 §2.1); `None` if its scheme is another.
#[inline]
pub(crate) fn bearer(field: &[u8]) -> Option<&[u8]> {
    // As nearly every client writes it.
    if let Some(token @ [first, .., last]) = field.strip_prefix(b"Bearer ")
        && first.is_ascii_graphic()
        && last.is_ascii_graphic()
    {
        return Some(token);
    }
    let (scheme, rest) = field.split_first_chunk()?;
    let is_scheme = scheme == SCHEME || scheme.eq_ignore_ascii_case(SCHEME);
    let is_bearer = is_scheme && rest.first().is_none_or(|byte| is_blank(*byte));
    is_bearer.then(|| rest.trim_ascii())
}

/// The `Cookie` fields of a request, kept so that the refresh cookie can be read when, and if, it is needed.
///
/// A clone of a field is a reference count; HTTP/1.1 sends one field, HTTP/2 may send several.
#[derive(Clone, Default)]
pub(crate) enum CookieFields {
    #[default]
    Absent,
    One(HeaderValue),
    Several(Vec<HeaderValue>),
}

impl CookieFields {
    pub(crate) fn add(&mut self, field: HeaderValue) {
        *self = match mem::take(self) {
            Self::Absent => Self::One(field),
            Self::One(first) => Self::Several(vec![first, field]),
            Self::Several(mut fields) => {
                fields.push(field);
                Self::Several(fields)
            }
        };
    }

    /// The values of the cookies named `name`, in the order they came.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let fields = match self {
            Self::Absent => &[],
            Self::One(field) => slice::from_ref(field),
            Self::Several(fields) => fields,
        };
        fields
            .iter()
            .flat_map(|field| pairs(field.as_bytes()))
            .filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .take(MOST_DUPLICATES)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }
}

/// Tokens are long: a search by words of memory is several times as fast as one by bytes.
fn pairs(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr_iter(b';', field).chain([field.len()]);
    ends.scan(0, |start, end| Some(&field[mem::replace(start, end + 1)..end]))
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
