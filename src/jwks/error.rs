//! Why a fetch of the keys has failed.

use std::{error::Error, fmt};

use crate::event::JwksFailure;

/// The reason, with its cause for the log.
#[derive(Debug)]
pub(crate) struct FetchError {
    pub(crate) reason: JwksFailure,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl FetchError {
    /// The application's closure returned this error.
    pub(super) fn of_closure(source: Box<dyn Error + Send + Sync>) -> Self {
        Self { reason: JwksFailure::FetchFailed, source: Some(source) }
    }
}

impl From<JwksFailure> for FetchError {
    fn from(reason: JwksFailure) -> Self {
        Self { reason, source: None }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the issuer's keys cannot be fetched: {}", self.reason)
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
