//! The application's store, which is only read: for the sessions that end, and the roles that change.

use std::{future::Future, pin::Pin, sync::Arc};

use anyhow::{Context, Result, bail};
use tower_refresh::{
    SessionHandle, VerifierBuilder,
    store::{SessionStore, StoreError},
};
use tower_refresh_postgres::PostgresOptions;
use tower_refresh_redis::RedisOptions;
use tower_refresh_sqlite::SqliteOptions;
#[cfg(feature = "sqlx")]
use tower_refresh_sqlx::SqlxOptions;

#[cfg(feature = "sqlx")]
use crate::sqlx_store;
use crate::{app, store::StoreUrl, users::Claims};

/// A store of any kind.
pub(super) struct Ended {
    follow: Box<dyn Fn(VerifierBuilder<Claims>) -> VerifierBuilder<Claims> + Send + Sync>,
    check: Arc<dyn Fn() -> Check + Send + Sync>,
}

type Check = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

impl Ended {
    pub(super) async fn open(url: &str) -> Result<Self> {
        let url = StoreUrl::parse(url)?;
        let named = || format!("the store {url}");
        Ok(match &url {
            StoreUrl::Memory => bail!("the store memory: is inside the application's own process"),
            StoreUrl::Sqlite(file) => {
                Self::of(SqliteOptions::new().with_read_only().open(file).await.with_context(named)?)
            }
            StoreUrl::Postgres(server) => {
                Self::of(PostgresOptions::new().with_read_only().connect(server).await.with_context(named)?)
            }
            #[cfg(feature = "sqlx")]
            StoreUrl::Sqlx(server) => {
                let options = SqlxOptions::new().with_read_only();
                Self::of(sqlx_store::open(options, server).await.with_context(named)?)
            }
            StoreUrl::Redis(server) => {
                let options = RedisOptions::new().with_read_only();
                Self::of(app::redis(options, server).await.with_context(named)?)
            }
        })
    }

    fn of<S: SessionStore + Clone>(store: S) -> Self {
        let followed = store.clone();
        Self {
            follow: Box::new(move |builder| builder.ended_sessions(followed.clone())),
            check: Arc::new(move || {
                let store = store.clone();
                Box::pin(async move { store.load(SessionHandle::from_bytes([0; 16])).await.map(drop) })
            }),
        }
    }

    pub(super) fn followed_by(&self, builder: VerifierBuilder<Claims>) -> VerifierBuilder<Claims> {
        (self.follow)(builder)
    }

    /// Whether the store can be reached: a query that returns no session, and for which the rights suffice that the feed needs.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        (self.check)().await
    }
}
