//! Where the keys of a verifier come from, as the builder collects it.

use std::{sync::Arc, time::Duration};

use crate::{
    jwks::FetchKeys,
    keys::{Algorithm, VerifyingKey},
};

pub(super) struct KeyOptions {
    pub(super) fetch: Option<Arc<FetchKeys>>,
    pub(super) fixed: Option<Vec<VerifyingKey>>,
    /// `None`: all that are offered.
    pub(super) algorithms: Option<Vec<Algorithm>>,
    pub(super) fetch_timeout: Duration,
    pub(super) refresh_every: Duration,
    pub(super) stale_for: Duration,
}

impl Default for KeyOptions {
    fn default() -> Self {
        Self {
            fetch: None,
            fixed: None,
            algorithms: None,
            fetch_timeout: Duration::from_secs(5),
            refresh_every: Duration::from_secs(10 * 60),
            stale_for: Duration::from_secs(24 * 60 * 60),
        }
    }
}
