//! What stands between browsers and the layer, run for real: nginx, Caddy, and a server that renders pages, each with the
//! configuration that the guide shows. The time is injected, and each test has its own programs, on ports of its own.

mod forward_auth;
mod proxies;
mod ssr;
mod support;
