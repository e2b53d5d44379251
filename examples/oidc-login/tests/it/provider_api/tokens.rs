//! The provider's tokens of a user, as the guide's chapter *Calling a provider's API* shows it.

use tokio_postgres::{Client, types::ToSql};

/// What the provider answers to a refresh token.
pub(super) struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) expires_at: i64,
}

/// An access token of the provider for this user. `None` if the user has not connected the provider.
pub(super) async fn access_token<E: From<tokio_postgres::Error>>(
    database: &mut Client,
    subject: &str,
    now: i64,
    refresh: impl AsyncFnOnce(String) -> Result<Tokens, E>,
) -> Result<Option<String>, E> {
    let still_needed = now + 60;
    let fresh = "SELECT access_token FROM provider_token WHERE subject = $1 AND expires_at > $2";
    if let Some(row) = database.query_opt(fresh, &[&subject, &still_needed]).await? {
        return Ok(Some(row.get("access_token")));
    }
    let transaction = database.transaction().await?;
    let locked = "SELECT * FROM provider_token WHERE subject = $1 FOR UPDATE";
    let Some(row) = transaction.query_opt(locked, &[&subject]).await? else { return Ok(None) };
    // Another one may have refreshed it while this one waited for the lock.
    if row.get::<_, i64>("expires_at") > still_needed {
        return Ok(Some(row.get("access_token")));
    }
    let tokens = refresh(row.get("refresh_token")).await?;
    let update =
        "UPDATE provider_token SET access_token = $2, refresh_token = $3, expires_at = $4 WHERE subject = $1";
    let columns: [&(dyn ToSql + Sync); 4] =
        [&subject, &tokens.access_token, &tokens.refresh_token, &tokens.expires_at];
    transaction.execute(update, &columns).await?;
    transaction.commit().await?;
    Ok(Some(tokens.access_token))
}
