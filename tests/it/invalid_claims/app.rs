//! An application whose claims have a defect on demand.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    middleware,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use tower::ServiceExt;
use tower_refresh::{
    Auth, AuthBuilder, Authenticated, Identity, InvalidClaimsReason, KeyRing, NativeTokenResponse, Rejection,
    Session, Subject,
    event::{Event, EventKind},
};

use crate::support::{
    ManualClock, TestStore,
    world::{AUDIENCE, ISSUER, SECRET},
};

/// What is wrong with claims, or with their scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Longer than a header may be.
    TooLarge,
    /// `Deserialize` fails.
    Unreadable,
    ReservedName,
    DuplicateMember,
    NotAMap,
    /// `Serialize` fails.
    Unwritable,
    SerializePanics,
    DeserializePanics,
    InvalidScope,
}

pub(crate) const DEFECTS: [(Defect, InvalidClaimsReason); 9] = [
    (Defect::TooLarge, InvalidClaimsReason::TooLarge),
    (Defect::Unreadable, InvalidClaimsReason::NotDeserializable),
    (Defect::ReservedName, InvalidClaimsReason::ReservedName),
    (Defect::DuplicateMember, InvalidClaimsReason::DuplicateMember),
    (Defect::NotAMap, InvalidClaimsReason::NotAMap),
    (Defect::Unwritable, InvalidClaimsReason::NotSerializable),
    (Defect::SerializePanics, InvalidClaimsReason::Panicked),
    (Defect::DeserializePanics, InvalidClaimsReason::Panicked),
    (Defect::InvalidScope, InvalidClaimsReason::InvalidScope),
];

/// Claims with one member, `kind`.
pub(crate) struct Fragile {
    kind: String,
    defect: Option<Defect>,
}

/// A value that no response and no event may show.
pub(crate) const PRIVATE: &str = "a private value";

impl Serialize for Fragile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.defect {
            None | Some(Defect::InvalidScope | Defect::TooLarge) => {
                serializer.collect_map([("kind", &self.kind)])
            }
            Some(Defect::Unreadable) => serializer.collect_map([("kind", [PRIVATE])]),
            Some(Defect::ReservedName) => serializer.collect_map([("kind", PRIVATE), ("sub", PRIVATE)]),
            Some(Defect::DuplicateMember) => serializer.collect_map([("kind", PRIVATE), ("kind", PRIVATE)]),
            Some(Defect::NotAMap) => serializer.serialize_str(PRIVATE),
            Some(Defect::Unwritable) => Err(ser::Error::custom(PRIVATE)),
            Some(Defect::SerializePanics) => panic!("the application's own mistake"),
            Some(Defect::DeserializePanics) => serializer.collect_map([("kind", "panic")]),
        }
    }
}

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Members {
            kind: String,
        }
        let Members { kind } = Members::deserialize(deserializer)?;
        assert_ne!(kind, "panic", "the application's own mistake");
        Ok(Self { kind, defect: None })
    }
}

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) auth: Auth<Fragile>,
    pub(crate) clock: ManualClock,
    pub(crate) store: TestStore,
    claims: Arc<Mutex<(usize, Option<Defect>)>>,
    events: Arc<Mutex<Vec<Event>>>,
}

impl App {
    pub(crate) fn new(configure: impl FnOnce(AuthBuilder<Fragile>) -> AuthBuilder<Fragile>) -> Self {
        let (clock, store) = (ManualClock::new(), TestStore::default());
        let claims = Arc::new(Mutex::new((4, None)));
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let (source, log) = (claims.clone(), events.clone());
        let builder = Auth::builder(KeyRing::hs256(SECRET).unwrap())
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .store(store.clone())
            .clock(clock.clone())
            .on_event(move |event| log.lock().unwrap().push(event.clone()))
            .claims(move |_: Subject, _| {
                let (len, defect) = *source.lock().unwrap();
                let scope = if defect == Some(Defect::InvalidScope) { "a \"quoted\" scope" } else { "user" };
                let len = if defect == Some(Defect::TooLarge) { 9000 } else { len };
                let identity = Identity::new(Fragile { kind: "k".repeat(len), defect }).scope(scope);
                async { Ok::<_, Infallible>(Some(identity)) }
            });
        let auth = configure(builder).build().unwrap();
        Self { auth, clock, store, claims, events }
    }

    /// From now on the claims source returns claims with this defect, or valid ones.
    pub(crate) fn set_defect(&self, defect: Option<Defect>) {
        self.claims.lock().unwrap().1 = defect;
    }

    /// From now on the claim has this length.
    pub(crate) fn set_len(&self, len: usize) {
        self.claims.lock().unwrap().0 = len;
    }

    /// The kinds of the events since the last call.
    pub(crate) fn take_events(&self) -> Vec<EventKind> {
        self.events.lock().unwrap().drain(..).map(|event| event.kind).collect()
    }

    pub(crate) fn events_as_text(&self) -> String {
        format!("{:?}", self.events.lock().unwrap())
    }

    /// As [`send`](Self::send), and runs `work` when the request reaches its handler.
    pub(crate) async fn send_and(
        &self,
        request: Request<Body>,
        work: impl Fn(&Self) + Clone + Send + Sync + 'static,
    ) -> Response<Bytes> {
        let app = self.clone();
        let at_handler = middleware::map_request(move |request: axum::extract::Request| {
            work(&app);
            async { request }
        });
        let router = Router::new()
            .route("/login", get(login))
            .route("/login-native", post(login_native))
            .route("/refresh", get(refresh))
            .route("/me", get(me))
            .route("/optional", get(optional))
            .route("/logout", get(logout))
            .merge(self.auth.routes())
            .merge(self.auth.token_route())
            .layer(at_handler)
            .layer(self.auth.layer());
        let (head, body) = router.oneshot(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Bytes> {
        self.send_and(request, |_| {}).await
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

async fn login(session: Session<Fragile>) -> Result<String, Rejection> {
    Ok(session.login("alice").await?.access_token().to_owned())
}

async fn login_native(session: Session<Fragile>) -> Result<NativeTokenResponse, Rejection> {
    session.login_native("alice").await
}

async fn refresh(session: Session<Fragile>) -> Result<String, Rejection> {
    Ok(session.refresh().await?.access_token().to_owned())
}

async fn me(user: Authenticated<Fragile>) -> String {
    user.subject().to_string()
}

async fn optional(user: Option<Authenticated<Fragile>>) -> String {
    user.is_some().to_string()
}

async fn logout(session: Session<Fragile>) -> Result<(), Rejection> {
    session.logout().await
}
