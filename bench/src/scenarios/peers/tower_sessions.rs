//! tower-sessions, with the user's name in the session and the sessions in memory.

use std::hint::black_box;

use axum::{Router, routing::get};
use tower::ServiceExt;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

use super::cookie;
use crate::{
    ours::User,
    requests::{self, Batches, requests, runtime},
};

pub(super) fn request() -> Batches {
    let runtime = runtime();
    let router = Router::new()
        .route("/me", get(me))
        .route("/login", get(login))
        .layer(SessionManagerLayer::new(MemoryStore::default()))
        .with_state(());
    let Ok(response) = runtime.block_on(router.clone().oneshot(requests::get_path("/login", &[])));
    let cookie = cookie(response.headers());
    requests(runtime, router, move || requests::get(&[("cookie", &cookie)]))
}

async fn login(session: Session) {
    session.insert("user", User { name: "Alice".to_owned() }).await.unwrap();
}

async fn me(session: Session) -> &'static str {
    let user: User = session.get("user").await.unwrap().unwrap();
    black_box(&user.name);
    "hello"
}
