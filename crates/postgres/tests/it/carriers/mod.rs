//! What stands between a store and its server.

mod bouncer;
mod pgbouncer;
