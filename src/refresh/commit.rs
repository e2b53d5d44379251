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
    event::{About, ClientInfo, EventKind},
    keys::PreparedKeys,
    refresh_token::RefreshToken,
    sessions::Sessions,
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
    client: &ClientInfo,
) -> Result<Arc<Committed<C>>, RefreshError> {
    // The same keys throughout: they may be replaced meanwhile.
    let keys = Arc::clone(&tokens.keys());
    let user = fresh_user(sessions, tokens, &keys, live, client).await?;
    let decided = store_decision(sessions, token, live, client, |decision| decision).await?;
    match decided.rule {
        Rule::NotLive => Err(RefreshError::Inactive),
        Rule::Overtaken => Err(RefreshError::Overtaken),
        _ => {
            if let Some(lost_before) = decided.lost_before {
                report_repeated_loss(sessions, &decided.row, lost_before, client);
            }
            let refresh = issue_refresh(sessions, tokens, &keys, token, client, &decided);
            let committed = Arc::new(Committed::new(decided.row, decided.now, keys, refresh));
            let issued = committed.issue(sessions, tokens, user.as_ref(), client);
            // A commit that could not make all tokens leaves them to the next request.
            if issued.access.is_some() && issued.refresh.is_some() {
                let _ = live.committed.set(committed.clone());
            }
            Ok(committed)
        }
    }
}

/// Spends late budget for a response that carries no token.
pub(super) async fn spend_for_upgrade<C: CustomClaims>(
    sessions: &Arc<Sessions<C>>,
    token: &RefreshToken,
    live: &Live<C>,
    client: &ClientInfo,
) -> Result<(), RefreshError> {
    let adapt = |decision: Decision| decision.for_upgrade(live.class);
    store_decision(sessions, token, live, client, adapt).await.map(drop)
}

/// A decision whose row is stored.
struct Decided {
    rule: Rule,
    row: Box<SessionRow>,
    to_send: TokensToSend,
    now: Timestamp,
    /// When the token was due before, if it is late, and not for the first time.
    lost_before: Option<Timestamp>,
}

/// Decides first on the row of the load, and tries a write on it at once. Otherwise, and after a conflict, it decides on a
/// fresh row.
async fn store_decision<C: CustomClaims>(
    sessions: &Sessions<C>,
    token: &RefreshToken,
    live: &Live<C>,
    client: &ClientInfo,
    adapt: impl Fn(Decision) -> Decision,
) -> Result<Decided, RefreshError> {
    let mut reloaded = None;
    for round in 0..=MOST_RELOADS {
        // Read before the load and the swap: a token must not seem younger than the row that it is based on.
        let now = sessions.now();
        let is_fresh = round > 0;
        if is_fresh {
            reloaded = match sessions.store.load(token.handle, Some(&live.row.subject), client).await {
                Ok(row) => row.map(Box::new),
                Err(_) => return Err(RefreshError::Unavailable),
            };
        }
        let denied = sessions.is_denied(token.handle);
        let row = if is_fresh { reloaded.as_deref() } else { Some(&*live.row) };
        let attempt = Attempt::new(row, token.generation, now).with_denied(denied);
        let decision = adapt(decide(&attempt, live.class, &sessions.policy));
        let (rule, to_send) = (decision.rule, decision.send);
        let rotates = matches!(rule, Rule::Rotate | Rule::Late);
        let lost_before = row.filter(|row| rule == Rule::Late && was_late_before(row, now));
        let lost_before = lost_before.map(|row| row.rotated_at);
        let row = match (decision.write.map(Box::new), reloaded.take()) {
            (Some(write), _) if is_fresh || rotates => {
                match sessions.store.compare_and_swap(&write, client).await {
                    Ok(Some(_)) => write,
                    Ok(None) => continue,
                    Err(_) => return Err(RefreshError::Unavailable),
                }
            }
            (None, Some(row)) if is_fresh => row,
            (None, None) if is_fresh => return Err(RefreshError::Inactive),
            _ => continue,
        };
        return Ok(Decided { rule, row, to_send, now, lost_before });
    }
    Err(RefreshError::Overtaken)
}

pub(super) fn report_repeated_loss<C: CustomClaims>(
    sessions: &Sessions<C>,
    row: &SessionRow,
    lost_before: Timestamp,
    client: &ClientInfo,
) {
    let about = About::client(client).session(Some(row.handle), Some(&row.subject));
    sessions.events.emit(EventKind::ResponsesLost, about.rotated_at(Some(lost_before)));
}

/// Whether late budget was spent before, so that this lost response is not the only one: some of the budget is still missing, or
/// it was spent for the current generation. That alone moves `rotated_at` and not `idle_expiry`, which shows unless the absolute
/// expiry limits it.
pub(super) fn was_late_before(row: &SessionRow, now: Timestamp) -> bool {
    let moved = |idle| row.idle_expiry < row.rotated_at.saturating_add(idle).min(row.absolute_expiry);
    row.late_budget > now || row.idle.is_some_and(moved)
}

fn issue_refresh<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    keys: &PreparedKeys,
    token: &RefreshToken,
    client: &ClientInfo,
    Decided { row, to_send, now, .. }: &Decided,
) -> Option<IssuedRefresh> {
    let TokensToSend::AccessAndRefresh { generation, .. } = to_send else { return None };
    match tokens.issue_refresh(keys, &token.with_generation(*generation), row, *now) {
        Ok(refresh) => Some(refresh),
        Err(error) => {
            let about = About::client(client).session(Some(row.handle), Some(&row.subject));
            sessions.events.failed(EventKind::CryptoFailed, about, &error);
            None
        }
    }
}

/// What each request does with the result of a commit, which others may share.
pub(super) fn finish<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    token: &RefreshToken,
    live: &Live<C>,
    client: &ClientInfo,
    result: Result<Arc<Committed<C>>, RefreshError>,
) -> Result<Issued, RefreshError> {
    let committed = result?;
    // A logout may have come after the swap; what it denied must not be sent.
    if sessions.is_denied(live.row.handle) {
        return Err(RefreshError::Inactive);
    }
    let user = (!live.has_outdated_claims(sessions)).then_some(&live.user);
    let issued = committed.issue(sessions, tokens, user, client);
    report(sessions, token, live, issued.refresh.is_some(), client);
    Ok(issued)
}

/// Reports a commit, whose response has a refresh token or none.
pub(super) fn report<C: CustomClaims>(
    sessions: &Sessions<C>,
    token: &RefreshToken,
    live: &Live<C>,
    has_refresh: bool,
    client: &ClientInfo,
) {
    sessions.events.emit_for(EventKind::Refresh(live.class), &live.row, client);
    if has_refresh
        && let Some(difference) =
            sessions.deliveries.record(token.handle, token.generation, client, sessions.events.monotonic())
    {
        sessions.events.emit_for(EventKind::Redelivered(difference), &live.row, client);
    }
}

/// The user for the new access token, reloaded if the handler took longer than an access token lives. `None` if that fails, and
/// then no access token is sent.
async fn fresh_user<C: CustomClaims>(
    sessions: &Sessions<C>,
    tokens: &Tokens<C>,
    keys: &PreparedKeys,
    live: &Live<C>,
    client: &ClientInfo,
) -> Result<Option<PreparedUser<C>>, RefreshError> {
    let user = if live.has_outdated_claims(sessions) {
        match load_user(sessions, tokens, &live.row, live.user.transport, client).await {
            Ok(Some(user)) => user,
            Err(error @ RefreshError::InvalidClaims(_)) => return Err(error),
            Ok(None) | Err(_) => return Ok(None),
        }
    } else {
        live.user.clone()
    };
    match tokens.check_len(keys, &user) {
        Ok(()) => Ok(Some(user)),
        Err(error) => Err(report_invalid_claims(sessions, &live.row, client, &error)),
    }
}
