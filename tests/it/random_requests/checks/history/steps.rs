//! The steps of a history.

use std::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::support::{Op, store::Fault};

/// More steps than this find no additional faults.
const MOST: usize = 60;

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Step {
    /// A request, from its arrival to its response.
    Send(Sent),
    /// A request arrives, and is polled once.
    Begin(Sent),
    /// Polls one of the requests under way.
    Poll(u8),
    /// Drops one of the requests under way.
    Drop(u8),
    Wait(Wait),
    EndSession(u8),
    EndSubject(User),
    ReloadClaims(User),
    /// From now on this kind of call fails.
    Break(Call),
    Fix,
    /// The application's user table loses or gets a user.
    Known(User, bool),
    /// A new key ring: the signing key, and whether the previous one still verifies.
    Keys(Key, bool),
    Purge,
}

/// A request.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Sent {
    pub client: Client,
    pub path: Path,
    pub site: Site,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Client {
    /// With all cookies of the jar.
    Browser(Jar),
    /// The access cookie has expired in the browser.
    WithoutAccess(Jar),
    /// The access token in the header, the refresh token in its cookie.
    Script(Jar),
    /// With any tokens that were ever sent to any client.
    Copy { access: Option<u8>, refresh: Option<u8>, in_header: bool },
    /// With tokens in which one character was changed.
    Forger { access: Option<u8>, refresh: Option<u8>, in_header: bool, place: u8 },
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jar {
    First,
    Second,
    Third,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Me,
    Optional,
    Public,
    Error,
    Switch,
    Login(User),
    Logout,
    LogoutEverywhere,
    LogoutOthers,
    Refresh,
    Reauthenticate,
    /// A login whose cookies have no `Max-Age`, with lifetimes of its own.
    LoginBriefly(User),
    SetData,
}

impl Path {
    /// The user whom the request logs in.
    pub fn login(self) -> Option<User> {
        match self {
            Self::Login(user) | Self::LoginBriefly(user) => Some(user),
            _ => None,
        }
    }

    pub fn text(self) -> &'static str {
        match self {
            Self::Me => "/me",
            Self::Optional => "/optional",
            Self::Public => "/public",
            Self::Error => "/status/500",
            Self::Switch => "/status/101",
            Self::Login(User::Alice) => "/login/alice",
            Self::Login(User::Bob) => "/login/bob",
            Self::Logout => "/logout",
            Self::LogoutEverywhere => "/logout-everywhere",
            Self::LogoutOthers => "/logout-others",
            Self::Refresh => "/refresh",
            Self::Reauthenticate => "/reauthenticate",
            Self::LoginBriefly(User::Alice) => "/login-briefly/alice",
            Self::LoginBriefly(User::Bob) => "/login-briefly/bob",
            Self::SetData => "/data/tenant",
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum User {
    Alice,
    Bob,
}

impl User {
    pub fn id(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// A client without `Sec-Fetch-Site`.
    Unknown,
    Own,
    Navigation,
    /// A link on another site.
    CrossNavigation,
    Cross,
}

impl Site {
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Unknown => &[],
            Self::Own => &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")],
            Self::Navigation => {
                &[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
            }
            Self::CrossNavigation => &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            Self::Cross => &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        }
    }

    /// A navigation of our own, which may remove cookies.
    pub fn is_navigation(self) -> bool {
        self == Self::Navigation
    }

    /// A navigation of another site, which changes nothing.
    pub fn is_elsewhere(self) -> bool {
        self == Self::CrossNavigation
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Wait {
    Second,
    AlmostGrace,
    MoreThanGrace,
    MoreThanDamping,
    NearlyAccess,
    Access,
    Hours,
    HalfADay,
    Idle,
    Absolute,
}

impl Wait {
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::AlmostGrace => 29,
            Self::MoreThanGrace => 31,
            Self::MoreThanDamping => 61,
            Self::NearlyAccess => 500,
            Self::Access => 600,
            Self::Hours => 3 * 3600,
            Self::HalfADay => 12 * 3600,
            Self::Idle => 7 * 24 * 3600,
            Self::Absolute => 30 * 24 * 3600,
        })
    }
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Create,
    Load,
    Swap,
    /// It writes, and then reports a failure.
    SwapAnyway,
    End,
    EndAnyway,
    EndSubject,
    /// A call of the claims source, which fails, or returns claims that fit into no access token. All others are calls of the store.
    Claims,
}

impl Call {
    pub fn fault(self) -> Option<(Op, Fault)> {
        match self {
            Self::Create => Some((Op::Create, Fault::Fails)),
            Self::Load => Some((Op::Load, Fault::Fails)),
            Self::Swap => Some((Op::Swap, Fault::Fails)),
            Self::SwapAnyway => Some((Op::Swap, Fault::FailsAfterwards)),
            Self::End => Some((Op::End, Fault::Fails)),
            Self::EndAnyway => Some((Op::End, Fault::FailsAfterwards)),
            Self::EndSubject => Some((Op::EndSubject, Fault::Fails)),
            Self::Claims => None,
        }
    }
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    One,
    Two,
    Three,
}

pub fn steps(data: &[u8]) -> Vec<Step> {
    let mut data = Unstructured::new(data);
    let mut next = || -> Result<Option<Step>> {
        if data.is_empty() { Ok(None) } else { Step::arbitrary(&mut data).map(Some) }
    };
    std::iter::from_fn(|| next().ok().flatten()).take(MOST).collect()
}
