//! A service that verifies the issuer's tokens.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Authenticated, Verifier, VerifierBuilder,
    event::{Event, EventKind},
};

use super::issuer::{AUDIENCE, Endpoint, ISSUER, Key};
use crate::support::{Claims, ManualClock, request};

pub(super) struct Service {
    pub(super) verifier: Verifier<Claims>,
    pub(super) clock: ManualClock,
    pub(super) endpoint: Endpoint,
    events: Arc<Mutex<Vec<Event>>>,
}

/// A request that has been sent.
pub(super) type InFlight = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

impl Service {
    /// With the defaults of the builder, and an issuer that has the key [`Key::Ed`].
    pub(super) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(super) fn with(configure: impl FnOnce(VerifierBuilder<Claims>) -> VerifierBuilder<Claims>) -> Self {
        Self::of(configure(Verifier::builder().issuer(ISSUER).audience(AUDIENCE)))
    }

    /// With these settings, for which it fetches the keys, keeps the time and collects the events.
    pub(super) fn of(builder: VerifierBuilder<Claims>) -> Self {
        let (clock, endpoint) = (ManualClock::new(), Endpoint::new(&[Key::Ed]));
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let (log, fetched) = (events.clone(), endpoint.clone());
        let verifier = builder
            .jwks(move || fetched.fetch())
            .clock(clock.clone())
            .on_event(move |event| log.lock().unwrap().push(event.clone()))
            .build()
            .unwrap();
        Self { verifier, clock, endpoint, events }
    }

    /// The service that answers `/optional` also to anonymous requests, and every other path only to users.
    pub(super) fn send(&self, request: Request<()>) -> InFlight {
        let service = self
            .verifier
            .layer()
            .layer(service_fn(|request: Request<()>| async { Ok::<_, Infallible>(answer(request)) }));
        Box::pin(async move {
            let Ok(response) = service.oneshot(request).await;
            response
        })
    }

    /// The status of a request with this bearer token.
    pub(super) async fn status(&self, token: &str) -> u16 {
        self.send(with_bearer(token)).await.status().as_u16()
    }

    /// The kinds of the events since the last time this was called.
    pub(super) fn take_events(&self) -> Vec<EventKind> {
        self.events.lock().unwrap().drain(..).map(|event| event.kind).collect()
    }
}

pub(super) fn with_bearer(token: &str) -> Request<()> {
    request("/me", &[("authorization", &format!("Bearer {token}"))])
}

pub(super) fn answer(request: Request<()>) -> Response<Bytes> {
    let user = match request.uri().path() {
        "/optional" => Authenticated::<Claims>::from_extensions(request.extensions()),
        _ => Authenticated::<Claims>::required(request.extensions()).map(Some),
    };
    match user {
        Ok(Some(user)) => Response::new(Bytes::from(user.subject().to_string())),
        Ok(None) => Response::new(Bytes::from_static(b"-")),
        Err(rejection) => rejection.to_response(&request.into_parts().0),
    }
}
