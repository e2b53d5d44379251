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
    One(&'a HeaderValue),
    /// Which one a proxy or another library reads is anyone's guess.
    Several,
}

#[derive(Default)]
pub(crate) struct Fields<'a> {
    pub(crate) authorization: Field<'a>,
    pub(crate) host: Field<'a>,
    pub(crate) origin: Field<'a>,
    pub(crate) fetch_site: Field<'a>,
    pub(crate) fetch_mode: Field<'a>,
    pub(crate) fetch_dest: Field<'a>,
}

/// The fields that are wanted once the request is handed over.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) cookies: CookieFields,
    /// The first.
    pub(crate) user_agent: Option<HeaderValue>,
}

impl<'a> Fields<'a> {
    /// Marks those that hold tokens as sensitive, too: it keeps the tokens out of the `Debug` of the request.
    #[inline]
    pub(crate) fn read(headers: &'a mut HeaderMap, kept: &mut Kept) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "authorization" => {
                    value.set_sensitive(true);
                    fields.authorization.add(value);
                }
                "cookie" => {
                    value.set_sensitive(true);
                    kept.cookies.add(value.clone());
                }
                "host" => fields.host.add(value),
                "origin" => fields.origin.add(value),
                "sec-fetch-site" => fields.fetch_site.add(value),
                "sec-fetch-mode" => fields.fetch_mode.add(value),
                "sec-fetch-dest" => fields.fetch_dest.add(value),
                "user-agent" if kept.user_agent.is_none() => {
                    kept.user_agent = Some(value.clone());
                }
                _ => {}
            }
        }
        fields
    }
}

impl<'a> Field<'a> {
    #[inline]
    fn add(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Absent => Self::One(value),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    pub(crate) fn is(self, wanted: &[u8]) -> bool {
        matches!(self, Self::One(value) if value == wanted)
    }
}
