//! Loading the user of a session, with claims that fit into an access token.

use tower_refresh_core::SessionRow;

use super::error::RefreshError;
use crate::{
    CustomClaims,
    access_token::InvalidClaims,
    event::{About, ClientInfo, EventKind},
    refresh_token::RefreshTransport,
    sessions::Sessions,
    tokens::{PreparedUser, Tokens},
};

/// The user of a session as of now, whose refresh tokens have this transport; `None` if the claims source does not know the
/// subject (c12). A failure has been reported.
pub(super) async fn load_user<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    row: &SessionRow,
    transport: RefreshTransport,
    client: &ClientInfo,
) -> Result<Option<PreparedUser<C>>, RefreshError> {
    let load = sessions.claims.load_user(row, client).await.map_err(|_| RefreshError::Unavailable)?;
    let Some(load) = load else { return Ok(None) };
    match tokens.prepare(load, transport) {
        Ok(user) => Ok(Some(user)),
        Err(error) => Err(report_invalid_claims(sessions, row, client, &error)),
    }
}

pub(super) fn report_invalid_claims<C: CustomClaims>(
    sessions: &Sessions<C>,
    row: &SessionRow,
    client: &ClientInfo,
    error: &InvalidClaims,
) -> RefreshError {
    let kind = EventKind::InvalidClaims(error.reason);
    let about = About::client(client).session(Some(row.handle), Some(&row.subject));
    sessions.events.failed(kind, about, error);
    RefreshError::InvalidClaims(error.reason)
}
