//! Black-box tests of the demo: the real program, over HTTP. Each test starts its own server.

mod account;
mod answers;
mod assess;
mod device_bound;
mod errors;
mod flags;
mod native;
mod native_client;
mod operations;
mod own_sessions;
mod page;
mod refresh;
mod service;
mod sessions;
mod sqlite;
mod start;
mod step_up;
mod stop;
pub(crate) mod support;
mod theft;
mod tls;
mod users;
