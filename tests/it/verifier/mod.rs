//! A service that only verifies the tokens of an issuer.

mod issuer;
mod requests;
mod service;
