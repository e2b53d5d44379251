//! Which session comes from which login at a provider, and which logins the provider has ended.
//!
//! With a store on disk, these are two tables beside its own, and each method is one transaction:
//!
//! ```sql
//! CREATE TABLE provider_login (
//!     session    text PRIMARY KEY,      -- SessionHandle
//!     subject    text NOT NULL,         -- issuer and sub
//!     issuer     text NOT NULL,
//!     sid        text,                  -- the session at the provider
//!     id_token   text NOT NULL,         -- for the logout there; encrypt it, it names the user
//!     expires_at bigint NOT NULL        -- when the session ends in any case
//! );
//! CREATE INDEX ON provider_login (issuer, sid);
//! CREATE TABLE provider_logout (
//!     issuer     text NOT NULL,
//!     jti        text NOT NULL,
//!     subject    text,
//!     sid        text,
//!     issued_at  bigint NOT NULL,
//!     expires_at bigint NOT NULL,
//!     PRIMARY KEY (issuer, jti)
//! );
//! ```

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tower_refresh::{SessionHandle, Subject, Timestamp};

/// How long a logout is remembered: longer than its token is accepted, and longer than a login takes.
pub(crate) const RETENTION: Duration = Duration::from_secs(20 * 60);

#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) subject: Subject,
    pub(crate) issuer: String,
    pub(crate) sid: Option<String>,
    pub(crate) id_token: String,
    /// Of the ID token.
    pub(crate) issued_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

/// What a logout token ends.
pub(crate) enum Ends {
    /// One session at the provider, of this user if the token says so.
    Session { sid: String, subject: Option<Subject> },
    /// All sessions of this user.
    User(Subject),
}

pub(crate) struct Logout {
    pub(crate) issuer: String,
    pub(crate) jti: String,
    pub(crate) ends: Ends,
    pub(crate) issued_at: Timestamp,
}

/// The provider has ended this login already.
pub(crate) struct LoggedOut;

/// A logout with this `jti` was accepted before.
pub(crate) struct Replayed;

#[derive(Default)]
pub(crate) struct Logins(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    logins: HashMap<SessionHandle, Login>,
    logouts: Vec<(Timestamp, Logout)>,
}

impl Logins {
    /// Refuses a login that the provider has ended already, before it has a session.
    pub(crate) fn check(&self, login: &Login, now: Timestamp) -> Result<(), LoggedOut> {
        self.lock(now).check(login)
    }

    /// Adds a login after its session was created. A logout token may have come before, while the login was under way: then there
    /// was no session to end. Both look at the other table under one lock, so that one of them sees the other.
    pub(crate) fn insert(
        &self,
        session: SessionHandle,
        login: Login,
        now: Timestamp,
    ) -> Result<(), LoggedOut> {
        let mut tables = self.lock(now);
        tables.check(&login)?;
        tables.logins.insert(session, login);
        Ok(())
    }

    /// Remembers a logout. Returns the sessions of the logins that it ends.
    pub(crate) fn record(&self, logout: Logout, now: Timestamp) -> Result<Vec<SessionHandle>, Replayed> {
        let mut tables = self.lock(now);
        let is_same = |other: &Logout| other.issuer == logout.issuer && other.jti == logout.jti;
        if tables.logouts.iter().any(|(_, other)| is_same(other)) {
            return Err(Replayed);
        }
        let ended = tables.logins.iter().filter(|(_, login)| logout.ends(login));
        let sessions = ended.map(|(session, _)| *session).collect();
        tables.logouts.push((now.saturating_add(RETENTION), logout));
        Ok(sessions)
    }

    /// Forgets a logout that could not be carried out, so that the provider can send its token again.
    pub(crate) fn forget(&self, issuer: &str, jti: &str, now: Timestamp) {
        self.lock(now).logouts.retain(|(_, logout)| logout.issuer != issuer || logout.jti != jti);
    }

    /// The login of a session that is about to end.
    pub(crate) fn remove(&self, session: SessionHandle, now: Timestamp) -> Option<Login> {
        self.lock(now).logins.remove(&session)
    }

    fn lock(&self, now: Timestamp) -> MutexGuard<'_, Tables> {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tables.logins.retain(|_, login| now < login.expires_at);
        tables.logouts.retain(|(expires_at, _)| now < *expires_at);
        tables
    }
}

impl Tables {
    fn check(&self, login: &Login) -> Result<(), LoggedOut> {
        let is_ended = self.logouts.iter().any(|(_, logout)| logout.ends(login));
        if is_ended { Err(LoggedOut) } else { Ok(()) }
    }
}

impl Logout {
    /// Whether it ends this login. One that began after the logout goes on: the user has logged in again.
    fn ends(&self, login: &Login) -> bool {
        self.issuer == login.issuer
            && match &self.ends {
                Ends::Session { sid, subject } => {
                    login.sid.as_ref() == Some(sid)
                        && subject.as_ref().is_none_or(|subject| *subject == login.subject)
                }
                Ends::User(subject) => *subject == login.subject && login.issued_at <= self.issued_at,
            }
    }
}
