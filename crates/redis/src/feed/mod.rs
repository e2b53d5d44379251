//! The feed of ended sessions: a channel for new ones, and a log for those that a watcher missed.

pub(crate) mod log;
pub(crate) mod message;
mod watch;

pub(crate) use self::watch::{try_to_subscribe, watch};
