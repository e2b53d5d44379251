//! The middleware of a [`Verifier`](crate::Verifier): no step of it loads, commits or sets a cookie.

mod arrival;
mod future;
mod layer;

pub use self::{
    future::VerifyFuture,
    layer::{Verify, VerifyLayer},
};
