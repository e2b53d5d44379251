//! Our server: a route behind the layer.

use std::{convert::Infallible, hint::black_box, io};

use axum::{Router, extract::State, routing};
use tokio::{net::TcpListener, runtime::Builder};
use tower_refresh::{Auth, Authenticated, Identity, Rejection, Session, store::SessionStore};
use tower_refresh_postgres::PostgresStore;
use tower_refresh_redis::RedisStore;
use tower_refresh_sqlite::SqliteStore;

use crate::{
    algorithm::Algorithm,
    ours::{AUDIENCE, AheadClock, ISSUER, User},
};

const THREADS: usize = 2;

/// Serves with the sessions in this store, prints the port, and stops at the end of its input.
pub fn serve(store: &str, url: &str, event_interval: Option<u32>) {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(THREADS).enable_all();
    if let Some(event_interval) = event_interval {
        builder.event_interval(event_interval);
    }
    let runtime = builder.build().unwrap();
    runtime.block_on(async {
        match store {
            "redis" => listen(RedisStore::connect(url).await.unwrap()).await,
            "postgres" => listen(PostgresStore::connect(url).await.unwrap()).await,
            "sqlite" => listen(SqliteStore::open(url).await.unwrap()).await,
            other => panic!("unknown store: {other}"),
        }
    });
}

async fn listen<S: SessionStore>(store: S) {
    let clock = AheadClock::default();
    let auth = Auth::builder(Algorithm::Hs256.ring())
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .store(store)
        .clock(clock.clone())
        .claims(|_subject, _session| async {
            Ok::<_, Infallible>(Some(Identity::new(User { name: "Alice".to_owned() }).scope("user")))
        })
        .build()
        .unwrap();
    let router = Router::new()
        .route("/me", routing::get(me))
        .route("/login", routing::post(login))
        .layer(auth.layer())
        .route("/expire", routing::post(expire))
        .with_state(clock);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    tokio::task::spawn_blocking(|| {
        _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    axum::serve(listener, router).await.unwrap();
}

async fn me(user: Authenticated<User>) -> &'static str {
    black_box(&user.claims().name);
    "hello"
}

async fn login(session: Session<User>) -> Result<(), Rejection> {
    session.login("alice").await.map(|_| ())
}

/// From now on, all access tokens that were issued have expired.
async fn expire(State(clock): State<AheadClock>) {
    clock.expire_access_tokens();
}
