//! Access tokens and users without a login.

use std::{error::Error, fmt, sync::Arc};

use tower_refresh_core::{SessionHandle, SessionRow, Subject, Timestamp};

use super::ManualClock;
use crate::{
    Auth, Authenticated, Clock, CustomClaims, Identity,
    claims::{User, UserLoad},
    crypto,
    refresh_token::RefreshTransport,
};

/// Issues an access token for `subject`, like a login. The layer of `auth` accepts it until it expires.
///
/// No session is stored, so the token is never refreshed, and no list of sessions contains it.
///
/// # Errors
/// [`TestTokenError`] if the claims do not fit into an access token.
pub fn access_token<C: CustomClaims>(
    auth: &Auth<C>,
    subject: impl Into<Subject>,
    identity: Identity<C>,
) -> Result<String, TestTokenError> {
    let now = auth.inner.now();
    let expires_at = now.saturating_add(auth.inner.settings.policy.access_lifetime);
    let session = SessionHandle::from_bytes(crypto::random().map_err(TestTokenError::new)?);
    let row = SessionRow::new(session, subject.into(), now, expires_at, expires_at);
    let user = User::new(&row, identity, 0, expires_at, auth.inner.sessions().events.clock());
    let tokens = auth.inner.tokens();
    let load = UserLoad { user: Arc::new(user), claims_at: now, call: 0 };
    let user = tokens.prepare(load, RefreshTransport::Cookie).map_err(TestTokenError::new)?;
    let access = tokens.issue_access(&tokens.keys(), &user, &row, now).map_err(TestTokenError::new)?;
    Ok(access.token.to_string())
}

/// A user for a direct call of a handler, without a layer and a request. Its session is in no store, it never expires, and its login
/// stays [recent](Authenticated::is_recent).
///
/// ```
/// # use tower_refresh::{Authenticated, Identity, testing::authenticated};
/// async fn me(user: Authenticated<()>) -> String {
///     format!("hello {}", user.subject())
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let alice = authenticated("alice", Identity::new(()).scope("user"));
/// assert_eq!(me(alice).await, "hello alice");
/// # }
/// ```
pub fn authenticated<C>(subject: impl Into<Subject>, identity: Identity<C>) -> Authenticated<C> {
    let session = SessionHandle::from_bytes(*b"a testing handle");
    let never = Timestamp::from_millis(u64::MAX);
    let clock = ManualClock::new();
    let row = SessionRow::new(session, subject.into(), clock.now(), never, never);
    Authenticated::new(Arc::new(User::new(&row, identity, 0, never, Arc::new(clock))))
}

/// The claims do not fit into an access token. `Display` contains the reason.
#[derive(Debug)]
pub struct TestTokenError(Box<dyn Error + Send + Sync>);

impl TestTokenError {
    fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

impl fmt::Display for TestTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the access token cannot be issued: {}", self.0)
    }
}

impl Error for TestTokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
