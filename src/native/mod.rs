//! Native clients: refresh tokens in bodies, as in RFC 6749.
//!
//! [`Session::login_native`](crate::Session::login_native) returns the refresh token in the body of the response, and the client
//! exchanges it with the refresh token grant (RFC 6749 §6). The protocol is that of the cookie, with load and commit back to
//! back. Only the transport differs, and a token of one transport is rejected over the other.

mod error;
mod form;
mod grant;
mod response;
#[cfg(feature = "axum")]
mod route;
mod urlencoded;

pub use self::{error::TokenError, response::NativeTokenResponse};
#[cfg(feature = "axum")]
pub(crate) use self::{response::json, urlencoded::pairs as urlencoded_pairs};
