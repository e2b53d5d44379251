//! Events of sessions, for the application's audit log, for `tracing` and for `metrics`.

mod about;
mod client;
mod device;
mod reason;
mod reporter;

use std::{net::IpAddr, time::Duration};

pub use tower_refresh_core::{EndReason, rotation::TokenClass};
use tower_refresh_core::{SessionHandle, Subject, Timestamp};

pub(crate) use self::{
    about::About,
    client::{ClientInfo, displayable},
    reporter::{Events, Listener, report_missing_layer},
};
pub use self::{
    device::{DeviceRefreshSkipped, DeviceRefusal},
    reason::{ClientDifference, JwksFailure, Misconfiguration, RejectionReason},
};
use crate::InvalidClaimsReason;

/// An event of a session, for an audit log. It contains no token and no secret.
///
/// Passed to the closure of [`AuthBuilder::on_event`](crate::AuthBuilder::on_event).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The session, if the event concerns one.
    pub session: Option<SessionHandle>,
    /// The subject of the session, if it is known.
    pub subject: Option<Subject>,
    /// When it happened.
    pub at: Timestamp,
    /// For events of a refresh: the time since the last rotation of the refresh token.
    pub since_rotation: Option<Duration>,
    /// The address of the client whose request caused the event, if a request did and [`AuthBuilder::client_ip`] is set. Of
    /// concurrent requests that share a load or a commit, it is the first one's.
    ///
    /// [`AuthBuilder::client_ip`]: crate::AuthBuilder::client_ip
    pub ip: Option<IpAddr>,
    /// The `User-Agent` of that request, without control characters and cut to 256 bytes. The client chooses it.
    pub user_agent: Option<String>,
}

/// The kinds of [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A user logged in: a session started.
    Login,
    /// A logged-in user was authenticated again: a session started that continues the former one, which ended as
    /// [`Superseded`](EndReason::Superseded).
    Reauthentication,
    /// A request was authenticated by a refresh token of this class.
    Refresh(TokenClass),
    /// The refresh token was one generation old, and no client has used its successor: a response was lost, or somebody has a
    /// copy.
    Late,
    /// The same, but no late budget is left: the token authenticated nothing, and nothing was changed. Lost responses alone lead to
    /// this. So does a thief who obtained the successor, has not used it, and used up the budget: the owner is locked out.
    Spent,
    /// A refresh token was used that an honest client no longer has. The session is ended, unless a valid access token authenticated
    /// the request, or another site started it.
    Reuse,
    /// [`AuthBuilder::assess`](crate::AuthBuilder::assess) answered a refresh with
    /// [`Assessment::RequireLogin`](crate::Assessment::RequireLogin): the refresh token authenticated nothing, and nothing was
    /// changed.
    LoginRequired,
    /// [`AuthBuilder::assess`](crate::AuthBuilder::assess) answered a refresh with
    /// [`Assessment::EndSession`](crate::Assessment::EndSession). The session is ended, unless a valid access token authenticated
    /// the request, or another site started it.
    Suspicious,
    /// The store had lost a rotation, which was restored from the token.
    Ahead,
    /// A refresh token was further ahead of the store than one lost write explains: the store was restored from a backup.
    Impossible,
    /// The session ended.
    End(EndReason),
    /// A login could not end all sessions that it leaves no room for: eight times in a row one had ended otherwise when its turn
    /// came, as by a reauthentication, and may go on under a new id. With
    /// [`LoginOptions::end_others`](crate::LoginOptions::end_others) the login failed; with
    /// [`AuthBuilder::max_sessions`](crate::AuthBuilder::max_sessions) it succeeded, and the next one ends what is left.
    DisplacementIncomplete,
    /// The claims of the session were outdated by [`Auth::reload_claims`](crate::Auth::reload_claims) or
    /// [`reload_session`](crate::Auth::reload_session): its access tokens from before count as expired.
    ClaimsOutdated,
    /// A request had invalid credentials or lacked permission. Expired tokens are routine, and not reported.
    Rejected(RejectionReason),
    /// A call of the store failed or timed out. No session was ended and no cookie removed because of it.
    StoreFailed,
    /// The claims source failed, panicked or timed out, and nothing was changed.
    ClaimsFailed,
    /// The closure of [`AuthBuilder::assess`](crate::AuthBuilder::assess) panicked, and nothing was changed.
    AssessmentFailed,
    /// The cryptographic backend failed to sign a token or to draw random bytes, and the token was not sent.
    CryptoFailed,
    /// The store's feed was lost, or reported more ended sessions and changes of roles than this server remembers. Until it is back,
    /// access tokens of sessions that other servers end or outdate stay valid here until they expire. A store without a feed, and a feed that is not followed, raise no event; the gauge
    /// `tower_refresh_feed_up` is 0.
    FeedLost,
    /// The feed is back, and this server has caught up with it.
    FeedRestored,
    /// A response with a refresh token was lost once more, soon after another one of the same session: late budget was spent
    /// that was not full, or the second time for the same token. Something between the layer and the client probably drops
    /// `Set-Cookie` or replaces whole responses, and when the budget is spent, the user is logged out. A single lost response
    /// raises only [`Late`](Self::Late). With a late budget of at most one, the user is logged out before this is known.
    ResponsesLost,
    /// A refresh token was sent to a second client within the grace period after the first one, and the two differ: somebody may
    /// follow the session with a copy of its token. Only this server's own responses are compared.
    Redelivered(ClientDifference),
    /// The claims source returned `None` for a navigation that another site started. The request was anonymous, and the session
    /// goes on until a request that no other site started ends it, with [`End`](Self::End).
    Disabled,
    /// The store's feed has a notice of an unknown kind, which was ignored: a later version of this library uses the same store,
    /// or somebody else sends to the feed. Reported once for each connection of the feed.
    UnknownNotice,
    /// The head of a response with new tokens has more than 4096 bytes. nginx answers such a response with 502 unless its
    /// `proxy_buffer_size` is larger, and other proxies have similar limits. Reported once for each [`Auth`](crate::Auth).
    #[non_exhaustive]
    LargeResponseHead {
        /// The size of the head, as far as the layer sees it.
        bytes: usize,
    },
    /// A [`Verifier`](crate::Verifier) could not fetch the issuer's keys. It goes on with those that it has; without any, requests with
    /// a token are answered with 503.
    JwksFailed(JwksFailure),
    /// The issuer's keys were fetched again after a failure.
    JwksRestored,
    /// The issuer's keys could not be fetched again for [`VerifierBuilder::stale_for`](crate::VerifierBuilder::stale_for), and were
    /// dropped. Until they can be fetched, requests with a token are answered with 503.
    JwksExpired,
    /// The claims source returned claims or a scope that do not fit into an access token, at a login or a refresh. No session was
    /// written and no cookie touched. A request that needed them failed with
    /// [`RejectionKind::InvalidClaims`](crate::RejectionKind::InvalidClaims), and succeeds as soon as they fit again.
    InvalidClaims(InvalidClaimsReason),
    /// A session was bound to the key of a device. The binding counts from the first [proof](Self::DeviceProven) on.
    DeviceBound,
    /// The device to which a session is bound gave a proof, and an access token was issued.
    DeviceProven,
    /// A refresh token was presented without a proof of the device to which its session is bound. With
    /// [`DeviceBinding::Enforce`](crate::DeviceBinding::Enforce) the token authenticated nothing, and nothing was changed; with
    /// [`DeviceBinding::Observe`](crate::DeviceBinding::Observe) it refreshed. Somebody uses a copy of it on another device, or the browser could not refresh, for the reason that it gives;
    /// a thief can give one too.
    DeviceUnproven(Option<DeviceRefreshSkipped>),
    /// The registration of a device's key was refused. The session goes on as before.
    DeviceRegistrationRefused(DeviceRefusal),
    /// A mistake in the application, which a client received as a 500 that names it. Reported at most once for each request.
    Misconfigured(Misconfiguration),
}

impl EventKind {
    /// The stable name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Reauthentication => "reauthentication",
            Self::Refresh(_) => "refresh",
            Self::Late => "late",
            Self::Spent => "spent",
            Self::Reuse => "reuse",
            Self::LoginRequired => "login_required",
            Self::Suspicious => "suspicious",
            Self::Ahead => "ahead",
            Self::Impossible => "impossible",
            Self::End(_) => "end",
            Self::DisplacementIncomplete => "displacement_incomplete",
            Self::ClaimsOutdated => "claims_outdated",
            Self::Rejected(_) => "rejected",
            Self::StoreFailed => "store_failed",
            Self::ClaimsFailed => "claims_failed",
            Self::AssessmentFailed => "assessment_failed",
            Self::CryptoFailed => "crypto_failed",
            Self::FeedRestored => "feed_restored",
            Self::FeedLost => "feed_lost",
            Self::ResponsesLost => "responses_lost",
            Self::Redelivered(_) => "redelivered",
            Self::Disabled => "disabled",
            Self::UnknownNotice => "unknown_notice",
            Self::LargeResponseHead { .. } => "large_response_head",
            Self::JwksFailed(_) => "jwks_failed",
            Self::JwksRestored => "jwks_restored",
            Self::JwksExpired => "jwks_expired",
            Self::InvalidClaims(_) => "invalid_claims",
            Self::DeviceBound => "device_bound",
            Self::DeviceProven => "device_proven",
            Self::DeviceUnproven(_) => "device_unproven",
            Self::DeviceRegistrationRefused(_) => "device_registration_refused",
            Self::Misconfigured(_) => "misconfigured",
        }
    }

    /// What the kind contains: a class, a reason, a difference or a mistake; else empty.
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    const fn detail(self) -> &'static str {
        match self {
            Self::Refresh(class) => class.as_str(),
            Self::End(reason) => reason.as_str(),
            Self::Rejected(reason) => reason.as_str(),
            Self::Redelivered(difference) => difference.as_str(),
            Self::JwksFailed(reason) => reason.as_str(),
            Self::InvalidClaims(reason) => reason.as_str(),
            Self::Misconfigured(mistake) => mistake.as_str(),
            Self::DeviceUnproven(Some(skipped)) => skipped.as_str(),
            Self::DeviceRegistrationRefused(refusal) => refusal.as_str(),
            _ => "",
        }
    }
}
