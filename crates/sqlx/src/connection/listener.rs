//! A connection that receives notifications.

use std::time::Duration;

use sqlx::{
    Error,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};

/// Connects. The connection is not one of the application's pool, so that it takes no place there, and
/// a pool of a single connection is enough.
pub(crate) async fn listener(options: PgConnectOptions, limit: Duration) -> Result<PgListener, Error> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(limit)
        .max_lifetime(None)
        .idle_timeout(None)
        .connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&pool).await?;
    // What is sent between two connections would be missed.
    listener.eager_reconnect(false);
    Ok(listener)
}
