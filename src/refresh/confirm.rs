//! Asking the store about the session of a valid access token, while the feed of ended sessions is not received.

use std::sync::Arc;

use futures_util::FutureExt;

use super::{
    load::{Inactive, Loaded, Mode},
    loads::{Loading, Loads},
};
use crate::{CustomClaims, claims::User, event::ClientInfo, refresh_token::RefreshToken, sessions::Sessions};

pub(super) fn confirm_or_load<C: CustomClaims>(
    sessions: Arc<Sessions<C>>,
    loads: Loads<C>,
    user: Arc<User<C>>,
    token: Option<RefreshToken>,
    mode: Mode,
    client: ClientInfo,
) -> Loading<C> {
    let confirm_or_load = async move {
        let confirmed = confirm(&sessions, user, &client).await;
        match (&confirmed, token) {
            (Loaded::Inactive(_), Some(token)) => loads.join_or_start(&token, mode, &client).0.await,
            _ => Arc::new(confirmed),
        }
    };
    confirm_or_load.boxed()
}

async fn confirm<C: CustomClaims>(
    sessions: &Sessions<C>,
    user: Arc<User<C>>,
    client: &ClientInfo,
) -> Loaded<C> {
    match sessions.store.load(user.session, Some(&user.subject), client).await {
        Ok(Some(row)) if row.is_live(sessions.now()) => Loaded::SessionLive(user),
        Ok(Some(row)) => Loaded::Inactive(Inactive::of(&row, sessions.now())),
        Ok(None) => Loaded::Inactive(Inactive::TokenRejected),
        Err(_) => Loaded::Unavailable,
    }
}
