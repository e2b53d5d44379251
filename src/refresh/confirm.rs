//! Asking the store about the session of a valid access token, while the feed is not received.

use std::sync::Arc;

use futures_util::FutureExt;

use super::{
    dead::DeadSessions,
    inactive::Inactive,
    load::{Loaded, Mode},
    loads::{Loading, Loads},
};
use crate::{CustomClaims, claims::User, event::ClientInfo, refresh_token::RefreshToken, sessions::Sessions};

pub(super) fn confirm_or_load<C: CustomClaims>(
    sessions: Arc<Sessions<C>>,
    loads: Loads<C>,
    dead: Arc<DeadSessions>,
    user: Arc<User<C>>,
    token: Option<RefreshToken>,
    mode: Mode,
    client: ClientInfo,
) -> Loading<C> {
    let confirm_or_load = async move {
        let confirmed = confirm(&sessions, &dead, user, &client).await;
        match (&confirmed, token) {
            (Loaded::Inactive(_), Some(token)) => loads.join_or_start(&token, mode, &client).0.await,
            _ => Arc::new(confirmed),
        }
    };
    confirm_or_load.boxed()
}

async fn confirm<C: CustomClaims>(
    sessions: &Sessions<C>,
    dead: &DeadSessions,
    user: Arc<User<C>>,
    client: &ClientInfo,
) -> Loaded<C> {
    if let Some(inactive) = dead.find(user.session, sessions.now()) {
        return Loaded::Inactive(inactive);
    }
    match sessions.store.load(user.session, Some(&user.subject), client).await {
        Ok(Some(row)) if row.is_live(sessions.now()) && user.epoch < row.claims_epoch => {
            Loaded::Inactive(Inactive::ClaimsOutdated)
        }
        Ok(Some(row)) if row.is_live(sessions.now()) => Loaded::SessionLive(user),
        Ok(row) => Loaded::Inactive(dead.remember_if_final(user.session, row.as_ref(), sessions.now())),
        Err(_) => Loaded::Unavailable,
    }
}
