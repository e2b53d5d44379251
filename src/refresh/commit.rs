//! The commit: rotate, or send what another request rotated to. For an upgrade: spend late budget, and send nothing.

use std::{borrow::Cow, sync::Arc};

use tower_refresh_core::{
    SessionRow, Timestamp,
    rotation::{Decision, Rule, Tokens as TokensToSend, commit as decide},
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
    sessions::{Reading, Sessions},
    tokens::{IssuedRefresh, PreparedUser, Tokens},
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
    let mut claims = ClaimsToSend {
        sessions,
        tokens,
        keys: &keys,
        live,
        client,
        user: None,
        data: Cow::Borrowed(&live.row.data),
        failed_under: None,
    };
    if let Some(user) = live.recent_user(sessions) {
        claims.set(user.clone())?;
    }
    claims.renew(&live.row).await?;
    let decided =
        store_decision(sessions, token, live, client, Some(&mut claims), |decision| decision).await?;
    let ClaimsToSend { user, failed_under, .. } = claims;
    match decided.rule {
        Rule::NotLive => Err(RefreshError::Inactive),
        Rule::Overtaken => Err(RefreshError::Overtaken),
        _ => {
            if let Some(lost_before) = decided.lost_before {
                report_repeated_loss(sessions, &decided.row, lost_before, client);
            }
            let refresh = issue_refresh(sessions, tokens, &keys, token, client, &decided);
            let committed = Arc::new(Committed::new(
                decided.row,
                decided.now,
                keys,
                refresh,
                failed_under,
                decided.reading,
            ));
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
    store_decision(sessions, token, live, client, None, adapt).await.map(drop)
}

/// A decision whose row is stored.
struct Decided {
    rule: Rule,
    row: SessionRow,
    to_send: TokensToSend,
    now: Timestamp,
    /// Before the row was read or written.
    reading: Reading,
    /// When the token was due before, if it is late, and not for the first time.
    lost_before: Option<Timestamp>,
}

/// Decides first on the row of the load, and tries a write on it at once; the tokens of an earlier rotation (r4) are sent on it too, if
/// it is recent. Otherwise, and after a conflict, it decides on a fresh row. The claims, if any are sent, are those for the row before it is written: no access token says less than its row.
async fn store_decision<C: CustomClaims>(
    sessions: &Sessions<C>,
    token: &RefreshToken,
    live: &Live<C>,
    client: &ClientInfo,
    mut claims: Option<&mut ClaimsToSend<'_, C>>,
    adapt: impl Fn(Decision) -> Decision,
) -> Result<Decided, RefreshError> {
    let mut reloaded = None;
    for round in 0..=MOST_RELOADS {
        // Read before the load and the swap: a token must not seem younger than the row that it is based on.
        let (now, reading) = (sessions.now(), sessions.reading());
        let is_fresh = round > 0;
        if is_fresh {
            reloaded = match sessions.store.load(token.handle, Some(&live.row.subject), client).await {
                Ok(row) => row,
                Err(_) => return Err(RefreshError::Unavailable),
            };
        }
        let row = if is_fresh { reloaded.as_ref() } else { Some(&live.row) };
        let attempt = sessions.attempt(row, token, now);
        let Decision { rule, send: to_send, mut write, .. } =
            adapt(decide(&attempt, live.class, &sessions.policy));
        let rotates = matches!(rule, Rule::Rotate | Rule::Late);
        let lost_before = row.filter(|row| rule == Rule::Late && was_late_before(row, now));
        let lost_before = lost_before.map(|row| row.rotated_at);
        if let (Some(claims), Some(row)) = (&mut claims, row)
            && to_send != TokensToSend::None
        {
            claims.renew(row).await?;
        }
        let may_end_here = match &write {
            _ if is_fresh => true,
            Some(_) => rotates,
            None => rule == Rule::Redeliver && sessions.is_recent(&live.row, live.reading),
        };
        if !may_end_here {
            continue;
        }
        if let Some(write) = &mut write {
            match sessions.store.compare_and_swap(write, client).await {
                Ok(Some(version)) => write.version = version,
                Ok(None) => continue,
                Err(_) => return Err(RefreshError::Unavailable),
            }
        }
        let (row, reading) = if is_fresh || write.is_some() {
            (write.or(reloaded).ok_or(RefreshError::Inactive)?, reading)
        } else {
            (live.row.clone(), live.reading)
        };
        return Ok(Decided { rule, row, to_send, now, reading, lost_before });
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
) -> Option<Arc<IssuedRefresh>> {
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

/// The claims of the access token that a commit sends, which are loaded again if they may not be sent.
struct ClaimsToSend<'a, C> {
    sessions: &'a Sessions<C>,
    tokens: &'a Tokens<C>,
    keys: &'a PreparedKeys,
    live: &'a Live<C>,
    client: &'a ClientInfo,
    user: Option<PreparedUser<C>>,
    /// The application's data with which the user was loaded.
    data: Cow<'a, [u8]>,
    failed_under: Option<u32>,
}

impl<C: CustomClaims> ClaimsToSend<'_, C> {
    /// Loads the claims again if the handler took longer than an access token lives, or if they are outdated in the session of
    /// `row`, or if its data has changed. If that fails, there is no user, and no access token is sent.
    async fn renew(&mut self, row: &SessionRow) -> Result<(), RefreshError> {
        let epoch = self.sessions.epoch_of(row);
        let is_of = |user: &PreparedUser<C>| user.user.epoch >= epoch && *self.data == *row.data;
        if self.failed_under.is_some() || self.user.as_ref().is_some_and(is_of) {
            return Ok(());
        }
        let transport = self.live.user.transport;
        (self.user, self.data) = (None, Cow::Owned(row.data.clone()));
        match load_user(self.sessions, self.tokens, row, transport, self.client).await {
            Ok(Some(user)) => self.set(user),
            Err(error @ RefreshError::InvalidClaims(_)) => Err(error),
            Ok(None) | Err(_) => {
                self.failed_under = Some(epoch);
                Ok(())
            }
        }
    }

    fn set(&mut self, user: PreparedUser<C>) -> Result<(), RefreshError> {
        match self.tokens.check_len(self.keys, &user) {
            Ok(()) => {
                self.user = Some(user);
                Ok(())
            }
            Err(error) => Err(report_invalid_claims(self.sessions, &self.live.row, self.client, &error)),
        }
    }
}
