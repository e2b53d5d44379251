//! The second half: rotate, or hand out what another request rotated to.

use std::sync::Arc;

use tower_refresh_core::{
    SessionRow, Timestamp,
    rotation::{Attempt, Rule, Tokens, commit as decide},
};

use super::{
    issue::{Issued, issue_access, issue_refresh},
    load::{Live, load_user},
};
use crate::{
    CustomClaims, event::EventKind, measure::commit_span, shared::Shared, token::RefreshToken, user::User,
};

/// What the second half came to. It never ends a session and never fails a response.
pub(crate) enum Committed {
    /// These go out.
    Sent(Issued),
    /// The session ended meanwhile.
    NotLive,
    /// Other requests moved it on meanwhile, and their responses carry its tokens.
    Overtaken,
    /// The store failed. A write may have happened, which counts as a response that was lost.
    Unavailable,
}

const MOST_RELOADS: usize = 3;

/// Decides first on the row that the first half loaded; a write is tried on it at once. Otherwise, and after a
/// conflict, it decides on a fresh one.
pub(crate) async fn commit<C: CustomClaims>(
    shared: &Arc<Shared<C>>,
    token: &RefreshToken,
    live: &Live<C>,
) -> Committed {
    commit_span(token.handle, token.generation, write(shared, token, live)).await
}

async fn write<C: CustomClaims>(shared: &Arc<Shared<C>>, token: &RefreshToken, live: &Live<C>) -> Committed {
    let user = fresh_user(shared, live).await;
    let mut reloaded = None;
    for round in 0..=MOST_RELOADS {
        // Read before the load and the swap: a token issued now must not seem younger than what it rests on.
        let now = shared.now();
        let is_fresh = round > 0;
        if is_fresh {
            reloaded = match shared.store.load(token.handle).await {
                Ok(row) => row.map(Box::new),
                Err(error) => return unavailable(shared, token, error),
            };
        }
        let denied = shared.is_denied(token.handle, now);
        let row = if is_fresh { reloaded.as_deref() } else { Some(&*live.row) };
        let attempt = Attempt::new(row, token.generation, now).with_denied(denied);
        let decision = decide(&attempt, live.class, &shared.settings.policy);
        let (rule, tokens) = (decision.rule, decision.send);
        let rotates = matches!(rule, Rule::Rotate | Rule::Late);
        let row = match (decision.write.map(Box::new), reloaded.take()) {
            (Some(write), _) if is_fresh || rotates => match shared.store.compare_and_swap(&write).await {
                Ok(true) => write,
                Ok(false) => continue,
                Err(error) => return unavailable(shared, token, error),
            },
            (None, Some(row)) if is_fresh => row,
            (None, None) if is_fresh => return Committed::NotLive,
            _ => continue,
        };
        return match rule {
            Rule::NotLive => Committed::NotLive,
            Rule::Overtaken => Committed::Overtaken,
            _ => send(shared, token, live, user.as_deref(), &row, tokens, now),
        };
    }
    Committed::Overtaken
}

fn send<C: CustomClaims>(
    shared: &Shared<C>,
    token: &RefreshToken,
    live: &Live<C>,
    user: Option<&User<C>>,
    row: &SessionRow,
    tokens: Tokens,
    now: Timestamp,
) -> Committed {
    let keys = shared.ring.keys();
    let mut issued = Issued::default();
    if let Tokens::AccessAndRefresh { generation, .. } = tokens {
        match issue_refresh(shared, &keys, &token.with_generation(generation), row, now) {
            Ok(refresh) => issued.refresh = Some(refresh),
            Err(error) => {
                shared.failed(EventKind::ClaimsFailed, row.handle, Some(row.subject.clone()), &error)
            }
        }
    }
    if let Some(user) = user {
        match issue_access(shared, &keys, user, row, now) {
            Ok(access) => issued.access = Some(access),
            Err(error) => {
                shared.failed(EventKind::ClaimsFailed, row.handle, Some(row.subject.clone()), &error)
            }
        }
    }
    // A logout may have come between the swap and here; what it denied must not go out.
    if shared.is_denied(row.handle, now) {
        return Committed::NotLive;
    }
    shared.emit_for(EventKind::Refresh(live.class), &live.row);
    Committed::Sent(issued)
}

/// The user for the new access token: asked for again if the handler took longer than an access token lives. `None` if
/// that fails, and then no access token goes out.
async fn fresh_user<C: CustomClaims>(shared: &Shared<C>, live: &Live<C>) -> Option<Arc<User<C>>> {
    let age = shared.now().saturating_since(live.claims_at);
    if age < shared.settings.policy.access_lifetime {
        return Some(live.user.clone());
    }
    let (user, _) = load_user(shared, &live.row).await.ok().flatten()?;
    Some(user)
}

fn unavailable<C: CustomClaims>(
    shared: &Shared<C>,
    token: &RefreshToken,
    error: tower_refresh_core::StoreError,
) -> Committed {
    shared.store_failed(token.handle, None, error);
    Committed::Unavailable
}
