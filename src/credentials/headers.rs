//! The headers that the journey reads, found in one pass.
//!
//! Looking each of them up by its name would cost more than everything else that a request with a valid token needs.

use http::{HeaderMap, HeaderValue, header};

use super::cookies::CookieHeaders;

/// A header that a request should have once.
#[derive(Clone, Copy, Default)]
pub(crate) enum HeaderField<'a> {
    #[default]
    Absent,
    One(&'a HeaderValue),
    /// Proxies and libraries disagree on which one counts.
    Several,
}

#[derive(Default)]
pub(crate) struct RequestHeaders<'a> {
    pub(crate) authorization: HeaderField<'a>,
    pub(crate) host: HeaderField<'a>,
    pub(crate) origin: HeaderField<'a>,
    pub(crate) fetch_site: HeaderField<'a>,
    pub(crate) fetch_mode: HeaderField<'a>,
    pub(crate) fetch_dest: HeaderField<'a>,
    /// `Service-Worker-Navigation-Preload`: a service worker receives the response.
    pub(crate) navigation_preload: HeaderField<'a>,
}

/// The headers that are still needed after the inner service has taken the request.
#[derive(Default)]
pub(crate) struct RetainedHeaders {
    pub(crate) cookies: CookieHeaders,
    /// The first `User-Agent`.
    pub(crate) user_agent: Option<HeaderValue>,
}

impl<'a> RequestHeaders<'a> {
    /// Reads the headers, and marks those that carry tokens as sensitive, which keeps them out of the request's `Debug`.
    // Two layers call it, in each request.
    #[inline(always)]
    pub(crate) fn read_and_mark_sensitive(
        headers: &'a mut HeaderMap,
        retained: &mut RetainedHeaders,
    ) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            // Names that the crate `http` knows are numbers.
            match *name {
                header::AUTHORIZATION => {
                    value.set_sensitive(true);
                    found.authorization.add(value);
                }
                header::COOKIE => {
                    value.set_sensitive(true);
                    retained.cookies.add(value.clone());
                }
                header::HOST => found.host.add(value),
                header::ORIGIN => found.origin.add(value),
                header::USER_AGENT if retained.user_agent.is_none() => {
                    retained.user_agent = Some(value.clone());
                }
                // Nearly every browser sends them, and none of them is compared with the names below.
                header::USER_AGENT
                | header::ACCEPT
                | header::ACCEPT_ENCODING
                | header::ACCEPT_LANGUAGE
                | header::CONNECTION
                | header::REFERER => {}
                _ => match name.as_str() {
                    "sec-fetch-site" => found.fetch_site.add(value),
                    "sec-fetch-mode" => found.fetch_mode.add(value),
                    "sec-fetch-dest" => found.fetch_dest.add(value),
                    "service-worker-navigation-preload" => found.navigation_preload.add(value),
                    _ => {}
                },
            }
        }
        found
    }
}

impl<'a> HeaderField<'a> {
    #[inline]
    fn add(&mut self, value: &'a HeaderValue) {
        *self = match self {
            Self::Absent => Self::One(value),
            Self::One(_) | Self::Several => Self::Several,
        };
    }

    pub(crate) fn is(self, expected: &[u8]) -> bool {
        matches!(self, Self::One(value) if value == expected)
    }
}
