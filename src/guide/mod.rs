//! The guide: how to put this crate to use, chapter by chapter. It has no code of its own, and is compiled for the
//! documentation and its tests alone.
//!
//! | you want to | chapter |
//! |---|---|
//! | pick where sessions are kept | [Choosing a store](stores) |
//! | serve pages, a single-page application, an app, or other services | [Browsers, and other clients](clients) |
//! | know where the layer goes | [Wrapping a service](wrapping) |
//! | run behind nginx, a load balancer or a CDN | [Behind a proxy](proxies) |
//! | run more than one server | [Several servers](servers) |
//! | exchange a key, planned or at once | [Rotating keys](keys) |
//! | take a right away, or a user | [Roles, and changing them](roles) |
//! | keep a connection open | [WebSockets and event streams](connections) |
//! | change a lifetime | [Tuning the policy](tuning) |
//! | look a default up | [Every default](defaults) |
//! | test your handlers | `guide::testing`, with the feature `testing` |
//! | find out why it does not work | [Troubleshooting](troubleshooting) |
//! | come from axum-login, tower-sessions or JWT code of your own | [Moving here](moving) |
//!
//! What is threatened, what is done about it, and what is left is in `SECURITY.md`. Whole programs are in `examples/`.

#[doc = include_str!("stores.md")]
pub mod stores {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("wrapping.md")]
pub mod wrapping {}

#[doc = include_str!("proxies.md")]
pub mod proxies {}

#[doc = include_str!("servers.md")]
pub mod servers {}

#[doc = include_str!("keys.md")]
pub mod keys {}

#[doc = include_str!("roles.md")]
pub mod roles {}

#[doc = include_str!("connections.md")]
pub mod connections {}

#[doc = include_str!("tuning.md")]
pub mod tuning {}

#[doc = include_str!("defaults.md")]
pub mod defaults {}

#[cfg(feature = "testing")]
#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("moving.md")]
pub mod moving {}
