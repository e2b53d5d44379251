//! The guide: how to use this crate, one task per chapter. The module contains no code; it is compiled only for the
//! documentation and its tests.
//!
//! | task | chapter |
//! |---|---|
//! | decide where sessions are stored | [Choosing a store](stores) |
//! | serve pages, a single-page application, a native app or other services | [Browsers and other clients](clients) |
//! | remember a user or not, limit sessions, switch a tenant | [Remember me and lifetimes](lifetimes) |
//! | send people to the login page and back | [The login page](login_page) |
//! | let people sign in with an OpenID provider | [Signing in elsewhere](signing_in) |
//! | call an API of that provider for the user | [Calling a provider's API](provider_api) |
//! | add support staff or several accounts | [Special logins](logins) |
//! | add a second factor, or ask for the password again before something dangerous | [Step-up and second factors](step_up) |
//! | decide where the layer goes | [Wrapping a service](wrapping) |
//! | run behind nginx, a load balancer or a CDN | [Behind a proxy](proxies) |
//! | let a proxy ask whether a request may pass | [Forward auth](forward_auth) |
//! | render pages with Next.js, Nuxt, SvelteKit or the like | [SSR frameworks](ssr) |
//! | run more than one server | [Several servers](servers) |
//! | verify access tokens in another service, or those of an identity provider | [Several services](services) |
//! | replace a key, as planned or in an emergency | [Rotating keys](keys) |
//! | revoke a role, or lock a user out | [Roles, and changing them](roles) |
//! | notice that a session is used from an unlikely place | [Suspicious activity](suspicious) |
//! | make a copied refresh token worth nothing | [Device-bound sessions](device_binding) |
//! | authenticate a connection that stays open | [WebSockets and event streams](connections) |
//! | change a lifetime | [Tuning the policy](tuning) |
//! | look up a default | [Every default](defaults) |
//! | test your handlers | `guide::testing`, with the feature `testing` |
//! | find out why something does not work | [Troubleshooting](troubleshooting) |
//! | build for WebAssembly, Windows or macOS | [Targets](targets) |
//! | migrate from axum-login, tower-sessions or your own JWT code | [Moving here](moving) |
//!
//! `SECURITY.md` lists the threats, the countermeasures and the remaining risks. `examples/` contains complete programs.

#[doc = include_str!("stores.md")]
pub mod stores {}

#[doc = include_str!("clients.md")]
pub mod clients {}

#[doc = include_str!("lifetimes.md")]
pub mod lifetimes {}
#[doc = include_str!("login_page.md")]
pub mod login_page {}

#[doc = include_str!("signing_in.md")]
pub mod signing_in {}

#[doc = include_str!("provider_api.md")]
pub mod provider_api {}

#[doc = include_str!("logins.md")]
pub mod logins {}

#[doc = include_str!("step_up.md")]
pub mod step_up {}

#[doc = include_str!("wrapping.md")]
pub mod wrapping {}

#[doc = include_str!("proxies.md")]
pub mod proxies {}

#[doc = include_str!("forward_auth.md")]
pub mod forward_auth {}

#[doc = include_str!("ssr.md")]
pub mod ssr {}

#[doc = include_str!("servers.md")]
pub mod servers {}

#[doc = include_str!("services.md")]
pub mod services {}

#[doc = include_str!("keys.md")]
pub mod keys {}

#[doc = include_str!("roles.md")]
pub mod roles {}

#[doc = include_str!("suspicious.md")]
pub mod suspicious {}

#[doc = include_str!("device_binding.md")]
pub mod device_binding {}

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

#[doc = include_str!("targets.md")]
pub mod targets {}

#[doc = include_str!("moving.md")]
pub mod moving {}
