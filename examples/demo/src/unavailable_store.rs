//! Tests of the responses while the store is unavailable. From outside the process this cannot be caused in the same way on
//! every machine, so these tests use a store with a switch.

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
    store::{Page, SessionStore, StoreError, StoreErrorKind},
};
use tower_refresh_core::SessionRow;

use crate::{app::on_store, cookies::CookieNames, options::Options, store::StoreUrl};

#[derive(Clone, Default)]
struct SwitchableStore {
    store: MemoryStore,
    unavailable: Arc<AtomicBool>,
}

impl SwitchableStore {
    fn available(&self) -> Result<&MemoryStore, StoreError> {
        if self.unavailable.load(Ordering::SeqCst) {
            return Err(StoreError::with_source(StoreErrorKind::Unavailable, "connection refused"));
        }
        Ok(&self.store)
    }
}

impl SessionStore for SwitchableStore {
    async fn create(&self, row: &SessionRow) -> Result<(), StoreError> {
        self.available()?.create(row).await
    }

    async fn load(&self, handle: SessionHandle) -> Result<Option<SessionRow>, StoreError> {
        self.available()?.load(handle).await
    }

    fn has_version(&self, handle: SessionHandle, version: u64) -> Option<bool> {
        self.available().ok()?.has_version(handle, version)
    }

    async fn compare_and_swap(&self, row: &SessionRow, version: u64) -> Result<bool, StoreError> {
        self.available()?.compare_and_swap(row, version).await
    }

    async fn end(
        &self,
        handle: SessionHandle,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.available()?.end(handle, reason, now, version).await
    }

    async fn end_subject(
        &self,
        subject: &Subject,
        except: Option<SessionHandle>,
        reason: EndReason,
        now: Timestamp,
        version: u64,
    ) -> Result<Vec<SessionHandle>, StoreError> {
        self.available()?.end_subject(subject, except, reason, now, version).await
    }

    async fn outdate_claims(
        &self,
        handle: SessionHandle,
        now: Timestamp,
        version: u64,
    ) -> Result<Option<u32>, StoreError> {
        self.available()?.outdate_claims(handle, now, version).await
    }

    async fn list(
        &self,
        subject: &Subject,
        now: Timestamp,
        page: Page,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.available()?.list(subject, now, page).await
    }

    async fn purge_dead(&self, dead_before: Timestamp) -> Result<u64, StoreError> {
        self.available()?.purge_dead(dead_before).await
    }
}

/// The application on a store that became unavailable after alice had logged in, and her refresh cookie.
async fn with_unavailable_store() -> (Router, String) {
    let store = SwitchableStore::default();
    let options = Options::parse_from(["demo"]);
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let stopping = Arc::new(watch::Sender::new(false));
    let router = on_store(&options, &StoreUrl::Memory, store.clone(), metrics, stopping).unwrap().router;
    let login = r#"{"username":"alice","password":"alice-password"}"#;
    let request = Request::post("/login").header(CONTENT_TYPE, "application/json").body(Body::from(login));
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let CookieNames { refresh, .. } = options.cookie_names();
    let token = options.cookie_names().new_refresh_token(response.headers()).unwrap();
    store.unavailable.store(true, Ordering::SeqCst);
    (router, format!("{refresh}={token}"))
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1024).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn healthz_reports_the_reason() {
    let (router, _) = with_unavailable_store().await;
    let (status, problem) = send(&router, Request::get("/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(problem["detail"], "the session store is unavailable: connection refused");
}

#[tokio::test]
async fn routes_that_need_the_store_are_unavailable_and_public_is_served() {
    let (router, cookie) = with_unavailable_store().await;
    for (method, path, expected) in [
        ("GET", "/me", StatusCode::SERVICE_UNAVAILABLE),
        ("GET", "/optional", StatusCode::SERVICE_UNAVAILABLE),
        ("POST", "/auth/refresh", StatusCode::SERVICE_UNAVAILABLE),
        ("POST", "/auth/logout", StatusCode::SERVICE_UNAVAILABLE),
        ("GET", "/public", StatusCode::OK),
    ] {
        let request = Request::builder().method(method).uri(path).header("cookie", &cookie);
        let (status, body) = send(&router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, expected, "{path}");
        if status == StatusCode::OK {
            assert_eq!(body, json!({ "authenticated": false, "sub": null }));
        } else {
            assert_eq!(body["status"], 503);
        }
    }
}
