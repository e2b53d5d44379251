//! The result of a commit, for the other requests that share its load.

use std::sync::OnceLock;

use tower_refresh_core::{
    SessionRow,
    rotation::{Attempt, Rule, TokenClass, commit as decide},
};

use crate::{CustomClaims, refresh_token::RefreshToken, sessions::Sessions, tokens::Issued};

/// The first commit on a load. The requests that share the load have one user and one token, and this server wrote or read the
/// row, so within the grace period they are sent the same tokens without another call of the store (r4).
pub(super) struct Committed(OnceLock<(Box<SessionRow>, Issued)>);

impl Committed {
    pub(super) fn not_yet() -> Self {
        Self(OnceLock::new())
    }

    pub(super) fn record(&self, row: &SessionRow, issued: &Issued) {
        // A commit that could not make all tokens leaves them to the next request.
        if issued.access.is_some() && issued.refresh.is_some() {
            let _ = self.0.set((Box::new(row.clone()), issued.clone()));
        }
    }

    /// The tokens of the commit, while r4 sends them again.
    ///
    /// No other server can have rotated the session meanwhile: the damping interval exceeds the grace period by more than clocks
    /// differ. It may have ended it, which the denylist shows, or the store where it must be asked because the feed is lost.
    pub(super) fn redeliver<C: CustomClaims>(
        &self,
        sessions: &Sessions<C>,
        token: &RefreshToken,
        class: TokenClass,
    ) -> Option<Issued> {
        let (row, issued) = self.0.get()?;
        if sessions.must_ask_store() {
            return None;
        }
        let now = sessions.now();
        let denied = sessions.is_denied(token.handle, now);
        let attempt = Attempt::new(Some(row), token.generation, now).with_denied(denied);
        let decision = decide(&attempt, class, &sessions.policy);
        (decision.rule == Rule::Redeliver).then(|| issued.clone())
    }
}
