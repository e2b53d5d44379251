//! The first half: load the session, classify the token, reload the claims.

use std::sync::Arc;

use tower_refresh_core::{
    EndReason, Row, Timestamp,
    rotation::{Class, classify, roll_forward},
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
    /// The store or the claims source failed (c10): nobody can tell, and nothing was changed.
    Unavailable,
}

pub(crate) struct Live<C> {
    pub(crate) class: Class,
    pub(crate) row: Row,
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
        Ok(Some(_)) => Loaded::Dead(Dead::Over),
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
            Ok(row) => row,
            Err(error) => {
                shared.store_failed(token.handle, None, error);
                return Loaded::Unavailable;
            }
        };
        let now = shared.now();
        let denied = shared.is_denied(token.handle, now);
        let class = classify(row.as_ref(), denied, token.generation, now, &shared.settings.policy);
        let Some(row) = row else { return Loaded::Dead(Dead::Refused) };
        return match class {
            Class::Current | Class::Previous => identify(&shared, row, class, mode).await,
            Class::Late => {
                shared.emit_for(EventKind::Late, &row);
                identify(&shared, row, class, mode).await
            }
            Class::Ended => {
                // Perhaps another server ended it, while its access tokens are still about.
                if let Some(ended) = row.ended {
                    shared.deny_ended(row.handle, ended.at);
                }
                Loaded::Dead(Dead::Over)
            }
            Class::Expired => Loaded::Dead(Dead::Over),
            Class::Reuse if mode == Mode::Deciding => {
                shared.emit_for(EventKind::Reuse, &row);
                end(&shared, row, EndReason::Reuse).await
            }
            Class::Ahead if mode == Mode::Deciding => {
                let mut mended = roll_forward(&row, token.generation, now);
                match shared.store.compare_and_swap(&mended).await {
                    Ok(true) => {
                        shared.emit_for(EventKind::Ahead, &mended);
                        mended.version = mended.version.saturating_add(1);
                        identify(&shared, mended, Class::Current, mode).await
                    }
                    Ok(false) => continue,
                    Err(error) => {
                        shared.store_failed(row.handle, Some(row.subject), error);
                        Loaded::Unavailable
                    }
                }
            }
            Class::Impossible => {
                shared.emit_for(EventKind::Impossible, &row);
                Loaded::Dead(Dead::Refused)
            }
            _ => Loaded::Dead(Dead::Refused),
        };
    }
    Loaded::Unavailable
}

async fn identify<C: CustomClaims>(shared: &Arc<Shared<C>>, row: Row, class: Class, mode: Mode) -> Loaded<C> {
    match load_user(shared, &row).await {
        Ok(Some((user, claims_at))) => Loaded::Live(Box::new(Live { class, row, user, claims_at })),
        Ok(None) if mode == Mode::Deciding => end(shared, row, EndReason::Disabled).await,
        Ok(None) => Loaded::Dead(Dead::Refused),
        Err(()) => Loaded::Unavailable,
    }
}

/// The user of a session by the claims source, and when it was asked; `None` if the subject is gone (c11).
pub(super) async fn load_user<C: CustomClaims>(
    shared: &Shared<C>,
    row: &Row,
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
    let user = User {
        subject: row.subject.clone(),
        session: row.handle,
        scope: identity.scope,
        expires_at: asked_at.saturating_add(shared.settings.policy.access_lifetime).min(row.expires_at()),
        claims: identity.claims,
    };
    Ok(Some((Arc::new(user), asked_at)))
}

async fn end<C: CustomClaims>(shared: &Arc<Shared<C>>, row: Row, reason: EndReason) -> Loaded<C> {
    match shared.end(row.handle, Some(row.subject), reason).await {
        Ok(_) => Loaded::Dead(Dead::Refused),
        Err(_) => Loaded::Unavailable,
    }
}
