//! What stands between a store and its server.

mod pgbouncer;
