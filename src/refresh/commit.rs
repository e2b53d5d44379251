//! The commit: rotate, or send what another request rotated to. For an upgrade: spend late budget, and send nothing.

use std::{error::Error, sync::Arc};

use tower_refresh_core::{
    SessionRow, Timestamp,
    rotation::{Attempt, Decision, Rule, Tokens as TokensToSend, commit as decide},
};

use super::{error::RefreshError, load::Live};
use crate::{
    CustomClaims,
    access_token::MintError,
    claims::User,
    event::EventKind,
    refresh_token::RefreshToken,
    sessions::Sessions,
    tokens::{Issued, Tokens},
};

const MOST_RELOADS: usize = 3;

/// Exchanges the token for the tokens of a response.
pub(super) async fn commit<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    tokens: &Tokens<C>,
    token: &RefreshToken,
    live: &Live<C>,
) -> Result<Issued, RefreshError> {
    let user = fresh_user(sessions, live).await;
    let decided = store_decision(sessions, token, live, |decision| decision).await?;
    match decided.rule {
        Rule::NotLive => Err(RefreshError::Inactive),
        Rule::Overtaken => Err(RefreshError::Overtaken),
        _ => {
            let issued = issue(sessions, tokens, token, user.as_deref(), &decided);
            live.committed.record(&decided.row, &issued);
            Ok(issued)
        }
    }
}

/// Spends late budget for a response that carries no token.
pub(super) async fn spend_for_upgrade<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    token: &RefreshToken,
    live: &Live<C>,
) -> Result<(), RefreshError> {
    store_decision(sessions, token, live, |decision| decision.for_upgrade(live.class)).await.map(drop)
}

/// A decision whose row is stored.
struct Decided {
    rule: Rule,
    row: Box<SessionRow>,
    to_send: TokensToSend,
    now: Timestamp,
}

/// Decides first on the row of the load, and tries a write on it at once. Otherwise, and after a conflict, it decides on a
/// fresh row.
async fn store_decision<C: CustomClaims>(
    sessions: &Sessions<C>,
    token: &RefreshToken,
    live: &Live<C>,
    adapt: impl Fn(Decision) -> Decision,
) -> Result<Decided, RefreshError> {
    let mut reloaded = None;
    for round in 0..=MOST_RELOADS {
        // Read before the load and the swap: a token must not seem younger than the row that it is based on.
        let now = sessions.now();
        let is_fresh = round > 0;
        if is_fresh {
            reloaded = match sessions.store.load(token.handle).await {
                Ok(row) => row.map(Box::new),
                Err(_) => return Err(RefreshError::Unavailable),
            };
        }
        let denied = sessions.is_denied(token.handle, now);
        let row = if is_fresh { reloaded.as_deref() } else { Some(&*live.row) };
        let attempt = Attempt::new(row, token.generation, now).with_denied(denied);
        let decision = adapt(decide(&attempt, live.class, &sessions.policy));
        let (rule, to_send) = (decision.rule, decision.send);
        let rotates = matches!(rule, Rule::Rotate | Rule::Late);
        let row = match (decision.write.map(Box::new), reloaded.take()) {
            (Some(write), _) if is_fresh || rotates => match sessions.store.compare_and_swap(&write).await {
                Ok(Some(_)) => write,
                Ok(None) => continue,
                Err(_) => return Err(RefreshError::Unavailable),
            },
            (None, Some(row)) if is_fresh => row,
            (None, None) if is_fresh => return Err(RefreshError::Inactive),
            _ => continue,
        };
        return Ok(Decided { rule, row, to_send, now });
    }
    Err(RefreshError::Overtaken)
}

fn issue<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    token: &RefreshToken,
    user: Option<&User<C>>,
    &Decided { ref row, to_send, now, .. }: &Decided,
) -> Issued {
    let keys = tokens.keys();
    let mut issued = Issued::default();
    let failed = |kind, error: &(dyn Error + 'static)| {
        sessions.events.failed(kind, Some(row.handle), Some(&row.subject), error);
    };
    if let TokensToSend::AccessAndRefresh { generation, .. } = to_send {
        match tokens.issue_refresh(&keys, &token.with_generation(generation), row, now) {
            Ok(refresh) => issued.refresh = Some(refresh),
            Err(error) => failed(EventKind::CryptoFailed, &error),
        }
    }
    if let Some(user) = user {
        match tokens.issue_access(&keys, user, row, now) {
            Ok(access) => issued.access = Some(access),
            Err(error @ (MintError::Sign | MintError::Random)) => failed(EventKind::CryptoFailed, &error),
            Err(error) => failed(EventKind::ClaimsFailed, &error),
        }
    }
    issued
}

/// What each request does with the result of a commit, which others may share.
pub(super) fn finish<C: CustomClaims>(
    sessions: &Sessions<C>,
    live: &Live<C>,
    result: Result<Issued, RefreshError>,
) -> Result<Issued, RefreshError> {
    let issued = result?;
    // A logout may have come after the swap; what it denied must not be sent.
    if sessions.is_denied(live.row.handle, sessions.now()) {
        return Err(RefreshError::Inactive);
    }
    sessions.events.emit_for(EventKind::Refresh(live.class), &live.row);
    Ok(issued)
}

/// The user for the new access token, reloaded if the handler took longer than an access token lives. `None` if that fails, and
/// then no access token is sent.
async fn fresh_user<C: CustomClaims>(sessions: &Sessions<C>, live: &Live<C>) -> Option<Arc<User<C>>> {
    let age = sessions.now().saturating_since(live.claims_at);
    if age < sessions.policy.access_lifetime {
        return Some(live.user.clone());
    }
    sessions.claims.load_user(&live.row).await.ok().flatten().map(|load| load.user)
}
