//! Statements of the guide that its own code does not test.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use tower_refresh::{
    Auth, Authenticated, CustomClaims, Identity, KeyRing, MemoryStore, Session,
    keys::{Algorithm, RefreshKey, SigningKey},
};

#[derive(Clone, Serialize, Deserialize)]
struct Old {
    name: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Grown {
    name: String,
    tenant: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct GrownWithDefault {
    name: String,
    #[serde(default)]
    tenant: String,
}

fn auth<C: CustomClaims + Clone>(keys: KeyRing, store: &MemoryStore, claims: C) -> Auth<C> {
    Auth::builder(keys)
        .issuer("https://api.example.com")
        .audience("guide")
        .store(store.clone())
        .claims(move |_, _| {
            let identity = Identity::new(claims.clone());
            async { Ok::<_, Infallible>(Some(identity)) }
        })
        .build()
        .unwrap()
}

fn app<C: CustomClaims>(auth: &Auth<C>) -> Router {
    Router::new()
        .route("/login", post(async |session: Session<C>| session.login("alice").await.map(|_| ())))
        .route("/me", get(async |_: Authenticated<C>| ()))
        .merge(auth.routes())
        .layer(auth.layer())
}

async fn send(app: &Router, request: axum::http::request::Builder) -> (StatusCode, HeaderMap) {
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    (response.status(), response.headers().clone())
}

/// The `Cookie` header after a login, and the access token in it.
async fn log_in(app: &Router) -> (String, String) {
    let (_, headers) = send(app, Request::post("/login")).await;
    let set = headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let pairs: Vec<_> = set.filter_map(|cookie| cookie.split(';').next()).collect();
    let access = pairs.iter().find_map(|pair| pair.strip_prefix("__Host-access=")).unwrap().to_owned();
    (pairs.join("; "), access)
}

/// The status with the cookies, whether they were renewed, and the status with the access token as a bearer token.
async fn try_both(app: &Router, cookies: &str, access: &str) -> (StatusCode, bool, StatusCode) {
    let (status, headers) = send(app, Request::get("/me").header("cookie", cookies)).await;
    let bearer = format!("Bearer {access}");
    let (by_header, _) = send(app, Request::get("/me").header("authorization", bearer)).await;
    (status, headers.contains_key("set-cookie"), by_header)
}

#[tokio::test]
async fn new_claims_need_a_default_for_bearer_tokens_and_cookies_are_refreshed() {
    let keys = || KeyRing::hs256([1; 32]).unwrap();
    let store = MemoryStore::new();
    let (name, tenant) = ("Alice".to_owned(), "a".to_owned());
    let old = app(&auth(keys(), &store, Old { name: name.clone() }));
    let grown = app(&auth(keys(), &store, Grown { name: name.clone(), tenant: tenant.clone() }));
    let grown_with_default = app(&auth(keys(), &store, GrownWithDefault { name, tenant }));

    let (cookies, access) = log_in(&old).await;
    let (ok, rejected) = (StatusCode::OK, StatusCode::UNAUTHORIZED);
    assert_eq!(try_both(&grown_with_default, &cookies, &access).await, (ok, false, ok));
    assert_eq!(try_both(&grown, &cookies, &access).await, (ok, true, rejected));

    let (cookies, access) = log_in(&grown).await;
    assert_eq!(try_both(&old, &cookies, &access).await, (ok, false, ok));
}

#[tokio::test]
async fn a_stolen_signing_key_is_replaced_without_a_logout_if_the_refresh_key_is_another() {
    let ring = |signing: [u8; 32], refresh: [u8; 32]| {
        let signing = SigningKey::from_secret(Algorithm::Hs256, signing).unwrap();
        KeyRing::new(signing).refresh_key(RefreshKey::from_bytes(refresh))
    };
    let auth = auth(ring([1; 32], [9; 32]), &MemoryStore::new(), ());
    let app = app(&auth);
    let (cookies, access) = log_in(&app).await;

    auth.rotate_keys(ring([2; 32], [9; 32])).unwrap();
    let (ok, rejected) = (StatusCode::OK, StatusCode::UNAUTHORIZED);
    assert_eq!(try_both(&app, &cookies, &access).await, (ok, true, rejected));
    // A client gets a new token without the bearer header, and none with it.
    let bearer = format!("Bearer {access}");
    let with_it = Request::post("/auth/refresh").header("cookie", &cookies).header("authorization", bearer);
    assert_eq!(send(&app, with_it).await.0, rejected);
    let without = Request::post("/auth/refresh").header("cookie", &cookies);
    assert_eq!(send(&app, without).await.0, ok);

    auth.rotate_keys(ring([2; 32], [8; 32])).unwrap();
    assert_eq!(try_both(&app, &cookies, &access).await, (rejected, false, rejected));
}
