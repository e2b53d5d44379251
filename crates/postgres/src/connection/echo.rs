//! Whether a connection receives notifications.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
};

use tokio_postgres::Notification;

/// A channel of one connection's own. If the connection does not receive what another connection sends there while it is idle, it is
/// not its own to the server: a pooler gives each of its transactions another one. What the connection sends itself
/// would prove nothing, as it may get the same one again.
pub(crate) struct Echo {
    channel: String,
    heard: bool,
}

impl Echo {
    pub(crate) fn new() -> Self {
        // Unique, and no secret.
        let number = RandomState::new().build_hasher().finish();
        Self { channel: format!("tower_refresh_echo_{number:016x}"), heard: false }
    }

    pub(crate) fn channel(&self) -> &str {
        &self.channel
    }

    pub(crate) fn reset(&mut self) {
        self.heard = false;
    }

    /// Whether a notification was received since the last reset.
    pub(crate) fn was_heard(&self) -> bool {
        self.heard
    }

    /// Returns whether the notification was sent to this channel.
    pub(crate) fn hear(&mut self, notification: &Notification) -> bool {
        let is_echo = notification.channel() == self.channel;
        self.heard |= is_echo;
        is_echo
    }
}
