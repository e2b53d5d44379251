//! The cookies of a request.

use std::{mem, slice};

use http::HeaderValue;
use memchr::memchr_iter;

/// More cookies of one name are ignored: no browser sends them, and each costs a signature check or a MAC.
const MOST_DUPLICATES: usize = 8;

/// A browser keeps one cookie of a name with the prefix `__Host-`; a second one shows that something else sends cookies too.
const MOST_HOST_DUPLICATES: usize = 2;

/// The `Cookie` headers of a request, kept so that the refresh cookie can be read when it is needed.
#[derive(Clone, Default)]
pub(crate) enum CookieHeaders {
    #[default]
    Absent,
    One(HeaderValue),
    Several(Vec<HeaderValue>),
}

impl CookieHeaders {
    pub(crate) fn add(&mut self, header: HeaderValue) {
        *self = match mem::take(self) {
            Self::Absent => Self::One(header),
            Self::One(first) => Self::Several(vec![first, header]),
            Self::Several(mut headers) => {
                headers.push(header);
                Self::Several(headers)
            }
        };
    }

    /// The values of the cookies named `name`, in the order in which they were sent.
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let headers = match self {
            Self::Absent => &[],
            Self::One(header) => slice::from_ref(header),
            Self::Several(headers) => headers,
        };
        headers
            .iter()
            .flat_map(|header| pairs(header.as_bytes()))
            .filter_map(move |pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .take(if name.starts_with("__Host-") { MOST_HOST_DUPLICATES } else { MOST_DUPLICATES })
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }
}

/// Tokens are long: a search that compares whole words of memory is several times as fast as one that compares bytes.
fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr_iter(b';', header).chain([header.len()]);
    ends.scan(0, |start, end| Some(&header[mem::replace(start, end + 1)..end]))
}
