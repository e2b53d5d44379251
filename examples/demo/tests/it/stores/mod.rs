//! Several demo servers on one store, and what they do when that store, or one of them, fails: the real programs, over HTTP,
//! on private servers of PostgreSQL and Redis.

mod faults;
mod several;
mod support;
