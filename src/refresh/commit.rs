//! The commit: rotate, or send what another request rotated to. For an upgrade: spend late budget, and send nothing.

use std::sync::Arc;

use tower_refresh_core::{
    SessionRow, Timestamp,
    rotation::{Attempt, Decision, Rule, Tokens as TokensToSend, commit as decide},
};

use super::{
    committed::Committed,
    error::RefreshError,
    load::Live,
    user::{load_user, report_invalid_claims},
};
use crate::{
    CustomClaims,
    event::EventKind,
    keys::PreparedKeys,
    refresh_token::RefreshToken,
    sessions::Sessions,
    telemetry::commit_span,
    tokens::{Issued, IssuedRefresh, PreparedUser, Tokens},
};

const MOST_RELOADS: usize = 3;

/// Exchanges the token for the tokens of a response. Claims that do not fit into an access token are found before the swap, and
/// then nothing is written.
pub(super) async fn commit<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    tokens: &Tokens<C>,
    token: &RefreshToken,
    live: &Live<C>,
) -> Result<Arc<Committed<C>>, RefreshError> {
    // The same keys throughout: they may be replaced meanwhile.
    let keys = Arc::clone(&tokens.keys());
    let user = fresh_user(sessions, tokens, &keys, live).await?;
    let decided = store_decision(sessions, token, live, |decision| decision).await?;
    match decided.rule {
        Rule::NotLive => Err(RefreshError::Inactive),
        Rule::Overtaken => Err(RefreshError::Overtaken),
        _ => {
            let refresh = issue_refresh(sessions, tokens, &keys, token, &decided);
            let committed = Committed::new(decided.row, decided.now, keys, refresh);
            committed.issue(sessions, tokens, user.as_ref());
            Ok(Arc::new(committed))
        }
    }
}

/// Spends late budget for a response that carries no token.
pub(super) async fn spend_for_upgrade<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    token: &RefreshToken,
    live: &Live<C>,
) -> Result<(), RefreshError> {
    let spend = store_decision(sessions, token, live, |decision| decision.for_upgrade(live.class));
    commit_span(token.handle, token.generation, spend).await.map(drop)
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

fn issue_refresh<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    keys: &PreparedKeys,
    token: &RefreshToken,
    Decided { row, to_send, now, .. }: &Decided,
) -> Option<IssuedRefresh> {
    let TokensToSend::AccessAndRefresh { generation, .. } = to_send else { return None };
    match tokens.issue_refresh(keys, &token.with_generation(*generation), row, *now) {
        Ok(refresh) => Some(refresh),
        Err(error) => {
            let (session, subject) = (Some(row.handle), Some(&row.subject));
            sessions.events.failed(EventKind::CryptoFailed, session, subject, &error);
            None
        }
    }
}

/// What each request does with the result of a commit, which others may share.
pub(super) fn finish<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    live: &Live<C>,
    result: Result<Arc<Committed<C>>, RefreshError>,
) -> Result<Issued, RefreshError> {
    let committed = result?;
    // A logout may have come after the swap; what it denied must not be sent.
    if sessions.is_denied(live.row.handle, sessions.now()) {
        return Err(RefreshError::Inactive);
    }
    let issued = committed.issued_to(sessions, tokens, live);
    sessions.events.emit_for(EventKind::Refresh(live.class), &live.row);
    Ok(issued)
}

/// The user for the new access token, reloaded if the handler took longer than an access token lives. `None` if that fails, and
/// then no access token is sent.
async fn fresh_user<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    keys: &PreparedKeys,
    live: &Live<C>,
) -> Result<Option<PreparedUser<C>>, RefreshError> {
    let user = if live.has_outdated_claims(sessions) {
        match load_user(sessions, tokens, &live.row, live.user.transport).await {
            Ok(Some(user)) => user,
            Err(error @ RefreshError::InvalidClaims(_)) => return Err(error),
            Ok(None) | Err(_) => return Ok(None),
        }
    } else {
        live.user.clone()
    };
    match tokens.check_len(keys, &user) {
        Ok(()) => Ok(Some(user)),
        Err(error) => Err(report_invalid_claims(sessions, &live.row, &error)),
    }
}
