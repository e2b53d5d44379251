//! The `Debug` of every public type.

use std::{
    convert::Infallible,
    fmt::Debug,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_refresh::{
    Assessment, Auth, Authenticated, ConfigError, DeviceBinding, FeedLossPolicy, Identity,
    InvalidClaimsReason, InvalidLoginOptionsReason, InvalidTokenReason, KeyRing, LateBudget, LoginOptions,
    MemoryStore, PolicyError, ReauthOptions, Rejection, RotationPolicy, Session, SessionHandle, SystemClock,
    Verifier,
    event::{EndReason, EventKind, RejectionReason, TokenClass},
    keys::{Algorithm, KeyError, RefreshKey, SigningKey, VerifyingKey},
    store::{Ended, StoreError, StoreErrorKind},
};

use super::search::{Secrets, noise};
use crate::support::{Browser, Claims, World, request};

/// The `Debug` output of each type.
#[derive(Default)]
struct Shown(Vec<(&'static str, String)>);

impl Shown {
    fn of(&mut self, name: &'static str, value: &impl Debug) {
        let (short, long) = (format!("{value:?}"), format!("{value:#?}"));
        assert!(!short.is_empty(), "{name} shows nothing at all");
        self.0.push((name, format!("{short}\n{long}")));
    }
}

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("../../keys/", $name, ".pem"))
    };
}

/// A key ring with keys of every kind.
fn ring(secrets: &mut Secrets) -> KeyRing {
    for (what, private, public) in [
        ("the Ed25519 key", pem!("ed25519"), pem!("ed25519.pub")),
        ("the P-256 key", pem!("es256"), pem!("es256.pub")),
        ("the P-384 key", pem!("es384"), pem!("es384.pub")),
        ("the RSA key", pem!("rsa"), pem!("rsa.pub")),
    ] {
        secrets.private_key(what, private, public);
    }
    let refresh_keys: [[u8; 32]; 2] = [2, 3].map(|seed| *noise(seed).first_chunk().unwrap());
    for seed in 1..4 {
        secrets.bytes("a secret key", noise(seed));
    }
    KeyRing::ed25519_pem(pem!("ed25519"))
        .unwrap()
        .retire(SigningKey::from_pem(Algorithm::Es256, pem!("es256")).unwrap())
        .retire(SigningKey::from_pem(Algorithm::Es384, pem!("es384")).unwrap())
        .retire(SigningKey::from_pem(Algorithm::Rs256, pem!("rsa")).unwrap())
        .retire(SigningKey::from_secret(Algorithm::Hs256, noise(1)).unwrap())
        .accept(VerifyingKey::from_secret(Algorithm::Hs384, noise(2)).unwrap())
        .refresh_key(RefreshKey::from_bytes(refresh_keys[0]))
        .accept_refresh_key(RefreshKey::from_bytes(refresh_keys[1]).with_id(1))
}

fn show_keys(shown: &mut Shown, secrets: &mut Secrets) {
    shown.of("KeyRing", &ring(secrets));
    shown.of("SigningKey", &SigningKey::from_pem(Algorithm::EdDsa, pem!("ed25519")).unwrap());
    shown.of("SigningKey", &SigningKey::from_pem(Algorithm::Ps256, pem!("rsa")).unwrap());
    shown.of("SigningKey", &SigningKey::from_secret(Algorithm::Hs256, noise(1)).unwrap());
    shown.of("VerifyingKey", &VerifyingKey::from_secret(Algorithm::Hs256, noise(1)).unwrap());
    shown.of("RefreshKey", &RefreshKey::from_bytes(*noise(2).first_chunk().unwrap()));
    shown.of(
        "RefreshKey",
        &RefreshKey::derive(&SigningKey::from_secret(Algorithm::Hs256, noise(1)).unwrap()).unwrap(),
    );
    shown.of("KeyError", &SigningKey::from_secret(Algorithm::Hs512, noise(1)).unwrap_err());
    shown.of("KeyError", &SigningKey::from_pem(Algorithm::EdDsa, pem!("rsa")).unwrap_err());
    shown.of("KeyError", &KeyError::UnusableKey);
}

fn show_settings(shown: &mut Shown, secrets: &mut Secrets) {
    shown.of("Assessment", &Assessment::RequireLogin);
    let builder = Auth::<Claims>::builder(ring(secrets)).issuer("https://api.example.com");
    shown.of("AuthBuilder", &builder);
    shown.of("ConfigError", &builder.build().unwrap_err());
    let clash = ring(secrets).accept_refresh_key(RefreshKey::from_bytes([9; 32]).with_id(1));
    let error = Auth::<Claims>::builder(clash)
        .issuer("i")
        .audience("a")
        .store(MemoryStore::new())
        .claims(|_, _| async { Ok::<_, Infallible>(None) })
        .build()
        .unwrap_err();
    assert!(matches!(error, ConfigError::InvalidKey(KeyError::DuplicateRefreshKeyId)), "{error:?}");
    shown.of("ConfigError", &error);
    shown.of("RotationPolicy", &RotationPolicy::balanced());
    shown.of("LateBudget", &LateBudget::Unbounded);
    shown.of("PolicyError", &PolicyError::DampingTooShort);
    shown.of("FeedLossPolicy", &FeedLossPolicy::AskStore);
    shown.of("DeviceBinding", &DeviceBinding::Enforce);
    shown.of("SystemClock", &SystemClock);
    shown.of("Identity", &Identity::new(()).scope("user"));
    shown.of("StoreError", &StoreError::new(StoreErrorKind::Unavailable));
    shown.of("StoreErrorKind", &StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn no_public_type_shows_a_secret() {
    let mut secrets = Secrets::default();
    let mut shown = Shown::default();
    show_keys(&mut shown, &mut secrets);
    show_settings(&mut shown, &mut secrets);

    let attempts = Arc::<Mutex<Vec<String>>>::default();
    let shown_attempts = attempts.clone();
    let world = World::with(move |builder| {
        builder.assess(move |attempt| {
            shown_attempts.lock().unwrap().push(format!("{attempt:?} {attempt:#?}"));
            Assessment::Allow
        })
    });
    world.auth.rotate_keys(ring(&mut secrets)).unwrap();
    let mut browser = Browser::logged_in(&world, "alice").await;
    secrets.cookies(&browser);
    let bearer = format!("Bearer {}", browser.access().unwrap());
    world.clock.advance(Duration::from_secs(540));

    // Inside a request with all credentials: a bearer token that expires soon, and both cookies.
    let mut request = browser.request("/");
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let service = service_fn(|request: Request<()>| async move {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        let user = Authenticated::<Claims>::required(request.extensions()).unwrap();
        let tokens = session.refresh().await.unwrap();
        Ok::<_, Infallible>(Response::new((session, user, tokens)))
    });
    let mut service = world.auth.layer().layer(service);
    shown.of("Refresh", &service);
    let future = service.call(request);
    shown.of("ResponseFuture", &future);
    let response = future.await.unwrap();
    browser.keep(response.headers());
    secrets.access_token(response.headers()["x-access-token"].to_str().unwrap());
    secrets.cookies(&browser);
    shown.of("the headers of a response", response.headers());
    let (session, user, tokens) = response.body();
    shown.of("Session", session);
    shown.of("Authenticated", user);
    shown.of("Subject", user.subject());
    shown.of("SessionHandle", &user.session().unwrap());
    shown.of("Timestamp", &user.expires_at());
    shown.of("TokenResponse", tokens);
    let page = world.auth.sessions("alice", None).await.unwrap();
    shown.of("SessionPage", &page);
    shown.of("SessionInfo", &page[0]);
    let row = world.store.row(user.session().unwrap()).await.unwrap();
    shown.of("SessionRow", &row);
    shown.of("SessionMeta", &row.meta);
    shown.of("Ended", &Ended::new(EndReason::Logout, user.expires_at()));
    shown.of("ParseSessionHandleError", &"no handle".parse::<SessionHandle>());

    // A native client's tokens, and the error without one.
    let native = Mutex::default();
    let login = service_fn(async |request: Request<()>| {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        *native.lock().unwrap() = Some(session.login_native("alice").await.unwrap());
        Ok::<_, Infallible>(Response::new(()))
    });
    world.auth.layer().layer(login).oneshot(crate::support::request("/", &[])).await.unwrap();
    let tokens = native.into_inner().unwrap().unwrap();
    secrets.access_token(tokens.access_token());
    secrets.refresh_token(tokens.refresh_token().unwrap());
    shown.of("NativeTokenResponse", &tokens);
    shown.of("TokenError", &world.auth.refresh_token_grant(b"refresh_token=x").await.unwrap_err());

    // A request that waits for a refresh.
    world.clock.advance(Duration::from_secs(600));
    shown.of("ResponseFuture", &service.call(browser.request("/")));

    let mut guarded = world.auth.require_scope("admin").layer(service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(bytes::Bytes::new()))
    }));
    shown.of("RequireAuth", &guarded);
    let future = guarded.call(request_with(&bearer));
    shown.of("RequireAuthFuture", &future);
    let rejected = future.await.unwrap();
    shown.of("RequireAuthLayer", &world.auth.require_auth());
    shown.of("InvalidLoginPage", &world.auth.require_auth().login_page("//").unwrap_err());
    let rejection = rejected.extensions().get::<Rejection>().unwrap();
    shown.of("Rejection", rejection);
    let rejected = world.send(request_with("Bearer a.b.c")).await;
    let rejection = rejected.extensions().get::<Rejection>().unwrap();
    shown.of("Rejection", rejection);
    shown.of("RejectionKind", rejection.kind());
    shown.of("InvalidClaimsReason", &InvalidClaimsReason::TooLarge);
    shown.of("InvalidLoginOptionsReason", &InvalidLoginOptionsReason::IdleTooShort);
    shown.of("InvalidTokenReason", &InvalidTokenReason::BadSignature);

    let key = VerifyingKey::from_secret(Algorithm::Hs256, noise(1)).unwrap();
    let builder = Verifier::<Claims>::builder().issuer("https://issuer").audience("orders").keys([key]);
    shown.of("VerifierBuilder", &builder);
    let verifier = builder.build().unwrap();
    shown.of("Verifier", &verifier);
    shown.of("VerifyLayer", &verifier.layer());
    let mut verify =
        verifier.layer().layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) }));
    shown.of("VerifyFuture", &verify.call(request_with("Bearer a.b.c")));
    shown.of("VerifyError", &verifier.verify("a.b.c").await.unwrap_err());

    shown.of("Auth", &world.auth);
    shown.of("RefreshLayer", &world.auth.layer());
    shown.of("Jwks", &world.auth.jwks());
    shown.of("MemoryStore", &world.store.inner);
    shown.of("LoginOptions", &LoginOptions::new().label("a phone"));
    shown.of("ReauthOptions", &ReauthOptions::new().data("a passkey"));
    shown.of("Event", &*world.events.lock().unwrap());
    shown.of("EventKind", &EventKind::End(EndReason::Logout));
    shown.of("RejectionReason", &RejectionReason::InvalidToken(InvalidTokenReason::BadSignature));
    shown.of("EndReason", &EndReason::Logout);
    shown.of("ParseEndReasonError", &"no reason".parse::<EndReason>().unwrap_err());
    shown.of("TokenClass", &TokenClass::Current);
    shown.of("SessionHandle", &SessionHandle::from_bytes([7; 16]));

    let attempt = attempts.lock().unwrap().pop().unwrap();
    shown.0.push(("RefreshAttempt", attempt));

    for (name, text) in &shown.0 {
        secrets.assert_absent(name, text);
    }
    let absent: Vec<_> =
        public_types().filter(|name| !shown.0.iter().any(|(shown, _)| shown == name)).collect();
    assert_eq!(absent, Vec::<&str>::new(), "these are public and were not shown");
}

fn request_with(bearer: &str) -> Request<()> {
    request("/me", &[("authorization", bearer)])
}

/// The types that the root of the crate exports.
fn public_types() -> impl Iterator<Item = &'static str> {
    const TRAITS_AND_MARKERS: [&str; 6] =
        ["Clock", "CustomClaims", "FeedWatcher", "ProblemResponse", "RespondToRejection", "SessionStore"];
    let exports = include_str!("../../../src/lib.rs")
        .split("pub use ")
        .skip(1)
        .filter_map(|rest| rest.split(';').next());
    exports
        .flat_map(|names| names.split(|char: char| !char.is_alphanumeric()))
        .filter(|name| name.starts_with(char::is_uppercase) && !TRAITS_AND_MARKERS.contains(name))
}
