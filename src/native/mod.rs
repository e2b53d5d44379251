//! Native clients: refresh tokens that travel in bodies, as RFC 6749 has it.
//!
//! The refresh token of a login by [`Session::login_native`](crate::Session::login_native) is in the answer's body, and
//! the client exchanges it by the refresh token grant (RFC 6749 §6). The protocol is that of the cookie, both halves back
//! to back; only the carrier differs, and a token of the one is nothing by the other.

mod error;
mod form;
mod grant;
mod response;
#[cfg(feature = "axum")]
mod route;

pub use self::{error::TokenError, response::NativeTokenResponse};
