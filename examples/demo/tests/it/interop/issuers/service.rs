//! A service that verifies an issuer's tokens, with a clock of its own.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tower_refresh::{Clock, InvalidTokenReason, SystemClock, Timestamp, Verifier, VerifyError};

use super::issuer::Issuer;

/// The system's clock, except that time can pass by which keys are fetched.
#[derive(Clone, Default)]
pub(super) struct Later(Arc<Mutex<Duration>>);

impl Later {
    pub(super) fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add(*self.0.lock().unwrap())
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + *self.0.lock().unwrap()
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Till {
    pub(super) client_id: String,
}

pub(super) struct Service {
    pub(super) verifier: Verifier<Till>,
    fetches: Arc<AtomicUsize>,
    pub(super) clock: Later,
}

impl Service {
    pub(super) fn of(issuer: &Issuer) -> Self {
        Self::expecting(issuer, &issuer.url, "orders")
    }

    /// With the issuer's keys, and another issuer or audience.
    pub(super) fn expecting(issuer: &Issuer, name: &str, audience: &str) -> Self {
        let (fetches, clock) = (Arc::<AtomicUsize>::default(), Later::default());
        let (client, url, counted) = (issuer.client.clone(), issuer.jwks(), fetches.clone());
        let verifier = Verifier::builder()
            .issuer(name)
            .audience(audience)
            .without_session_id()
            .clock(clock.clone())
            .jwks(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                let request = client.get(&url);
                async move { request.send().await?.error_for_status()?.bytes().await }
            })
            .build()
            .unwrap();
        Self { verifier, fetches, clock }
    }

    /// Why the token is invalid.
    pub(super) async fn reason(&self, token: &str) -> InvalidTokenReason {
        match self.verifier.verify(token).await {
            Err(VerifyError::Invalid(reason)) => reason,
            result => panic!("{result:?}"),
        }
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// All at once: how many of them are valid.
    pub(super) async fn valid(&self, tokens: &[String]) -> usize {
        let results = join_all(tokens.iter().map(|token| self.verifier.verify(token))).await;
        results
            .into_iter()
            .filter(|result| match result {
                Ok(user) => {
                    assert_eq!((user.subject().as_str(), user.scope()), ("till", "orders"));
                    assert_eq!(user.claims().client_id, "till");
                    true
                }
                Err(VerifyError::Invalid(InvalidTokenReason::UnknownKey)) => false,
                Err(error) => panic!("{error}"),
            })
            .count()
    }
}
