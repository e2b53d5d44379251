//! Closures that misbehave.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh::{InvalidTokenReason, Verifier, VerifierBuilder, VerifyError};

use super::issuer::{AUDIENCE, ISSUER, Key, jwks};
use crate::support::{Claims, ManualClock, probe::MILLISECOND};

fn builder() -> VerifierBuilder<Claims> {
    Verifier::builder().issuer(ISSUER).audience(AUDIENCE).clock(ManualClock::new())
}

/// Never ready, and panics when it is dropped.
struct PanicsWhenDropped;

impl Future for PanicsWhenDropped {
    type Output = io::Result<Vec<u8>>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the dropped future panics");
    }
}

#[tokio::test]
async fn a_future_that_panics_when_its_time_is_over_is_a_failed_fetch() {
    let calls = AtomicUsize::new(0);
    let fetch = move || -> BoxFuture<'static, io::Result<Vec<u8>>> {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            return PanicsWhenDropped.boxed();
        }
        async { Ok(jwks(&[Key::Ed]).into_bytes()) }.boxed()
    };
    let verifier = builder().fetch_timeout(MILLISECOND).jwks(fetch).build().unwrap();
    assert_eq!(verifier.load().await, Err(VerifyError::Unavailable));
    verifier.load().await.unwrap();
    verifier.verify(&Key::Ed.valid()).await.unwrap();
}

/// What those get who ask for the keys, for the user of a known key, and for the user of an unknown one.
async fn verdicts(verifier: &Verifier<Claims>) -> [Result<(), VerifyError>; 3] {
    let known = verifier.verify(&Key::Ed.valid()).await.map(drop);
    let unknown = verifier.verify(&Key::Ed2.valid()).await.map(drop);
    [verifier.load().await, known, unknown]
}

#[tokio::test]
async fn a_closure_that_needs_the_keys_does_not_wait_for_itself() {
    let (own, inside) = (Arc::<OnceLock<Verifier<Claims>>>::default(), Arc::<Mutex<Vec<_>>>::default());
    let (closure, seen) = (own.clone(), inside.clone());
    let clock = ManualClock::new();
    let fetch = move || {
        let (verifier, seen) = (closure.get().unwrap().clone(), seen.clone());
        async move {
            let verdicts = verdicts(&verifier).await;
            seen.lock().unwrap().push(verdicts);
            Ok::<_, io::Error>(jwks(&[Key::Ed]))
        }
    };
    let verifier = builder().clock(clock.clone()).jwks(fetch).build().unwrap();
    own.set(verifier.clone()).unwrap();
    verifier.load().await.unwrap();
    let unavailable = Err(VerifyError::Unavailable);
    assert_eq!(*inside.lock().unwrap(), [[unavailable; 3]]);

    let with_keys = [Ok(()), Ok(()), Err(VerifyError::Invalid(InvalidTokenReason::UnknownKey))];
    clock.advance(Duration::from_secs(30));
    assert_eq!(verdicts(&verifier).await, with_keys);
    assert_eq!(*inside.lock().unwrap(), [[unavailable; 3], with_keys]);
}
