//! The load: load the session, classify the token, load the claims.

use std::sync::{Arc, OnceLock};

use futures_util::{FutureExt, future::BoxFuture};
use tower_refresh_core::{
    EndReason, SessionRow, StoreError, Timestamp,
    rotation::{TokenClass, classify, roll_forward},
};

use super::{
    committed::Committed, dead::DeadSessions, error::RefreshError, inactive::Inactive, user::load_user,
};
use crate::{
    Assessment, CustomClaims, InvalidClaimsReason,
    assessment::Assessor,
    claims::User,
    event::{ClientInfo, EventKind},
    refresh_token::RefreshToken,
    sessions::{Reading, Sessions},
    tokens::{Issued, PreparedUser, Tokens},
};

/// The result of a load.
#[allow(clippy::large_enum_variant, reason = "nearly every load is live, and all are in an `Arc`")]
pub(crate) enum Loaded<C> {
    /// The refresh token authenticates.
    Live(Live<C>),
    /// The valid access token authenticates: its session is live.
    SessionLive(Arc<User<C>>),
    /// The access token came from a proof of the device, and authenticates. It is replaced, because its claims were outdated.
    Reissued(Box<Reissued<C>>),
    /// Neither does.
    Inactive(Inactive),
    /// The store or the claims source failed (c11): the user cannot be identified, and nothing was changed.
    Unavailable,
    /// The claims do not fit into an access token: the user can have none, and nothing was changed.
    InvalidClaims(InvalidClaimsReason),
}

impl<C> Loaded<C> {
    /// What a commit needs.
    ///
    /// # Errors
    /// If the refresh token does not authenticate, or the load failed.
    pub(crate) fn live(&self) -> Result<&Live<C>, RefreshError> {
        match self {
            Self::Live(live) => Ok(live),
            Self::Inactive(Inactive::LoginRequired) => Err(RefreshError::LoginRequired),
            Self::Inactive(Inactive::Unproven) => Err(RefreshError::Unproven),
            Self::SessionLive(_) | Self::Reissued(_) | Self::Inactive(_) => Err(RefreshError::Inactive),
            Self::Unavailable => Err(RefreshError::Unavailable),
            Self::InvalidClaims(reason) => Err(RefreshError::InvalidClaims(*reason)),
        }
    }
}

pub(crate) struct Live<C> {
    pub(crate) class: TokenClass,
    pub(crate) row: SessionRow,
    pub(crate) user: PreparedUser<C>,
    /// Before the row was read.
    pub(super) reading: Reading,
    /// The first commit on this load.
    pub(super) committed: OnceLock<Arc<Committed<C>>>,
}

pub(crate) struct Reissued<C> {
    pub(crate) user: Arc<User<C>>,
    /// Without an access token if signing failed, and never with a refresh token.
    pub(crate) issued: Issued,
}

impl<C: CustomClaims> Live<C> {
    /// The user, unless the claims are older than an access token may be, because the handler took that long.
    pub(super) fn recent_user(&self, sessions: &Sessions<C>) -> Option<&PreparedUser<C>> {
        let age = sessions.now().saturating_since(self.user.claims_at);
        (age < sessions.policy.access_lifetime).then_some(&self.user)
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
    tokens: Arc<Tokens<C>>,
    dead: Arc<DeadSessions>,
    token: RefreshToken,
    mode: Mode,
    client: ClientInfo,
) -> Loaded<C> {
    let report = |kind, row: &SessionRow| sessions.events.emit_for(kind, row, &client);
    for _ in 0..MOST_ROUNDS {
        let reading = sessions.reading();
        let Ok(row) = sessions.store.load(token.handle, None, &client).await else {
            return Loaded::Unavailable;
        };
        let now = sessions.now();
        let class = classify(&sessions.attempt(row.as_ref(), &token, now), &sessions.policy);
        let Some(row) = row else {
            return Loaded::Inactive(dead.remember_if_final(token.handle, None, now));
        };
        let (row, class) = match class {
            TokenClass::Current | TokenClass::Previous | TokenClass::Overdue => (row, class),
            // The token is genuine and newer than the row, which a request of our own restores.
            TokenClass::Ahead if mode == Mode::ReadOnly => (row, class),
            _ if mode == Mode::ReadOnly && class.is_accepted() => {
                return Loaded::Inactive(Inactive::RepetitionNeeded);
            }
            TokenClass::Late => {
                report(EventKind::Late, &row);
                (row, class)
            }
            TokenClass::Ended => {
                // Another server may have ended it, while its access tokens are still in use.
                if let Some(ended) = row.ended {
                    sessions.deny_ended(row.handle, ended.at);
                }
                return Loaded::Inactive(dead.remember_if_final(row.handle, Some(&row), now));
            }
            TokenClass::Expired => {
                return Loaded::Inactive(dead.remember_if_final(row.handle, Some(&row), now));
            }
            // The proof that came before could not be accepted.
            TokenClass::Unproven if sessions.device_failures.has(row.handle, now) => {
                return Loaded::Unavailable;
            }
            TokenClass::Unproven => {
                // Beside a valid access token it says nothing: the browser gives its proof when that one expires.
                if mode != Mode::Advisory {
                    report(EventKind::DeviceUnproven(client.refresh_skipped), &row);
                }
                return Loaded::Inactive(Inactive::Unproven);
            }
            TokenClass::Reuse => {
                report(EventKind::Reuse, &row);
                if mode != Mode::Deciding {
                    return Loaded::Inactive(Inactive::TokenRejected);
                }
                return end(&sessions, &row, EndReason::Reuse, &client).await;
            }
            TokenClass::Ahead if mode == Mode::Deciding => {
                match restore_lost_write(&sessions, &row, token.generation, now, &client).await {
                    Ok(Some(restored)) => (restored, TokenClass::Current),
                    Ok(None) => continue,
                    Err(_) => return Loaded::Unavailable,
                }
            }
            TokenClass::Spent => {
                report(EventKind::Spent, &row);
                return Loaded::Inactive(match mode {
                    Mode::ReadOnly => Inactive::RepetitionNeeded,
                    Mode::Deciding | Mode::Advisory => Inactive::TokenRejected,
                });
            }
            TokenClass::Impossible => {
                report(EventKind::Impossible, &row);
                return Loaded::Inactive(Inactive::TokenRejected);
            }
            _ => return Loaded::Inactive(Inactive::TokenRejected),
        };
        if mode == Mode::Deciding && sessions.only_reports_unproven(&row) {
            report(EventKind::DeviceUnproven(client.refresh_skipped), &row);
        }
        let user = load_user(&sessions, &tokens, &row, token.transport, &client).await;
        return match user.transpose() {
            Some(user) => with_user(class, row, reading, user),
            None => subject_gone(&sessions, &row, mode, &client).await,
        };
    }
    Loaded::Unavailable
}

/// What was loaded before, with the claims as of now.
pub(super) async fn reload_claims<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    tokens: &Tokens<C>,
    live: &Live<C>,
    client: &ClientInfo,
) -> Loaded<C> {
    let user = load_user(sessions, tokens, &live.row, live.user.transport, client).await;
    let loaded = match user.transpose() {
        Some(user) => with_user(live.class, live.row.clone(), live.reading, user),
        None => subject_gone(sessions, &live.row, Mode::Deciding, client).await,
    };
    if let (Ok(reloaded), Some(committed)) = (loaded.live(), live.committed.get()) {
        let _ = reloaded.committed.set(committed.clone());
    }
    loaded
}

/// A load whose claims were loaded too.
fn with_user<C>(
    class: TokenClass,
    row: SessionRow,
    reading: Reading,
    user: Result<PreparedUser<C>, RefreshError>,
) -> Loaded<C> {
    match user {
        Ok(user) => Loaded::Live(Live { class, row, user, reading, committed: OnceLock::new() }),
        Err(RefreshError::InvalidClaims(reason)) => Loaded::InvalidClaims(reason),
        Err(_) => Loaded::Unavailable,
    }
}

/// The claims source does not know the subject (c12).
pub(super) async fn subject_gone<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    row: &SessionRow,
    mode: Mode,
    client: &ClientInfo,
) -> Loaded<C> {
    match mode {
        Mode::Deciding => return end(sessions, row, EndReason::Disabled, client).await,
        Mode::ReadOnly => sessions.events.emit_for(EventKind::Disabled, row, client),
        Mode::Advisory => {}
    }
    Loaded::Inactive(Inactive::TokenRejected)
}

/// What a load is to one of the requests that share it: the application may object to this request and to no other.
pub(super) async fn assess<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    assessor: &Assessor,
    loaded: Arc<Loaded<C>>,
    mode: Mode,
    client: &ClientInfo,
) -> Arc<Loaded<C>> {
    let Loaded::Live(live) = &*loaded else { return loaded };
    let report = |kind| sessions.events.emit_for(kind, &live.row, client);
    let objection = match assessor.assess(&live.row, live.class, client) {
        Some(Assessment::Allow) => return loaded,
        Some(Assessment::RequireLogin) => {
            report(EventKind::LoginRequired);
            Loaded::Inactive(Inactive::LoginRequired)
        }
        Some(Assessment::EndSession) => {
            report(EventKind::Suspicious);
            if mode == Mode::Deciding {
                end(sessions, &live.row, EndReason::Suspicious, client).await
            } else {
                Loaded::Inactive(Inactive::TokenRejected)
            }
        }
        None => Loaded::Unavailable,
    };
    Arc::new(objection)
}

/// Restores a rotation that the store lost (c9); `None` if the session was written meanwhile.
async fn restore_lost_write<C: CustomClaims>(
    sessions: &Sessions<C>,
    row: &SessionRow,
    generation: u32,
    now: Timestamp,
    client: &ClientInfo,
) -> Result<Option<SessionRow>, StoreError> {
    let mut restored = roll_forward(row, generation, now);
    let Some(version) = sessions.store.compare_and_swap(&restored, client).await? else { return Ok(None) };
    sessions.events.emit_for(EventKind::Ahead, &restored, client);
    restored.version = version;
    Ok(Some(restored))
}

/// Boxed, because the future of every refresh would be twice as large with room for it.
fn end<'a, C: CustomClaims>(
    sessions: &'a Arc<Sessions<C>>,
    row: &'a SessionRow,
    reason: EndReason,
    client: &'a ClientInfo,
) -> BoxFuture<'a, Loaded<C>> {
    let end = async move {
        match sessions.end(row.handle, Some(row.subject.clone()), reason, client).await {
            Ok(_) => Loaded::Inactive(Inactive::TokenRejected),
            Err(_) => Loaded::Unavailable,
        }
    };
    end.boxed()
}
