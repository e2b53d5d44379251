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

/// How often the claims are loaded for one purpose, if each time a notice outdates them. A request that came before the last one
/// may be served with the claims from before it, and they are checked again before they enter an access token.
const MOST_ROUNDS: usize = 3;

/// The user of a session as of now, whose refresh tokens have this transport; `None` if the claims source does not know the
/// subject (c12). A failure has been reported.
pub(super) async fn load_user<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    row: &SessionRow,
    transport: RefreshTransport,
    client: &ClientInfo,
) -> Result<Option<PreparedUser<C>>, RefreshError> {
    let mut rounds = 1;
    loop {
        let epoch = sessions.epoch_of(row);
        let load = sessions.claims.load_user(row, epoch, client).await;
        let Some(load) = load.map_err(|_| RefreshError::Unavailable)? else { return Ok(None) };
        // They may be from before a notice that has come meanwhile.
        if epoch < sessions.least_epoch(row.handle) && rounds < MOST_ROUNDS {
            rounds += 1;
            continue;
        }
        return match tokens.prepare(load, transport) {
            Ok(user) => Ok(Some(user)),
            Err(error) => Err(report_invalid_claims(sessions, row, client, &error)),
        };
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
