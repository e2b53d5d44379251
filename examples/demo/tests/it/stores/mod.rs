//! Several demo servers with one store, also while the store or one of them fails: the real programs, over HTTP, with private
//! servers of PostgreSQL and Redis.

mod faults;
mod several;
pub(crate) mod support;
