//! Waiting for replicas.

use std::time::Duration;

use redis::{Cmd, Value, cmd};
use tower_refresh_core::{StoreError, StoreErrorKind};

/// What each session end waits for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) replicas: u32,
    pub(crate) timeout: Duration,
    pub(crate) on_disk: bool,
}

impl Wait {
    pub(crate) fn command(&self) -> Cmd {
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let mut wait = cmd(if self.on_disk { "WAITAOF" } else { "WAIT" });
        if self.on_disk {
            wait.arg(1);
        }
        wait.arg(self.replicas).arg(timeout);
        wait
    }

    /// Checks the reply to the command.
    pub(crate) fn check(&self, reply: &Value) -> Result<(), StoreError> {
        let (disk, replicas) = match reply {
            Value::Array(counts) => match counts[..] {
                [Value::Int(disk), Value::Int(replicas)] => (disk > 0, replicas),
                _ => (false, 0),
            },
            Value::Int(replicas) => (!self.on_disk, *replicas),
            _ => (false, 0),
        };
        if disk && replicas >= i64::from(self.replicas) {
            return Ok(());
        }
        let wanted = self.replicas;
        Err(StoreError::with_source(
            StoreErrorKind::TimedOut,
            format!("the session is ended on the primary, and on {replicas} of {wanted} replicas so far"),
        ))
    }
}
