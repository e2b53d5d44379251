use std::{error::Error, fmt, sync::Arc};

use tower_refresh_core::{SessionHandle, SessionRow, Subject, Timestamp};

use crate::{Auth, Authenticated, CustomClaims, Identity, crypto, refresh::issue_access, user::User};

/// An access token for `subject`, as a login would issue it now: the layer of `auth` accepts it until it expires.
///
/// No session is stored, so nothing renews it, and no list of sessions has it.
///
/// # Errors
/// [`TestTokenError`] if the claims cannot go into an access token.
pub fn access_token<C: CustomClaims>(
    auth: &Auth<C>,
    subject: impl Into<Subject>,
    identity: Identity<C>,
) -> Result<String, TestTokenError> {
    let shared = &auth.shared;
    let now = shared.now();
    let expires_at = now.saturating_add(shared.settings.policy.access_lifetime);
    let session = SessionHandle::from_bytes(crypto::random().map_err(TestTokenError::new)?);
    let user = User::new(subject.into(), session, identity, expires_at);
    let row = SessionRow::new(session, user.subject.clone(), now, expires_at, expires_at);
    let access = issue_access(shared, &shared.ring.keys(), &user, &row, now).map_err(TestTokenError::new)?;
    Ok(access.token.to_string())
}

/// A user, to call a handler with: no layer and no request are needed. It is of a session of its own that no store has,
/// and expires at the end of time.
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
    let the_end = Timestamp::from_millis(u64::MAX);
    Authenticated::new(Arc::new(User::new(subject.into(), session, identity, the_end)))
}

/// The claims cannot go into an access token; its text says why.
#[derive(Debug)]
pub struct TestTokenError(Box<dyn Error + Send + Sync>);

impl TestTokenError {
    fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
    }
}

impl fmt::Display for TestTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no access token can be made: {}", self.0)
    }
}

impl Error for TestTokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
