//! A service that only verifies the tokens of an issuer.

mod attacks;
mod closures;
mod config;
mod documents;
mod feed;
mod issuer;
mod keys;
mod requests;
mod service;
mod sets;
mod tokens;
