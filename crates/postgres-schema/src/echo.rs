//! Whether a connection receives notifications.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

/// A channel of one connection's own. If the connection does not receive what another connection sends there while it is idle, it is
/// not its own to the server: a pooler gives each of its transactions another one. What the connection sends itself
/// would prove nothing, as it may get the same one again.
#[derive(Debug)]
pub struct Echo {
    channel: String,
    heard: bool,
}

impl Echo {
    /// A channel with a name of its own.
    #[allow(clippy::new_without_default, reason = "two of them differ")]
    pub fn new() -> Self {
        // Unique, and no secret.
        let number = RandomState::new().build_hasher().finish();
        Self { channel: format!("tower_refresh_echo_{number:016x}"), heard: false }
    }

    /// The name of the channel, which needs no quotes.
    pub fn channel(&self) -> &str {
        &self.channel
    }

    /// Forgets what was received.
    pub fn reset(&mut self) {
        self.heard = false;
    }

    /// Whether a notification was received since the last reset.
    pub fn was_heard(&self) -> bool {
        self.heard
    }

    /// Records a notification that was received on `channel`, and returns whether that is this one.
    pub fn hear(&mut self, channel: &str) -> bool {
        let is_echo = channel == self.channel;
        self.heard |= is_echo;
        is_echo
    }
}
