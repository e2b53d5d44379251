//! The cookies of a request.

use std::{mem, slice};

use http::HeaderValue;
use memchr::memchr;

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
    #[inline]
    pub(crate) fn add(&mut self, header: HeaderValue) {
        match self {
            Self::Absent => *self = Self::One(header),
            Self::One(_) | Self::Several(_) => self.add_another(header),
        }
    }

    // Only HTTP/2 splits the header, to compress it better.
    #[cold]
    fn add_another(&mut self, header: HeaderValue) {
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
    #[inline]
    pub(crate) fn values<'a>(&'a self, name: &'a str) -> Values<'a> {
        let headers = match self {
            Self::Absent => &[],
            Self::One(header) => slice::from_ref(header),
            Self::Several(headers) => headers,
        };
        let most = if name.starts_with("__Host-") { MOST_HOST_DUPLICATES } else { MOST_DUPLICATES };
        Values { name: name.as_bytes(), headers: headers.iter(), rest: None, left: most }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }
}

/// The values of cookies of one name. Adapters of iterators would cost each request with cookies three times as much.
pub(crate) struct Values<'a> {
    name: &'a [u8],
    headers: slice::Iter<'a, HeaderValue>,
    /// Of the current header.
    rest: Option<&'a [u8]>,
    left: usize,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        while self.left > 0 {
            let rest = match self.rest.take() {
                Some(rest) => rest,
                None => self.headers.next()?.as_bytes(),
            };
            // Tokens are long: a search that compares whole words of memory is several times as fast as one that compares bytes.
            let pair = match memchr(b';', rest) {
                Some(end) => {
                    self.rest = Some(&rest[end + 1..]);
                    &rest[..end]
                }
                None => rest,
            };
            let value = pair.trim_ascii().strip_prefix(self.name).and_then(|rest| rest.strip_prefix(b"="));
            if value.is_some() {
                self.left -= 1;
                return value;
            }
        }
        None
    }
}
