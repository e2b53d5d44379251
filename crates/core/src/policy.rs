//! How long things live, and how much an honest client is forgiven.

use std::{error::Error, fmt, time::Duration};

/// The times and allowances of sessions and tokens.
///
/// # Defaults
/// [`balanced`](Self::balanced) is the default; each field says its value and the reason. [`strict`](Self::strict)
/// accepts no late token, [`tolerant`](Self::tolerant) any number of them.
///
/// A policy is checked by [`validate`](Self::validate) when the middleware is built.
///
/// ```
/// use std::time::Duration;
/// use tower_refresh_core::{PolicyError, RotationPolicy};
///
/// let mut policy = RotationPolicy::balanced();
/// policy.grace = Duration::from_secs(60);
/// assert_eq!(policy.validate(), Err(PolicyError::DampingTooShort)); // 60 s, less than grace + 15 s
/// policy.damping = Duration::from_secs(90);
/// assert_eq!(policy.validate(), Ok(()));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RotationPolicy {
    /// How long after a rotation the previous refresh token is as good as the current one. 30 s: parallel requests
    /// and retries of one page load end well within it, and a thief who copied the token gains little.
    pub grace: Duration,
    /// No second rotation within this time. 60 s; at least `grace` + 15 s, so that a response that was slow on the
    /// wire never leaves a browser two generations behind.
    pub damping: Duration,
    /// How often the previous token is accepted after `grace`, for responses that were lost: a laptop that slept.
    /// Two, and one back per 12 h.
    pub late: LateBudget,
    /// The life of an access token. 10 min, in whole seconds; up to 5 % less at random, so that the tokens of one
    /// moment do not all expire in another one.
    pub access_lifetime: Duration,
    /// Renew an access token that is still valid while the last fraction of its life remains, beside the handler.
    /// 0.2; 0 switches it off.
    pub refresh_ahead: f64,
    /// A session that was not refreshed for this long is over. 7 d. Longer than `absolute` is the same as `absolute`.
    pub idle: Duration,
    /// A session is over this long after the login, however busy. 30 d.
    pub absolute: Duration,
}

impl RotationPolicy {
    /// The default. See the fields.
    pub fn balanced() -> Self {
        Self {
            grace: Duration::from_secs(30),
            damping: Duration::from_secs(60),
            late: LateBudget::Limited { burst: 2, refill: Duration::from_secs(12 * 60 * 60) },
            access_lifetime: Duration::from_secs(10 * 60),
            refresh_ahead: 0.2,
            idle: Duration::from_secs(7 * 24 * 60 * 60),
            absolute: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }

    /// Grace 10 s and no late budget: a stolen token is found out sooner, and a client that lost one response and
    /// came back after the grace must log in again. The damping stays 60 s: within it a token is not used up.
    pub fn strict() -> Self {
        Self {
            grace: Duration::from_secs(10),
            late: LateBudget::Limited { burst: 0, refill: Duration::from_secs(12 * 60 * 60) },
            ..Self::balanced()
        }
    }

    /// The previous token stays good until the current one was seen: no lost response ever logs out, and a thief
    /// who holds the previous token can keep step for hours.
    pub fn tolerant() -> Self {
        Self { late: LateBudget::Unbounded, ..Self::balanced() }
    }

    /// Checks that the values go together.
    ///
    /// # Errors
    /// The first rule of [`PolicyError`] that is broken.
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

/// How often the previous token is accepted after the grace, while the current one was never seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LateBudget {
    /// At most `burst` at once, with one back each `refill`.
    #[non_exhaustive]
    Limited {
        /// How many at once; 0 accepts none.
        burst: u32,
        /// How long until one comes back.
        refill: Duration,
    },
    /// Any number. See the risk at [`RotationPolicy::tolerant`].
    Unbounded,
}

impl LateBudget {
    /// At most `burst` at once, with one back each `refill`.
    pub const fn limited(burst: u32, refill: Duration) -> Self {
        Self::Limited { burst, refill }
    }
}

/// Which rule a [`RotationPolicy`] breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyError {
    /// The access lifetime is shorter than 1 s or longer than ten years.
    AccessLifetime,
    /// The absolute lifetime is shorter than 1 s or longer than ten years.
    AbsoluteLifetime,
    /// The idle lifetime is shorter than 1 s or longer than ten years.
    IdleLifetime,
    /// The grace is longer than ten minutes.
    GraceTooLong,
    /// The damping is shorter than the grace and 15 s.
    DampingTooShort,
    /// The damping is longer than ten years.
    DampingTooLong,
    /// The refresh-ahead fraction is not at least 0 and below 1.
    RefreshAhead,
    /// The refill time of the late budget is shorter than 1 s or longer than ten years.
    LateRefill,
    /// The late budget allows more than 1000 at once.
    LateBurst,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccessLifetime => "the access lifetime must be between 1 s and ten years",
            Self::AbsoluteLifetime => "the absolute lifetime must be between 1 s and ten years",
            Self::IdleLifetime => "the idle lifetime must be between 1 s and ten years",
            Self::GraceTooLong => "the grace must be at most ten minutes",
            Self::DampingTooShort => "the damping must be at least the grace and 15 s",
            Self::DampingTooLong => "the damping must be at most ten years",
            Self::RefreshAhead => "the refresh-ahead fraction must be at least 0 and below 1",
            Self::LateRefill => "the refill time of the late budget must be between 1 s and ten years",
            Self::LateBurst => "the late budget must allow at most 1000 at once",
        })
    }
}

impl Error for PolicyError {}
