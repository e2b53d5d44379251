//! The options of a login.

use std::{fmt, time::Duration};

use tower_refresh_core::{RotationPolicy, Timestamp};

use crate::{
    cookies::LONGEST_MAX_AGE, refresh_token::RefreshTransport, rejection::InvalidLoginOptionsReason,
};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST_IN_COOKIE: Duration = Duration::from_secs(LONGEST_MAX_AGE);
/// As the longest of a policy.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// The options of a login.
///
/// ```
/// use std::time::Duration;
/// use tower_refresh::{LoginOptions, Rejection, Session, TokenResponse};
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
///
/// async fn login(session: Session<()>, remember: bool) -> Result<TokenResponse, Rejection> {
///     // … after checking the password:
///     let options = if remember {
///         LoginOptions::new().idle(90 * DAY).absolute(365 * DAY)
///     } else {
///         LoginOptions::new().remember(false).absolute(DAY)
///     };
///     session.login_with("alice", options).await
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct LoginOptions {
    pub(super) label: Option<String>,
    pub(super) data: Vec<u8>,
    pub(super) remember: bool,
    pub(super) end_others: bool,
    authenticated_at: Option<Timestamp>,
    idle: Option<Duration>,
    absolute: Option<Duration>,
}

impl LoginOptions {
    /// No label and no data; the user was authenticated now; the session outlives the browser, and has the lifetimes of the policy.
    pub fn new() -> Self {
        Self {
            label: None,
            data: Vec::new(),
            remember: true,
            end_others: false,
            authenticated_at: None,
            idle: None,
            absolute: None,
        }
    }

    /// Sets a name for the session, which the list of sessions shows to the user. Control characters are removed, and the rest is
    /// cut to 256 bytes, since clients may choose it.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets bytes that the claims source reads from [`SessionInfo::data`](crate::SessionInfo::data): how the user authenticated, a
    /// tenant, a device. They are not sent to clients. [`Session::set_data`](crate::Session::set_data) replaces them.
    pub fn data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }

    /// Sets when the user was authenticated, as an identity provider says in the `auth_time` of its ID token (OpenID Connect Core §2):
    /// its session may be days old, and the user typed nothing today. It is the login's
    /// [`auth_time`](crate::Authenticated::auth_time), which [`Auth::require_recent_login`](crate::Auth::require_recent_login) compares
    /// with the clock. The default is now, and so is a time in the future: the provider's clock is ahead. The lifetimes of the session
    /// count from now in any case.
    ///
    /// If the provider does not say, `Timestamp::default()` is a time that is never recent.
    pub fn authenticated_at(mut self, at: Timestamp) -> Self {
        self.authenticated_at = Some(at);
        self
    }

    /// Whether the session outlives the browser: "remember me". Default: true. With `false` neither cookie has a `Max-Age`, at the
    /// login and at each refresh, so the browser removes them when it closes. The idle and the absolute lifetime apply all the same.
    ///
    /// **Browsers that restore their tabs keep such cookies.** On a shared computer only a short lifetime or a logout protects the
    /// user.
    ///
    /// It has no meaning for native clients, which have no cookies.
    pub fn remember(mut self, remember: bool) -> Self {
        self.remember = remember;
        self
    }

    /// Sets how long this session lives without a refresh, instead of [`RotationPolicy::idle`](crate::RotationPolicy::idle): longer
    /// or shorter. It is stored with the session, and a later policy does not change it. At least 1 s; rounded down to milliseconds,
    /// and cut to the absolute lifetime.
    ///
    /// The time counts from the last rotation, as that of the policy. Keep it above the sum of access lifetime and damping interval, or
    /// active users are logged out.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// Sets after which time this session ends even if it is in use, instead of
    /// [`RotationPolicy::absolute`](crate::RotationPolicy::absolute): longer or shorter. It is stored with the session, and a later
    /// policy does not change it. At least 1 s; the session expires at a whole second, rounded down.
    ///
    /// At most 400 days, since browsers keep no cookie for longer (RFC 6265bis §5.5); for a native client, at most ten years.
    pub fn absolute(mut self, absolute: Duration) -> Self {
        self.absolute = Some(absolute);
        self
    }

    /// Ends all other sessions of the user, as [`EndReason::Displaced`](crate::event::EndReason::Displaced). If that fails, the login
    /// fails, and the client's former session stays live; so it does if sessions go on under new ids faster than they are ended
    /// ([`EventKind::DisplacementIncomplete`](crate::event::EventKind::DisplacementIncomplete)). Sessions of logins that are later than this one stay.
    pub fn end_others(mut self) -> Self {
        self.end_others = true;
        self
    }

    /// When the user of a login `now` was authenticated.
    pub(super) fn authenticated_by(&self, now: Timestamp) -> Timestamp {
        self.authenticated_at.unwrap_or(now).min(now)
    }

    /// When a session that starts `now` with these options expires without a refresh, and in any case.
    pub(super) fn expiries(
        &self,
        policy: &RotationPolicy,
        transport: RefreshTransport,
        now: Timestamp,
    ) -> Result<(Timestamp, Timestamp), InvalidLoginOptionsReason> {
        if self.idle.is_some_and(|idle| idle < SHORTEST) {
            return Err(InvalidLoginOptionsReason::IdleTooShort);
        }
        let longest = match transport {
            RefreshTransport::Cookie => LONGEST_IN_COOKIE,
            RefreshTransport::Body => LONGEST,
        };
        match self.absolute {
            Some(absolute) if absolute < SHORTEST => return Err(InvalidLoginOptionsReason::AbsoluteTooShort),
            Some(absolute) if absolute > longest => return Err(InvalidLoginOptionsReason::AbsoluteTooLong),
            _ => {}
        }
        let (idle, absolute) = (self.idle.unwrap_or(policy.idle), self.absolute.unwrap_or(policy.absolute));
        // Tokens have whole seconds, and the row must agree with them.
        let absolute_expiry = Timestamp::from_secs(now.saturating_add(absolute).as_secs());
        Ok((now.saturating_add(idle).min(absolute_expiry), absolute_expiry))
    }
}

impl Default for LoginOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LoginOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginOptions")
            .field("label", &self.label)
            .field("remember", &self.remember)
            .field("authenticated_at", &self.authenticated_at)
            .field("idle", &self.idle)
            .field("absolute", &self.absolute)
            .field("end_others", &self.end_others)
            .finish_non_exhaustive()
    }
}
