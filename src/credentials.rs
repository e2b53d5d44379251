//! Step 1: what the request carries.
//!
//! Fields are read as bytes. Nothing is percent-decoded, unquoted or lower-cased, and a field that is not UTF-8
//! spoils no neighbour: with more lenient readers a sibling host can set a cookie that they take for ours.

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, COOKIE, Entry},
};

/// More cookies of one name than this are not looked at: no browser sends them, and each costs a signature check.
const MOST_DUPLICATES: usize = 8;

/// The access token of the `Authorization` field (RFC 6750 §2.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearer<'a> {
    /// No field, or another scheme.
    Absent,
    /// Two fields: which one a proxy or another library reads is anyone's guess.
    Several,
    /// The scheme `Bearer` with what follows it, perhaps nothing.
    Token(&'a [u8]),
}

pub(crate) fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let Some(field) = fields.next() else { return Bearer::Absent };
    if fields.next().is_some() {
        return Bearer::Several;
    }
    let field = field.as_bytes();
    let end_of_scheme = field.iter().position(|byte| is_blank(*byte)).unwrap_or(field.len());
    let (scheme, rest) = field.split_at(end_of_scheme);
    if scheme.eq_ignore_ascii_case(b"bearer") { Bearer::Token(trim(rest)) } else { Bearer::Absent }
}

/// The `Cookie` fields of a request, kept so that the refresh cookie can be read when, and if, it is needed.
///
/// A clone of a field is a reference count; HTTP/1.1 sends one field, HTTP/2 may send several.
#[derive(Clone, Default)]
pub(crate) struct CookieFields {
    first: Option<HeaderValue>,
    others: Vec<HeaderValue>,
}

impl CookieFields {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut fields = headers.get_all(COOKIE).iter();
        Self { first: fields.next().cloned(), others: fields.cloned().collect() }
    }

    /// The values of the cookies named `name`, in the order they came.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.first
            .iter()
            .chain(&self.others)
            .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
            .filter_map(move |pair| trim(pair).strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .take(MOST_DUPLICATES)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }
}

/// Keeps the tokens out of the `Debug` of the request's fields.
pub(crate) fn mark_sensitive(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, COOKIE] {
        if let Entry::Occupied(mut fields) = headers.entry(name) {
            fields.iter_mut().for_each(|field| field.set_sensitive(true));
        }
    }
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
