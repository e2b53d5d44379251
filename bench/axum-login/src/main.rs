//! A route behind axum-login 0.18, with its sessions in Redis, PostgreSQL or SQLite: `axum-login-server STORE URL`. It prints the
//! port it listens on, and stops at the end of its input.
//!
//! The user comes from memory, so that a request asks the store for the session and for nothing else.

use std::{collections::HashMap, convert::Infallible, hint::black_box, io, sync::Arc};

use axum::{Router, routing};
use axum_login::{
    AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend,
    tower_sessions::{SessionManagerLayer, SessionStore},
};
use tokio::{net::TcpListener, runtime::Builder};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike, Config, Pool},
};
use tower_sessions_sqlx_store::{
    PostgresStore, SqliteStore,
    sqlx::{
        PgPool, SqlitePool,
        sqlite::{SqliteConnectOptions, SqliteJournalMode},
    },
};

/// As in the documentation of tower-sessions-redis-store.
const REDIS_CONNECTIONS: usize = 6;
const THREADS: usize = 2;

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

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, store, url] = &*arguments else { panic!("axum-login-server STORE URL") };
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
    runtime.block_on(async {
        match &**store {
            "redis" => {
                let pool =
                    Pool::new(Config::from_url(url).unwrap(), None, None, None, REDIS_CONNECTIONS).unwrap();
                pool.connect();
                pool.wait_for_connect().await.unwrap();
                serve(RedisStore::new(pool)).await;
            }
            "postgres" => {
                let store = PostgresStore::new(PgPool::connect(url).await.unwrap());
                store.migrate().await.unwrap();
                serve(store).await;
            }
            "sqlite" => {
                let options = SqliteConnectOptions::new().filename(url).create_if_missing(true);
                let options = options.journal_mode(SqliteJournalMode::Wal);
                let store = SqliteStore::new(SqlitePool::connect_with(options).await.unwrap());
                store.migrate().await.unwrap();
                serve(store).await;
            }
            other => panic!("unknown store: {other}"),
        }
    });
}

async fn serve<S: SessionStore + Clone>(store: S) {
    let users = Users(Arc::new(HashMap::from([(1, User { id: 1, name: "Alice".to_owned() })])));
    let sessions = SessionManagerLayer::new(store);
    let router = Router::new()
        .route("/me", routing::get(me))
        .route("/login", routing::post(login))
        .layer(AuthManagerLayerBuilder::new(users, sessions).build());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    tokio::task::spawn_blocking(|| {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    axum::serve(listener, router).await.unwrap();
}

async fn login(mut session: AuthSession<Users>) {
    let user = session.authenticate(1).await.unwrap().unwrap();
    session.login(&user).await.unwrap();
}

async fn me(session: AuthSession<Users>) -> &'static str {
    black_box(&session.user.unwrap().name);
    "hello"
}
