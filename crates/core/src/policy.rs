//! Lifetimes and tolerances.

use std::{error::Error, fmt, time::Duration};

/// The lifetimes of sessions and tokens, and the tolerance for lost and parallel requests.
///
/// # Defaults
/// [`balanced`](Self::balanced) is the default; each field documents its value and the reason.
/// [`strict`](Self::strict) accepts no late token and ends the session instead, [`tolerant`](Self::tolerant) accepts any
/// number of them.
///
/// The middleware calls [`validate`](Self::validate) when it is built.
///
/// ```
/// use std::time::Duration;
/// use tower_refresh_core::{PolicyError, RotationPolicy};
///
/// let mut policy = RotationPolicy::balanced();
/// policy.grace = Duration::from_secs(60);
/// assert_eq!(policy.validate(), Err(PolicyError::DampingTooShort)); // 60 s, less than the grace period + 15 s
/// policy.damping = Duration::from_secs(90);
/// assert_eq!(policy.validate(), Ok(()));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RotationPolicy {
    /// How long after a rotation the previous refresh token is accepted like the current one. 30 s: the parallel requests
    /// and retries of a page load complete well within it, and a thief with a copy of the token gains little.
    pub grace: Duration,
    /// A session rotates only after this time has passed since the last rotation, and the previous refresh token
    /// authenticates for as long. 60 s, and at least `grace` + 15 s, so that a slow response never leaves a browser two
    /// generations behind. After `grace` the previous token obtains its successor from the late budget alone.
    pub damping: Duration,
    /// How often the previous token obtains its successor after `grace`, because the response with the current one was
    /// lost (for example, a laptop went to sleep). Twice, and once more for each 12 h.
    pub late: LateBudget,
    /// Whether the previous token ends the session once the late budget is spent, although the current token was never
    /// presented. `false`: lost responses alone explain such a request, so it is anonymous and changes nothing, and
    /// the holder of the current token goes on.
    pub end_when_spent: bool,
    /// The lifetime of an access token. 10 min; rounded down to whole seconds, and shortened by up to 5 %, by a different
    /// amount for each session, so that tokens issued at the same time do not all expire at the same time.
    pub access_lifetime: Duration,
    /// Refresh an access token that is still valid once no more than this fraction of its lifetime remains, concurrently
    /// with the handler. 0.2; 0 disables it.
    pub refresh_ahead: f64,
    /// A session expires if it is not refreshed for this long. 7 d. A value above `absolute` has the effect of `absolute`.
    pub idle: Duration,
    /// A session expires this long after the login, even if it is in use. 30 d.
    pub absolute: Duration,
}

impl RotationPolicy {
    /// The default policy. See the fields.
    pub fn balanced() -> Self {
        Self {
            grace: Duration::from_secs(30),
            damping: Duration::from_secs(60),
            late: LateBudget::Limited { burst: 2, refill: Duration::from_secs(12 * 60 * 60) },
            end_when_spent: false,
            access_lifetime: Duration::from_secs(10 * 60),
            refresh_ahead: 0.2,
            idle: Duration::from_secs(7 * 24 * 60 * 60),
            absolute: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }

    /// A grace period of 10 s, no late budget, and `end_when_spent`: a stolen token is detected sooner, but a client that
    /// lost a response and returns after the damping interval must log in again, which is reported as reuse. The damping
    /// interval stays 60 s.
    pub fn strict() -> Self {
        Self {
            grace: Duration::from_secs(10),
            late: LateBudget::Limited { burst: 0, refill: Duration::from_secs(12 * 60 * 60) },
            end_when_spent: true,
            ..Self::balanced()
        }
    }

    /// The previous token is accepted until the current one is presented. No lost response ever logs a user out, but a
    /// thief with the previous token can follow the session for hours.
    pub fn tolerant() -> Self {
        Self { late: LateBudget::Unbounded, ..Self::balanced() }
    }

    /// Checks that the values are valid in combination.
    ///
    /// # Errors
    /// The first rule in the order of [`PolicyError`] that is violated.
    pub fn validate(&self) -> Result<(), PolicyError> {
        let second = Duration::from_secs(1);
        if self.access_lifetime < second || self.access_lifetime > LONGEST {
            return Err(PolicyError::AccessLifetime);
        }
        if self.absolute < second || self.absolute > LONGEST {
            return Err(PolicyError::AbsoluteLifetime);
        }
        if self.idle < second || self.idle > LONGEST {
            return Err(PolicyError::IdleLifetime);
        }
        if self.grace > LONGEST_GRACE {
            return Err(PolicyError::GraceTooLong);
        }
        if self.damping < self.grace + DAMPING_OVER_GRACE {
            return Err(PolicyError::DampingTooShort);
        }
        if self.damping > LONGEST {
            return Err(PolicyError::DampingTooLong);
        }
        if !(0.0..1.0).contains(&self.refresh_ahead) {
            return Err(PolicyError::RefreshAhead);
        }
        match self.late {
            LateBudget::Limited { refill, .. } if refill < second || refill > LONGEST => {
                Err(PolicyError::LateRefill)
            }
            LateBudget::Limited { burst, .. } if burst > LARGEST_BURST => Err(PolicyError::LateBurst),
            LateBudget::Limited { .. } | LateBudget::Unbounded => Ok(()),
        }
    }
}

const DAMPING_OVER_GRACE: Duration = Duration::from_secs(15);
const LONGEST_GRACE: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
const LARGEST_BURST: u32 = 1000;

impl Default for RotationPolicy {
    fn default() -> Self {
        Self::balanced()
    }
}

/// How often the previous token obtains its successor after the grace period, if the current one was never presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LateBudget {
    /// At most `burst` in a row, and one more for each `refill`.
    #[non_exhaustive]
    Limited {
        /// How many in a row. 0 accepts none.
        burst: u32,
        /// How long until one more is accepted.
        refill: Duration,
    },
    /// Any number. See [`RotationPolicy::tolerant`] for the risk.
    Unbounded,
}

impl LateBudget {
    /// At most `burst` in a row, and one more for each `refill`.
    pub const fn limited(burst: u32, refill: Duration) -> Self {
        Self::Limited { burst, refill }
    }
}

/// The rule that a [`RotationPolicy`] violates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyError {
    /// The access lifetime is shorter than 1 s or longer than ten years.
    AccessLifetime,
    /// The absolute lifetime is shorter than 1 s or longer than ten years.
    AbsoluteLifetime,
    /// The idle lifetime is shorter than 1 s or longer than ten years.
    IdleLifetime,
    /// The grace period is longer than ten minutes.
    GraceTooLong,
    /// The damping interval is shorter than the grace period plus 15 s.
    DampingTooShort,
    /// The damping interval is longer than ten years.
    DampingTooLong,
    /// The refresh-ahead fraction is not at least 0 and below 1.
    RefreshAhead,
    /// The refill time of the late budget is shorter than 1 s or longer than ten years.
    LateRefill,
    /// The late budget has a burst above 1000.
    LateBurst,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessLifetime => "the access lifetime must be between 1 s and ten years",
            Self::AbsoluteLifetime => "the absolute lifetime must be between 1 s and ten years",
            Self::IdleLifetime => "the idle lifetime must be between 1 s and ten years",
            Self::GraceTooLong => "the grace period must be at most ten minutes",
            Self::DampingTooShort => "the damping interval must be at least the grace period plus 15 s",
            Self::DampingTooLong => "the damping interval must be at most ten years",
            Self::RefreshAhead => "the refresh-ahead fraction must be at least 0 and below 1",
            Self::LateRefill => "the refill time of the late budget must be between 1 s and ten years",
            Self::LateBurst => "the burst of the late budget must be at most 1000",
        })
    }
}

impl Error for PolicyError {}
