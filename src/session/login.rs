//! Logging in.

use std::{fmt, sync::Arc};

use tower_refresh_core::{EndReason, SessionHandle, SessionMeta, SessionRow, Subject, Timestamp};

use super::{Session, SessionInfo, TokenResponse};
use crate::{
    CustomClaims, RejectionKind,
    event::EventKind,
    keys::PreparedKeys,
    mint::MintError,
    refresh::{Issued, IssuedAccess, IssuedRefresh, issue_access, issue_refresh},
    rejection::Rejection,
    state::Change,
    token::{Carrier, RefreshToken, SessionId},
    user::User,
    verify::{Verdict, verify},
};

/// In bytes, of what a session's list shows of a client.
const LONGEST_TEXT: usize = 256;

/// What a login says of the session, besides whose it is.
#[derive(Clone, Default)]
#[must_use]
pub struct LoginOptions {
    label: Option<String>,
    data: Vec<u8>,
}

impl LoginOptions {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name for the session in the list that its user sees. Control characters are left out, and what goes beyond 256
    /// bytes: clients may choose it.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Bytes that the claims source finds in [`SessionInfo::data`]: how the user authenticated, a tenant, a device.
    /// They never change during the session, and no client sees them.
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }
}

impl fmt::Debug for LoginOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginOptions").field("label", &self.label).finish_non_exhaustive()
    }
}

impl<C: CustomClaims> Session<C> {
    /// Logs `subject` in: always a new session, with a new session id, so that no token from before the login is worth
    /// anything after it. The sessions that this client had are ended as superseded, and the cookies are set on the
    /// response. The caller has checked who the user is.
    ///
    /// # Errors
    /// [`RejectionKind::CrossSite`] for a request from another site (login CSRF); [`RejectionKind::SubjectGone`] if the
    /// claims source does not know the subject; [`RejectionKind::InvalidClaims`] if what it gave cannot go into an
    /// access token; [`RejectionKind::Unavailable`] if the store or the claims source fails: then the old sessions
    /// live on unless it failed while they were being ended; [`RejectionKind::Sealed`].
    ///
    /// # Cancel safety
    /// Dropped midway, a session may have been stored that nobody holds a token of, and old ones may have ended.
    pub async fn login(&self, subject: impl Into<Subject>) -> Result<TokenResponse, Rejection> {
        self.login_with(subject, LoginOptions::new()).await
    }

    /// Logs `subject` in, as [`login`](Self::login), with `options`.
    ///
    /// # Errors
    /// As there.
    pub async fn login_with(
        &self,
        subject: impl Into<Subject>,
        options: LoginOptions,
    ) -> Result<TokenResponse, Rejection> {
        self.writable()?;
        let Begun { row, access, refresh } = self.begin(subject.into(), options, Carrier::Cookie).await?;
        let response = TokenResponse::new(&access, self.state.shared.settings.access_token_in_body);
        let issued = Issued { access: Some(access), refresh: Some(refresh) };
        let change = Change::LoggedIn { session: row.handle, subject: row.subject.clone(), issued };
        self.replace(self.held_sessions()?, &row, change).await?;
        Ok(response)
    }

    /// A new session with its first tokens, which nobody knows of so far.
    pub(super) async fn begin(
        &self,
        subject: Subject,
        options: LoginOptions,
        carrier: Carrier,
    ) -> Result<Begun, Rejection> {
        let shared = &self.state.shared;
        let now = shared.now();
        let policy = &shared.settings.policy;
        // Tokens carry whole seconds; the row agrees with them.
        let absolute_expiry = Timestamp::from_secs(now.saturating_add(policy.absolute).as_secs());
        let session_id = SessionId::random().map_err(|_| self.reject(RejectionKind::Internal))?;
        let token = RefreshToken::first(session_id, carrier, absolute_expiry)
            .map_err(|_| self.reject(RejectionKind::Internal))?;
        let idle_expiry = now.saturating_add(policy.idle);
        let mut row = SessionRow::new(token.handle, subject, now, idle_expiry, absolute_expiry);
        row.meta = self.meta(options.label);
        row.data = options.data;

        let user = self.user_of(&row).await?;
        let (access, refresh) = self.issue(&token, &user, &row, now)?;
        Ok(Begun { row, access, refresh })
    }

    /// Stores the new session, and ends the `old` ones.
    pub(super) async fn replace(
        &self,
        old: Vec<SessionHandle>,
        row: &SessionRow,
        change: Change,
    ) -> Result<(), Rejection> {
        let shared = &self.state.shared;
        if let Err(error) = shared.store.create(row).await {
            return Err(self.unavailable(shared.store_failed(row.handle, Some(row.subject.clone()), error)));
        }
        for session in old {
            if shared.end(session, None, EndReason::Superseded).await.is_err() {
                self.take_back(row).await;
                return Err(self.reject(RejectionKind::Unavailable));
            }
        }
        if let Err(sealed) = self.state.set_change(change) {
            self.take_back(row).await;
            return Err(sealed);
        }
        shared.emit(EventKind::Login, Some(row.handle), Some(row.subject.clone()), None);
        Ok(())
    }

    /// Every session that this client holds a token of: the refresh tokens' by their MACs alone, the access token's, and
    /// one that this request logged in to.
    pub(super) fn held_sessions(&self) -> Result<Vec<SessionHandle>, Rejection> {
        let mut sessions = self.state.presented().sessions().to_vec();
        sessions.extend(self.state.origin.access_session);
        sessions.extend(self.made()?);
        sessions.sort_unstable();
        sessions.dedup();
        Ok(sessions)
    }

    /// The session that this request logged in to.
    pub(super) fn made(&self) -> Result<Option<SessionHandle>, Rejection> {
        Ok(match self.state.change()? {
            Some(Change::LoggedIn { session, .. } | Change::LoggedInNative { session, .. }) => Some(session),
            Some(Change::Refreshed { .. } | Change::LoggedOut) | None => None,
        })
    }

    async fn user_of(&self, row: &SessionRow) -> Result<Arc<User<C>>, Rejection> {
        let shared = &self.state.shared;
        let (subject, session) = (row.subject.clone(), SessionInfo::new(row.clone()));
        let identity = match shared.claims.load(subject, session, shared.store.time_limit()).await {
            Ok(Some(identity)) => identity,
            Ok(None) => return Err(self.reject(RejectionKind::SubjectGone)),
            Err(error) => {
                shared.failed(EventKind::ClaimsFailed, row.handle, Some(row.subject.clone()), &error);
                return Err(self.reject(RejectionKind::Unavailable));
            }
        };
        Ok(Arc::new(User::new(row.subject.clone(), row.handle, identity, row.expires_at())))
    }

    fn issue(
        &self,
        token: &RefreshToken,
        user: &User<C>,
        row: &SessionRow,
        now: Timestamp,
    ) -> Result<(IssuedAccess, IssuedRefresh), Rejection> {
        let shared = &self.state.shared;
        // Once for both, and for reading what they made: the ring may be swapped meanwhile.
        let keys = shared.ring.keys();
        let access =
            issue_access(shared, &keys, user, row, now).map_err(|error| self.reject(kind_of(&error)))?;
        self.check_readable(&access, &keys, now)?;
        let refresh = issue_refresh(shared, &keys, token, row, now)
            .map_err(|_| self.reject(RejectionKind::Internal))?;
        Ok((access, refresh))
    }

    /// Refuses claims that serialise to what they cannot be deserialised from: a user would be logged in, and then out.
    fn check_readable(
        &self,
        access: &IssuedAccess,
        keys: &PreparedKeys,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let expected = self.state.shared.settings.expected();
        match verify::<C>(access.token.as_bytes(), keys, &expected, now) {
            Verdict::Valid(_) | Verdict::Expired { .. } => Ok(()),
            Verdict::Invalid(_) => {
                let reason = "they cannot be read back from what they serialise to";
                Err(self.reject(RejectionKind::InvalidClaims { reason }))
            }
        }
    }

    fn meta(&self, label: Option<String>) -> SessionMeta {
        let origin = &self.state.origin;
        let user_agent = origin.fields.user_agent.as_ref().map(|field| {
            let bytes = field.as_bytes();
            shown(&String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TEXT)]))
        });
        let mut meta = SessionMeta::default();
        meta.user_agent = user_agent;
        meta.ip = origin.ip;
        meta.label = label.as_deref().map(shown);
        meta
    }

    /// Ends a session that was made, but whose tokens will not be sent.
    async fn take_back(&self, row: &SessionRow) {
        // If that fails too, a session is left that nobody holds a token of, and it expires.
        let _ = self.state.shared.end(row.handle, Some(row.subject.clone()), EndReason::Superseded).await;
    }
}

/// A session that is not stored yet.
pub(super) struct Begun {
    pub(super) row: SessionRow,
    pub(super) access: IssuedAccess,
    pub(super) refresh: IssuedRefresh,
}

/// What every store can keep and every list can show: PostgreSQL takes no U+0000.
fn shown(text: &str) -> String {
    let mut len = 0;
    let fits = |c: &char| {
        len += c.len_utf8();
        len <= LONGEST_TEXT
    };
    text.chars().filter(|c| !c.is_control()).take_while(fits).collect()
}

fn kind_of(error: &MintError) -> RejectionKind {
    let reason = match error {
        MintError::ReservedClaim => "they have the name of a standard claim",
        MintError::NotAMap => "they are neither a map nor a struct nor `()`",
        MintError::DuplicateMember => "they have a name twice",
        MintError::EmptySubject => "the subject is empty",
        MintError::InvalidScope => "the scope has a character that RFC 6749 §3.3 forbids",
        MintError::TooLarge => "the access token would be too large for a cookie or a header",
        MintError::Serialize => "they cannot be serialised",
        MintError::Sign | MintError::Random => return RejectionKind::Internal,
    };
    RejectionKind::InvalidClaims { reason }
}
