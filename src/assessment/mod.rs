//! The application's assessment of each refresh: is it plausible that this request comes from the session's user?

mod assessor;
mod attempt;

pub(crate) use self::assessor::{Assess, Assessor};
pub use self::attempt::RefreshAttempt;

/// What [`AuthBuilder::assess`](crate::AuthBuilder::assess) decides about a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Assessment {
    /// The refresh goes on.
    Allow,
    /// The refresh token does not authenticate this request, and nothing is changed: no rotation, no cookie, no budget. A route
    /// that needs a user answers with [`RejectionKind::LoginRequired`](crate::RejectionKind::LoginRequired). The session goes on,
    /// so a later request that is allowed is authenticated. Raises
    /// [`EventKind::LoginRequired`](crate::event::EventKind::LoginRequired).
    RequireLogin,
    /// The same, and the session is ended as [suspicious](crate::event::EndReason::Suspicious): its tokens are rejected at once,
    /// everywhere. Raises [`EventKind::Suspicious`](crate::event::EventKind::Suspicious). Nothing is ended where a valid access
    /// token authenticates the request, or another site started it.
    EndSession,
}
