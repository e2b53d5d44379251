//! Steps 1 and 2: the credentials in the headers of a request, and whether its cookies count.
//!
//! Headers are read as bytes. Nothing is percent-decoded, unquoted or lower-cased, and a header that is not UTF-8 does not
//! affect its neighbours: with a more lenient parser a sibling host can set a cookie that is mistaken for ours.

mod authorization;
mod cookies;
pub(crate) mod cross_site;
mod headers;

pub(crate) use self::{
    authorization::bearer_token,
    cookies::CookieHeaders,
    headers::{HeaderField, RequestHeaders, RetainedHeaders},
};
