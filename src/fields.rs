//! Step 1: the fields of a request that the journey looks at, found in one pass over all.
//!
//! To look each of them up by its name would cost more than all the rest that a request with a valid token needs.

use http::{HeaderMap, HeaderValue};

use crate::credentials::CookieFields;

/// A field that a request should have once.
#[derive(Clone, Copy, Default)]
pub(crate) enum Field<'a> {
    #[default]
    Absent,
    One(&'a [u8]),
    /// Which one a proxy or another library reads is anyone's guess.
    Several,
}

#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) authorization: Field<'a>,
    pub(crate) cookies: CookieFields,
    pub(crate) host: Field<'a>,
    pub(crate) origin: Field<'a>,
    pub(crate) fetch_site: Field<'a>,
    pub(crate) fetch_mode: Field<'a>,
    pub(crate) fetch_dest: Field<'a>,
    /// The first.
    pub(crate) user_agent: Option<HeaderValue>,
}

impl<'a> Fields<'a> {
    /// Marks those that hold tokens as sensitive, too: it keeps the tokens out of the `Debug` of the request.
    #[inline]
    pub(crate) fn read(&mut self, headers: &'a mut HeaderMap) {
        for (name, value) in headers {
            match name.as_str() {
                "authorization" => {
                    value.set_sensitive(true);
                    self.authorization.add(value);
                }
                "cookie" => {
                    value.set_sensitive(true);
                    self.cookies.add(value.clone());
                }
                "host" => self.host.add(value),
                "origin" => self.origin.add(value),
                "sec-fetch-site" => self.fetch_site.add(value),
                "sec-fetch-mode" => self.fetch_mode.add(value),
                "sec-fetch-dest" => self.fetch_dest.add(value),
                "user-agent" if self.user_agent.is_none() => self.user_agent = Some(value.clone()),
                _ => {}
            }
        }
    }
}

impl<'a> Field<'a> {
    #[inline]
    fn add(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Absent => Self::One(value.as_bytes()),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    pub(crate) fn is(self, wanted: &[u8]) -> bool {
        matches!(self, Self::One(value) if value == wanted)
    }
}
