//! Tests of what is answered while the store cannot be reached. No program can be driven into that from outside in the
//! same way on every machine, so here a store is unplugged.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode, header::CONTENT_TYPE},
};
use clap::Parser;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;
use tower_refresh::{
    MemoryStore, SessionHandle, Subject, Timestamp,
    event::EndReason,
    store::{SessionStore, StoreError, StoreErrorKind},
};
use tower_refresh_core::SessionRow;

use crate::{app::on_store, cookies::CookieNames, options::Options, store::StoreUrl};

#[derive(Clone, Default)]
struct Unpluggable {
    store: MemoryStore,
    unplugged: Arc<AtomicBool>,
}

impl Unpluggable {
    fn plugged(&self) -> Result<&MemoryStore, StoreError> {
        if self.unplugged.load(Ordering::SeqCst) {
            return Err(StoreError::with_source(StoreErrorKind::Unavailable, "the cable is out"));
        }
        Ok(&self.store)
    }
}

impl SessionStore for Unpluggable {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.plugged()?.create(row).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.plugged()?.load(handle).await
    }

    async fn compare_and_swap(&self, row: &SessionRow) -> Result<bool, StoreError> {
        self.plugged()?.compare_and_swap(row).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.plugged()?.end(handle, reason, now).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.plugged()?.end_subject(subject, except, reason, now).await
    }

    async fn list(&self, subject: &Subject, now: Timestamp) -> Result<Vec<SessionRow>, StoreError> {
        self.plugged()?.list(subject, now).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.plugged()?.purge_dead(dead_before).await
    }
}

/// The application on a store that was unplugged after alice had logged in, and her refresh cookie.
async fn unplugged() -> (Router, String) {
    let store = Unpluggable::default();
    let options = Options::parse_from(["demo"]);
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let stopping = Arc::new(watch::Sender::new(false));
    let router = on_store(&options, &StoreUrl::Memory, store.clone(), metrics, stopping).unwrap().router;
    let login = r#"{"username":"alice","password":"alice-password"}"#;
    let request = Request::post("/login").header(CONTENT_TYPE, "application/json").body(Body::from(login));
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let CookieNames { refresh, .. } = options.cookie_names();
    let token = options.cookie_names().new_refresh_token(response.headers()).unwrap();
    store.unplugged.store(true, Ordering::SeqCst);
    (router, format!("{refresh}={token}"))
}

async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1024).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn health_names_the_reason() {
    let (router, _) = unplugged().await;
    let (status, problem) = ask(&router, Request::get("/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem["detail"], "the session store is unavailable: the cable is out");
}

#[tokio::test]
async fn who_is_there_cannot_be_told_and_public_does_not_mind() {
    let (router, cookie) = unplugged().await;
    for (method, path, expected) in [
        ("GET", "/me", StatusCode::SERVICE_UNAVAILABLE),
        ("GET", "/optional", StatusCode::SERVICE_UNAVAILABLE),
        ("POST", "/auth/refresh", StatusCode::SERVICE_UNAVAILABLE),
        ("POST", "/auth/logout", StatusCode::SERVICE_UNAVAILABLE),
        ("GET", "/public", StatusCode::OK),
    ] {
        let request = Request::builder().method(method).uri(path).header("cookie", &cookie);
        let (status, body) = ask(&router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, expected, "{path}");
        if status == StatusCode::OK {
            assert_eq!(body, json!({ "authenticated": false, "sub": null }));
        } else {
            assert_eq!(body["status"], 503);
        }
    }
}
