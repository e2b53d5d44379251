//! axum-login, with users and sessions in memory.

use std::{collections::HashMap, convert::Infallible, hint::black_box, sync::Arc};

use axum::{Router, routing::get};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use tower::ServiceExt;
use tower_sessions_14::{MemoryStore, SessionManagerLayer};

use super::cookie;
use crate::requests::{self, Batches, requests, runtime};

#[derive(Clone, Debug)]
struct User {
    id: u64,
    name: String,
}

impl AuthUser for User {
    type Id = u64;

    fn id(&self) -> u64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        b"a hash of the password"
    }
}

#[derive(Clone)]
struct Users(Arc<HashMap<u64, User>>);

impl AuthnBackend for Users {
    type User = User;
    type Credentials = u64;
    type Error = Infallible;

    async fn authenticate(&self, id: u64) -> Result<Option<User>, Infallible> {
        self.get_user(&id).await
    }

    async fn get_user(&self, id: &u64) -> Result<Option<User>, Infallible> {
        Ok(self.0.get(id).cloned())
    }
}

pub(super) fn request() -> Batches {
    let runtime = runtime();
    let users = Users(Arc::new(HashMap::from([(1, User { id: 1, name: "Alice".to_owned() })])));
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let router = Router::new()
        .route("/me", get(me))
        .route("/login", get(login))
        .layer(AuthManagerLayerBuilder::new(users, sessions).build())
        .with_state(());
    let Ok(response) = runtime.block_on(router.clone().oneshot(requests::get_path("/login", &[])));
    let cookie = cookie(response.headers());
    requests(runtime, router, move || requests::get(&[("cookie", &cookie)]))
}

async fn login(mut session: AuthSession<Users>) {
    let user = session.authenticate(1).await.unwrap().unwrap();
    session.login(&user).await.unwrap();
}

async fn me(session: AuthSession<Users>) -> &'static str {
    black_box(&session.user.unwrap().name);
    "hello"
}
