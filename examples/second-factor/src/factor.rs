//! The second factor of a user: one-time codes of an authenticator app.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use totp_rs::{Builder, Secret, Totp, TotpError};
use tower_refresh::Timestamp;

/// With six digits and three codes that are valid at a time, five guesses succeed once in 67,000 times.
const MOST_WRONG: u32 = 5;
const LOCKED: Duration = Duration::from_secs(15 * 60);

pub(crate) struct Factor {
    totp: Totp,
    attempts: Mutex<Attempts>,
}

#[derive(Default)]
struct Attempts {
    /// The time step of the last code that was accepted.
    last_step: Option<u64>,
    wrong: u32,
    locked_until: Timestamp,
}

/// The code was not accepted. The client does not learn why.
#[derive(Debug)]
pub(crate) struct WrongCode;

impl Factor {
    /// # Errors
    /// If the secret is shorter than 128 bits (RFC 4226 §4).
    pub(crate) fn new(secret: Secret) -> Result<Self, TotpError> {
        Ok(Self { totp: Builder::new().with_secret(secret).build()?, attempts: Mutex::default() })
    }

    /// Accepts a code once. The previous and the next one are valid as well, for clocks that differ by up to 30 seconds.
    pub(crate) fn check(&self, code: &str, now: Timestamp) -> Result<(), WrongCode> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if now < attempts.locked_until {
            return Err(WrongCode);
        }
        // An earlier step than the last one is a replay as well.
        let step = self.totp.check(code, now.as_secs());
        if let Some(step) = step.filter(|step| attempts.last_step.is_none_or(|last| *step > last)) {
            *attempts = Attempts { last_step: Some(step), ..Attempts::default() };
            return Ok(());
        }
        attempts.wrong += 1;
        if attempts.wrong >= MOST_WRONG {
            attempts.wrong = 0;
            attempts.locked_until = now.saturating_add(LOCKED);
        }
        Err(WrongCode)
    }
}
