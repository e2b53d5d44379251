//! The load: load the session, classify the token, load the claims.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::{
    EndReason, SessionRow, StoreError, Timestamp,
    rotation::{Attempt, TokenClass, classify, roll_forward},
};

use super::{committed::Committed, error::RefreshError};
use crate::{
    CustomClaims,
    claims::{User, UserLoad},
    event::EventKind,
    refresh_token::RefreshToken,
    sessions::Sessions,
};

/// The result of a load.
pub(crate) enum Loaded<C> {
    /// The refresh token authenticates.
    Live(Box<Live<C>>),
    /// The valid access token authenticates: its session is live.
    SessionLive(Arc<User<C>>),
    /// Neither does.
    Inactive(Inactive),
    /// The store or the claims source failed (c11): the user cannot be identified, and nothing was changed.
    Unavailable,
}

impl<C> Loaded<C> {
    /// What a commit needs.
    ///
    /// # Errors
    /// If the refresh token does not authenticate, or the load failed.
    pub(crate) fn live(&self) -> Result<&Live<C>, RefreshError> {
        match self {
            Self::Live(live) => Ok(live),
            Self::SessionLive(_) | Self::Inactive(_) => Err(RefreshError::Inactive),
            Self::Unavailable => Err(RefreshError::Unavailable),
        }
    }
}

pub(crate) struct Live<C> {
    pub(crate) class: TokenClass,
    pub(crate) row: Box<SessionRow>,
    pub(crate) user: Arc<User<C>>,
    /// When the claims source was called.
    pub(crate) claims_at: Timestamp,
    pub(super) committed: Committed,
}

/// Why a token does not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inactive {
    /// The session has ended or expired, and not because of this request: its cookies are useless.
    SessionOver,
    /// Any other reason. A newer login may be on its way to the same browser, or the session goes on (c7), so the cookies stay.
    TokenRejected,
}

impl Inactive {
    /// The reason for a session that has ended or expired, or is being ended. A session that a login in the same browser
    /// superseded is no reason to remove cookies: by the time of the response the browser may have the newer ones.
    pub(super) fn of(row: &SessionRow, now: Timestamp) -> Self {
        match row.ended {
            Some(ended) if ended.reason == EndReason::Superseded => Self::TokenRejected,
            None if row.is_live(now) => Self::TokenRejected,
            _ => Self::SessionOver,
        }
    }
}

/// What the load may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// The refresh token decides who the user is.
    Deciding,
    /// A valid access token has decided: nothing is ended, rolled forward or rejected.
    Advisory,
    /// The refresh token decides, and nothing is changed: another site started the request, and can discard the response, so
    /// that a change would cost the user something.
    ReadOnly,
}

const MOST_ROUNDS: usize = 3;

pub(super) async fn load<C: CustomClaims>(
    sessions: Arc<Sessions<C>>,
    token: RefreshToken,
    mode: Mode,
) -> Loaded<C> {
    for _ in 0..MOST_ROUNDS {
        let Ok(row) = sessions.store.load(token.handle).await else { return Loaded::Unavailable };
        let row = row.map(Box::new);
        let now = sessions.now();
        let denied = sessions.is_denied(token.handle, now);
        let attempt = Attempt::new(row.as_deref(), token.generation, now).with_denied(denied);
        let class = classify(&attempt, &sessions.policy);
        let Some(row) = row else { return Loaded::Inactive(Inactive::TokenRejected) };
        let (row, class) = match class {
            TokenClass::Current | TokenClass::Previous | TokenClass::Overdue => (row, class),
            // The token is genuine and newer than the row, which a request of our own restores.
            TokenClass::Ahead if mode == Mode::ReadOnly => (row, class),
            _ if mode == Mode::ReadOnly && class.is_accepted() => {
                return Loaded::Inactive(Inactive::TokenRejected);
            }
            TokenClass::Late => {
                sessions.events.emit_for(EventKind::Late, &row);
                (row, class)
            }
            TokenClass::Ended => {
                // Another server may have ended it, while its access tokens are still in use.
                if let Some(ended) = row.ended {
                    sessions.deny_ended(row.handle, ended.at);
                }
                return Loaded::Inactive(Inactive::of(&row, now));
            }
            TokenClass::Expired => return Loaded::Inactive(Inactive::SessionOver),
            TokenClass::Reuse => {
                sessions.events.emit_for(EventKind::Reuse, &row);
                if mode != Mode::Deciding {
                    return Loaded::Inactive(Inactive::TokenRejected);
                }
                return end(&sessions, row, EndReason::Reuse).await;
            }
            TokenClass::Ahead if mode == Mode::Deciding => {
                match restore_lost_write(&sessions, &row, token.generation, now).await {
                    Ok(Some(restored)) => (restored, TokenClass::Current),
                    Ok(None) => continue,
                    Err(_) => return Loaded::Unavailable,
                }
            }
            TokenClass::Spent => {
                sessions.events.emit_for(EventKind::Spent, &row);
                return Loaded::Inactive(Inactive::TokenRejected);
            }
            TokenClass::Impossible => {
                sessions.events.emit_for(EventKind::Impossible, &row);
                return Loaded::Inactive(Inactive::TokenRejected);
            }
            _ => return Loaded::Inactive(Inactive::TokenRejected),
        };
        return with_claims(&sessions, class, row, mode).await;
    }
    Loaded::Unavailable
}

/// What was loaded before, with the claims as of now.
pub(super) async fn reload_claims<C: CustomClaims>(sessions: &Arc<Sessions<C>>, live: &Live<C>) -> Loaded<C> {
    with_claims(sessions, live.class, live.row.clone(), Mode::Deciding).await
}

async fn with_claims<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    class: TokenClass,
    row: Box<SessionRow>,
    mode: Mode,
) -> Loaded<C> {
    match sessions.claims.load_user(&row).await {
        Ok(Some(UserLoad { user, claims_at })) => {
            let committed = Committed::not_yet();
            Loaded::Live(Box::new(Live { class, row, user, claims_at, committed }))
        }
        Ok(None) if mode == Mode::Deciding => end(sessions, row, EndReason::Disabled).await,
        Ok(None) => Loaded::Inactive(Inactive::TokenRejected),
        Err(_) => Loaded::Unavailable,
    }
}

/// Restores a rotation that the store lost (c9); `None` if the session was written meanwhile.
async fn restore_lost_write<C: CustomClaims>(
    sessions: &Sessions<C>,
    row: &SessionRow,
    generation: u32,
    now: Timestamp,
) -> Result<Option<Box<SessionRow>>, StoreError> {
    let mut restored = Box::new(roll_forward(row, generation, now));
    let Some(version) = sessions.store.compare_and_swap(&restored).await? else { return Ok(None) };
    sessions.events.emit_for(EventKind::Ahead, &restored);
    restored.version = version;
    Ok(Some(restored))
}

/// Boxed, because the future of every refresh would be twice as large with room for it.
fn end<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    row: Box<SessionRow>,
    reason: EndReason,
) -> BoxFuture<'_, Loaded<C>> {
    let end = async move {
        match sessions.end(row.handle, Some(row.subject), reason).await {
            Ok(_) => Loaded::Inactive(Inactive::TokenRejected),
            Err(_) => Loaded::Unavailable,
        }
    };
    end.boxed()
}
