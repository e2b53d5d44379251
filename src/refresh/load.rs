//! The first half: load the session, classify the token, reload the claims.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::{
    EndReason, SessionRow, StoreError, Timestamp,
    rotation::{Attempt, TokenClass, classify, roll_forward},
};

use crate::{CustomClaims, SessionInfo, event::EventKind, shared::Shared, token::RefreshToken, user::User};

/// What the first half found.
pub(crate) enum Loaded<C> {
    /// The refresh token authenticates.
    Live(Box<Live<C>>),
    /// The valid access token does: its session is live.
    Confirmed(Arc<User<C>>),
    /// It does not.
    Dead(Dead),
    /// The store or the claims source failed (c11): nobody can tell, and nothing was changed.
    Unavailable,
}

pub(crate) struct Live<C> {
    pub(crate) class: TokenClass,
    pub(crate) row: Box<SessionRow>,
    pub(crate) user: Arc<User<C>>,
    /// When the claims were asked for.
    pub(crate) claims_at: Timestamp,
}

/// Why a token does not authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    /// The session has ended or expired, and not by this request: its cookies are of no more use.
    Over,
    /// Any other reason. A newer login may be on its way to the same browser, so its cookies stay.
    Refused,
}

impl Dead {
    /// Of a session that has ended, expired, or is being ended. One that a login in the same browser replaces is no reason
    /// to remove cookies: the browser may have the newer ones by the time it hears of it.
    fn of(row: &SessionRow, now: Timestamp) -> Self {
        match row.ended {
            Some(ended) if ended.reason == EndReason::Superseded => Self::Refused,
            None if row.is_live(now) => Self::Refused,
            _ => Self::Over,
        }
    }
}

/// How much the first half may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// The refresh token decides who is there.
    Deciding,
    /// A valid access token has decided already: nothing is ended, mended or refused.
    Advisory,
}

/// Asks whether the session of a valid access token is still live.
async fn confirm<C: CustomClaims>(shared: &Shared<C>, user: Arc<User<C>>) -> Loaded<C> {
    match shared.store.load(user.session).await {
        Ok(Some(row)) if row.is_live(shared.now()) => Loaded::Confirmed(user),
        Ok(Some(row)) => Loaded::Dead(Dead::of(&row, shared.now())),
        Ok(None) => Loaded::Dead(Dead::Refused),
        Err(error) => {
            shared.store_failed(user.session, Some(user.subject.clone()), error);
            Loaded::Unavailable
        }
    }
}

/// Asks whether the session of a valid access token is still live; if it is not, the token counts for nothing, and
/// `refresh_token` decides, where one is given.
pub(crate) async fn confirm_or_load<C: CustomClaims>(
    shared: Arc<Shared<C>>,
    user: Arc<User<C>>,
    refresh_token: Option<RefreshToken>,
) -> Arc<Loaded<C>> {
    let confirmed = confirm(&shared, user).await;
    match (&confirmed, refresh_token) {
        (Loaded::Dead(_), Some(token)) => shared.flights.join(&shared, &token, Mode::Deciding).await,
        _ => Arc::new(confirmed),
    }
}

const MOST_ROUNDS: usize = 3;

pub(crate) async fn load<C: CustomClaims>(
    shared: Arc<Shared<C>>,
    token: RefreshToken,
    mode: Mode,
) -> Loaded<C> {
    for _ in 0..MOST_ROUNDS {
        let row = match shared.store.load(token.handle).await {
            Ok(row) => row.map(Box::new),
            Err(error) => {
                shared.store_failed(token.handle, None, error);
                return Loaded::Unavailable;
            }
        };
        let now = shared.now();
        let denied = shared.is_denied(token.handle, now);
        let attempt = Attempt::new(row.as_deref(), token.generation, now).with_denied(denied);
        let class = classify(&attempt, &shared.settings.policy);
        let Some(row) = row else { return Loaded::Dead(Dead::Refused) };
        let (row, class) = match class {
            TokenClass::Current | TokenClass::Previous => (row, class),
            TokenClass::Late => {
                shared.emit_for(EventKind::Late, &row);
                (row, class)
            }
            TokenClass::Ended => {
                // Perhaps another server ended it, while its access tokens are still about.
                if let Some(ended) = row.ended {
                    shared.deny_ended(row.handle, ended.at);
                }
                return Loaded::Dead(Dead::of(&row, now));
            }
            TokenClass::Expired => return Loaded::Dead(Dead::Over),
            TokenClass::Reuse if mode == Mode::Deciding => {
                shared.emit_for(EventKind::Reuse, &row);
                return end(&shared, row, EndReason::Reuse).await;
            }
            TokenClass::Ahead if mode == Mode::Deciding => {
                match mend(&shared, &row, token.generation, now).await {
                    Ok(Some(mended)) => (mended, TokenClass::Current),
                    Ok(None) => continue,
                    Err(_) => return Loaded::Unavailable,
                }
            }
            TokenClass::Impossible => {
                shared.emit_for(EventKind::Impossible, &row);
                return Loaded::Dead(Dead::Refused);
            }
            _ => return Loaded::Dead(Dead::Refused),
        };
        return with_claims(&shared, class, row, mode).await;
    }
    Loaded::Unavailable
}

/// What was loaded before, with claims of now.
pub(crate) async fn ask_again<C: CustomClaims>(shared: &Arc<Shared<C>>, live: &Live<C>) -> Loaded<C> {
    with_claims(shared, live.class, live.row.clone(), Mode::Deciding).await
}

async fn with_claims<C: CustomClaims>(
    shared: &Arc<Shared<C>>,
    class: TokenClass,
    row: Box<SessionRow>,
    mode: Mode,
) -> Loaded<C> {
    match load_user(shared, &row).await {
        Ok(Some((user, claims_at))) => Loaded::Live(Box::new(Live { class, row, user, claims_at })),
        Ok(None) if mode == Mode::Deciding => end(shared, row, EndReason::Disabled).await,
        Ok(None) => Loaded::Dead(Dead::Refused),
        Err(()) => Loaded::Unavailable,
    }
}

/// The user of a session by the claims source, and when it was asked; `None` if the subject is gone (c12).
pub(super) async fn load_user<C: CustomClaims>(
    shared: &Shared<C>,
    row: &SessionRow,
) -> Result<Option<(Arc<User<C>>, Timestamp)>, ()> {
    let asked_at = shared.now();
    let (subject, session) = (row.subject.clone(), SessionInfo::new(row.clone()));
    let identity = match shared.claims.load(subject, session, shared.store.time_limit()).await {
        Ok(Some(identity)) => identity,
        Ok(None) => return Ok(None),
        Err(error) => {
            shared.failed(EventKind::ClaimsFailed, row.handle, Some(row.subject.clone()), &error);
            return Err(());
        }
    };
    let expires_at = asked_at.saturating_add(shared.settings.policy.access_lifetime).min(row.expires_at());
    let user = User::new(row.subject.clone(), row.handle, identity, expires_at);
    Ok(Some((Arc::new(user), asked_at)))
}

/// Makes up for a write that the store lost (c9); `None` if the session was written meanwhile.
async fn mend<C: CustomClaims>(
    shared: &Shared<C>,
    row: &SessionRow,
    generation: u32,
    now: Timestamp,
) -> Result<Option<Box<SessionRow>>, StoreError> {
    let mut mended = Box::new(roll_forward(row, generation, now));
    match shared.store.compare_and_swap(&mended).await {
        Ok(true) => {
            shared.emit_for(EventKind::Ahead, &mended);
            mended.version = mended.version.saturating_add(1);
            Ok(Some(mended))
        }
        Ok(false) => Ok(None),
        Err(error) => Err(shared.store_failed(row.handle, Some(row.subject.clone()), error)),
    }
}

/// Boxed, because the future of every refresh would be twice as large with room for it.
fn end<C: CustomClaims>(
    shared: &Arc<Shared<C>>,
    row: Box<SessionRow>,
    reason: EndReason,
) -> BoxFuture<'_, Loaded<C>> {
    let end = async move {
        match shared.end(row.handle, Some(row.subject), reason).await {
            Ok(_) => Loaded::Dead(Dead::Refused),
            Err(_) => Loaded::Unavailable,
        }
    };
    end.boxed()
}
