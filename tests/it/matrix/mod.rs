//! Every access token with every refresh cookie, in the header and in the cookie: the outcome of each combination.
//!
//! [`meaning`] has a row for each access token, [`effect`] one for each refresh cookie, and [`expected`] the few rules that
//! combine the two. They state the contract, and not how the code implements it.

mod play;

use tower_refresh::{Assessment, DeviceBinding, event::EndReason};

use self::play::play;

/// The access token of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// None; in the header another scheme.
    Absent,
    /// The scheme or the cookie's name alone, without a token.
    Empty,
    Valid,
    /// In the last fifth of its lifetime.
    NearEnd,
    Expired,
    /// Of the session, whose claims were outdated since.
    Outdated,
    /// With an invalid signature.
    Forged,
    /// Signed with another key.
    ForeignKey,
    /// Made with our key, but by another issuer.
    ForeignIssuer,
    /// Of a session of the same user that this server has ended.
    Revoked,
    /// Of another user's session.
    OtherValid,
    OtherNearEnd,
    OtherExpired,
    /// One that expires soon, and a newer one of the same session.
    TwoOldFirst,
    TwoNewFirst,
    /// Valid ones of two users.
    TwoUsers,
    ValidAndForged,
}

/// Where the access token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Header,
    Cookie,
    /// In the header, while there is also a valid access cookie of another user.
    HeaderOverCookie,
}

/// The refresh cookie of a request. The session is at generation 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refresh {
    Absent,
    /// Generation 2, ten minutes after the rotation.
    Current,
    /// Generation 2, ten seconds after the rotation.
    Fresh,
    /// The same, but the token was seen before.
    Seen,
    /// Generation 1, ten seconds after the rotation.
    Previous,
    /// Generation 1, 45 seconds after the rotation, generation 2 never seen.
    Overdue,
    /// The same, but generation 2 was seen before.
    OverdueAfterSeen,
    /// Generation 1, ten minutes after the rotation, generation 2 never seen.
    Late,
    /// The same, but the late budget is spent.
    Spent,
    /// The same, but generation 2 was seen before.
    LateAfterSeen,
    /// Generation 0.
    TwoBehind,
    /// Generation 2, but the store was set back to 1.
    Ahead,
    /// Generation 2, but the store was set back to 0.
    FarAhead,
    /// With a higher generation, but made without the key.
    Forged,
    /// Made with our key, but by another issuer.
    Foreign,
    /// Made with our key, of a session that is not in the store.
    Unknown,
    /// Of a session that another server has ended.
    Ended,
    /// Of a session that this server has ended.
    EndedHere,
    IdleExpired,
    AbsoluteExpired,
    /// Valid, but the claims source no longer knows the user.
    Gone,
    /// Valid, but the user's claims fit into no access token.
    InvalidClaims,
    /// Of another user.
    Other,
    /// Generations 1 and 2.
    TwoOldFirst,
    TwoNewFirst,
    /// Valid ones of two users.
    TwoUsers,
    CurrentAndForged,
}

/// What an access token states about the request.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    /// No user: the refresh cookie decides.
    Anonymous,
    /// This user, and the refresh cookie is not read.
    User(&'static str),
    /// This user, with a refresh ahead while the handler runs.
    ExpiresSoon(&'static str),
    /// This user, if the refresh cookie is of the same user.
    Expired(&'static str),
    Invalid,
    /// Two `Authorization` headers.
    Ambiguous,
}

/// DESIGN §3, "which A" and "expired means".
#[rustfmt::skip]
fn meaning(access: Access, transport: Transport, refresh: Refresh) -> Meaning {
    use Meaning::{Ambiguous, Anonymous, Expired, ExpiresSoon, Invalid, User};
    //                           in the header         in the cookie
    let (header, cookie) = match access {
        Access::Absent        => (Anonymous,            Anonymous),
        Access::Empty         => (Invalid,              Anonymous),
        Access::Valid         => (User("alice"),        User("alice")),
        Access::NearEnd       => (ExpiresSoon("alice"), ExpiresSoon("alice")),
        Access::Expired       => (Expired("alice"),     Anonymous),
        Access::Outdated if refresh == Refresh::EndedHere => (Invalid, Anonymous),
        Access::Outdated      => (Expired("alice"),     Anonymous),
        Access::Forged        => (Invalid,              Anonymous),
        Access::ForeignKey    => (Invalid,              Anonymous),
        Access::ForeignIssuer => (Invalid,              Anonymous),
        Access::Revoked       => (Invalid,              Anonymous),
        Access::OtherValid    => (User("bob"),          User("bob")),
        Access::OtherNearEnd  => (ExpiresSoon("bob"),   ExpiresSoon("bob")),
        Access::OtherExpired  => (Expired("bob"),       Anonymous),
        Access::TwoOldFirst   => (Ambiguous,            User("alice")),
        Access::TwoNewFirst   => (Ambiguous,            User("alice")),
        Access::TwoUsers      => (Ambiguous,            Anonymous),
        Access::ValidAndForged => (Ambiguous,           User("alice")),
    };
    // A session that this server has ended is rejected at once, whatever its access tokens say.
    let (header, cookie) = match (refresh, header, cookie) {
        (Refresh::EndedHere, User("alice") | ExpiresSoon("alice"), _) => (Invalid, Anonymous),
        (Refresh::EndedHere, _, User("alice") | ExpiresSoon("alice")) => (header, Anonymous),
        (Refresh::EndedHere, Ambiguous, Anonymous) => (Ambiguous, User("bob")),
        _ => (header, cookie),
    };
    match transport {
        Transport::Header => header,
        Transport::Cookie => cookie,
        Transport::HeaderOverCookie if matches!(header, Anonymous) => User("bob"),
        Transport::HeaderOverCookie => header,
    }
}

/// The effect of a refresh cookie when it decides.
struct Effect {
    /// The user of the session that it names, if its MAC is valid.
    session: &'static str,
    /// Whether it authenticates.
    valid: bool,
    /// The number of calls of load, swap and end.
    calls: [usize; 3],
    claims: usize,
    sends: Sends,
    /// Whether its session ended or expired earlier, so that a navigation removes the cookies.
    over: bool,
    /// Why this request ends its session.
    ends: Option<EndReason>,
}

/// The tokens that go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sends {
    Nothing,
    Access,
    /// The access token, and the refresh token of this generation.
    Both(u32),
}

/// DESIGN §4, rows c0 to c12 and r1 to r6.
#[rustfmt::skip]
fn effect(refresh: Refresh) -> Effect {
    use Sends::{Access, Both, Nothing};
    const NO: bool = false;
    const REUSE: Option<EndReason> = Some(EndReason::Reuse);
    const GONE: Option<EndReason> = Some(EndReason::Disabled);
    let (session, valid, calls, claims, sends, over, ends) = match refresh {
        //                           session  valid  load       claims     over
        //                                           |  swap    |  sends   |     ends
        Refresh::Absent           => ("none", NO,   [0, 0, 0], 0, Nothing, NO,   None),
        Refresh::Current          => ("alice", true, [1, 1, 0], 1, Both(3), NO,   None),  // c3, r3
        Refresh::Fresh            => ("alice", true, [2, 1, 0], 1, Access,  NO,   None),  // c3, r2
        Refresh::Seen             => ("alice", true, [2, 0, 0], 1, Access,  NO,   None),  // c3, r2
        Refresh::Previous         => ("alice", true, [1, 0, 0], 1, Both(2), NO,   None),  // c4, r4
        Refresh::Overdue          => ("alice", true, [1, 1, 0], 1, Both(2), NO,   None),  // c5, r5
        Refresh::OverdueAfterSeen => ("alice", true, [2, 0, 0], 1, Nothing, NO,   None),  // c5, r6
        Refresh::Late             => ("alice", true, [1, 1, 0], 1, Both(2), NO,   None),  // c6, r5
        Refresh::Spent            => ("alice", NO,   [1, 0, 0], 0, Nothing, NO,   None),  // c7
        Refresh::LateAfterSeen    => ("alice", NO,   [1, 0, 1], 0, Nothing, NO,   REUSE), // c8
        Refresh::TwoBehind        => ("alice", NO,   [1, 0, 1], 0, Nothing, NO,   REUSE), // c8
        Refresh::Ahead            => ("alice", true, [2, 1, 0], 1, Access,  NO,   None),  // c9, r2
        Refresh::FarAhead         => ("alice", NO,   [1, 0, 0], 0, Nothing, NO,   None),  // c10
        Refresh::Forged           => ("none", NO,   [0, 0, 0], 0, Nothing, NO,   None),
        Refresh::Foreign          => ("none", NO,   [0, 0, 0], 0, Nothing, NO,   None),
        Refresh::Unknown          => ("unknown", NO, [1, 0, 0], 0, Nothing, NO,   None),  // c0
        Refresh::Ended            => ("alice", NO,   [1, 0, 0], 0, Nothing, true, None),  // c1
        Refresh::EndedHere        => ("alice", NO,   [1, 0, 0], 0, Nothing, true, None),  // c1
        Refresh::IdleExpired      => ("alice", NO,   [1, 0, 0], 0, Nothing, true, None),  // c2
        Refresh::AbsoluteExpired  => ("alice", NO,   [0, 0, 0], 0, Nothing, true, None),
        Refresh::Gone             => ("alice", NO,   [1, 0, 1], 1, Nothing, NO,   GONE),  // c12
        Refresh::InvalidClaims    => ("alice", NO,   [1, 0, 0], 1, Nothing, NO,   None),
        Refresh::Other            => ("bob",   true, [1, 1, 0], 1, Both(1), NO,   None),  // c3, r3
        Refresh::TwoOldFirst      => ("alice", true, [1, 1, 0], 1, Both(3), NO,   None),
        Refresh::TwoNewFirst      => ("alice", true, [1, 1, 0], 1, Both(3), NO,   None),
        Refresh::TwoUsers         => ("none", NO,   [0, 0, 0], 0, Nothing, NO,   None),
        Refresh::CurrentAndForged => ("alice", true, [1, 1, 0], 1, Both(3), NO,   None),
    };
    Effect { session, valid, calls, claims, sends, over, ends }
}

/// The same beside a valid access token that expires soon: a refresh ahead ends, restores and removes nothing.
fn effect_beside(refresh: Refresh, assessment: Assessment) -> Effect {
    let effect = effect(refresh);
    let is_accepted = effect.valid && refresh != Refresh::Ahead;
    if is_accepted && assessment == Assessment::Allow {
        return effect;
    }
    let [loads, _, _] = effect.calls;
    let claims = usize::from(is_accepted || matches!(refresh, Refresh::Gone | Refresh::InvalidClaims));
    Effect { calls: [loads.min(1), 0, 0], claims, sends: Sends::Nothing, over: false, ends: None, ..effect }
}

/// The same if the application objects to the request, which it is asked only about tokens that are accepted.
fn effect_of_objection(refresh: Refresh, assessment: Assessment) -> Effect {
    let effect = effect(refresh);
    if !effect.valid {
        return effect;
    }
    // c9 comes before.
    let swaps = usize::from(refresh == Refresh::Ahead);
    let (ends, ended) = match assessment {
        Assessment::EndSession => (Some(EndReason::Suspicious), 1),
        _ => (None, 0),
    };
    Effect { valid: false, calls: [1, swaps, ended], sends: Sends::Nothing, ends, ..effect }
}

/// One request.
#[derive(Clone, Copy, Debug)]
struct Case {
    access: Access,
    transport: Transport,
    refresh: Refresh,
    path: &'static str,
    navigation: bool,
    /// What the application makes of the request, if it is asked.
    assessment: Assessment,
    /// What a session requires that is bound to a device. None of these is, so it makes no difference.
    binding: Option<DeviceBinding>,
}

/// The outcome of a request.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    /// The body of a success: the user, or `-`.
    body: String,
    challenge: &'static str,
    /// The new access token: its place and its user.
    access: Option<(&'static str, String)>,
    /// The new refresh token's generation.
    refresh: Option<u32>,
    removed: bool,
    uncacheable: bool,
    calls: [usize; 3],
    claims: usize,
    ended: Option<EndReason>,
}

/// The user, as the handler sees it.
#[derive(Clone, Copy)]
enum Who {
    User(&'static str),
    Anonymous,
    Invalid,
    Ambiguous,
    /// A user who can have no access token.
    InvalidClaims,
}

fn expected(case: Case) -> Outcome {
    let decides = match case.assessment {
        Assessment::Allow => effect(case.refresh),
        objection => effect_of_objection(case.refresh, objection),
    };
    let holder = match case.refresh {
        Refresh::InvalidClaims => Who::InvalidClaims,
        _ if decides.valid => Who::User(decides.session),
        _ => Who::Anonymous,
    };
    let untouched = effect(Refresh::Absent);
    let (who, effect) = match meaning(case.access, case.transport, case.refresh) {
        Meaning::Anonymous => (holder, decides),
        Meaning::User(user) => (Who::User(user), untouched),
        Meaning::ExpiresSoon(user) if user == decides.session => {
            (Who::User(user), effect_beside(case.refresh, case.assessment))
        }
        Meaning::ExpiresSoon(user) => (Who::User(user), untouched),
        // A request with tokens of two users never changes from one user to the other.
        Meaning::Expired(user) if user != decides.session => {
            // The refresh token itself states that it has expired, so the store is not called.
            (Who::Invalid, Effect { over: case.refresh == Refresh::AbsoluteExpired, ..untouched })
        }
        Meaning::Expired(_) if !matches!(holder, Who::Anonymous) => (holder, decides),
        Meaning::Expired(_) => (Who::Invalid, decides),
        Meaning::Invalid => (Who::Invalid, untouched),
        Meaning::Ambiguous => (Who::Ambiguous, untouched),
    };
    let (status, body, challenge) = match (case.path, who) {
        (_, Who::User(user)) => (200, user, "none"),
        ("/me", Who::Anonymous) => (401, "", "bare"),
        (_, Who::Anonymous) | ("/public", _) => (200, "-", "none"),
        (_, Who::Invalid) => (401, "", "invalid_token"),
        (_, Who::Ambiguous) => (400, "", "invalid_request"),
        (_, Who::InvalidClaims) => (500, "", "none"),
    };
    // A new access token uses the transport of the old one. Without an old one, it goes into the cookie.
    let cookie = case.transport == Transport::Cookie || case.access == Access::Absent;
    let place = if cookie { "cookie" } else { "header" };
    let removed = case.navigation && effect.over;
    Outcome {
        status,
        body: body.to_owned(),
        challenge,
        access: (effect.sends != Sends::Nothing).then(|| (place, effect.session.to_owned())),
        refresh: if let Sends::Both(generation) = effect.sends { Some(generation) } else { None },
        removed,
        uncacheable: removed || effect.sends != Sends::Nothing,
        calls: effect.calls,
        claims: effect.claims,
        ended: effect.ends,
    }
}

#[tokio::test]
async fn an_access_token_in_the_header_with_every_refresh_cookie() {
    assert_all(Transport::Header, &ACCESSES, Assessment::Allow).await;
}

#[tokio::test]
async fn an_access_token_in_the_cookie_with_every_refresh_cookie() {
    assert_all(Transport::Cookie, &ACCESSES, Assessment::Allow).await;
}

#[tokio::test]
async fn an_access_token_in_the_header_hides_the_access_cookie() {
    assert_all(Transport::HeaderOverCookie, &ACCESSES, Assessment::Allow).await;
}

#[tokio::test]
async fn a_request_that_must_log_in_with_every_refresh_cookie() {
    for transport in [Transport::Header, Transport::Cookie] {
        assert_all(transport, &ACCESSES_OF_ASSESSMENTS, Assessment::RequireLogin).await;
    }
}

#[tokio::test]
async fn a_suspicious_request_with_every_refresh_cookie() {
    for transport in [Transport::Header, Transport::Cookie] {
        assert_all(transport, &ACCESSES_OF_ASSESSMENTS, Assessment::EndSession).await;
    }
}

#[tokio::test]
async fn device_binding_changes_nothing_but_offers_in_sessions_that_are_not_bound() {
    for binding in [DeviceBinding::Enforce, DeviceBinding::Observe] {
        for transport in [Transport::Header, Transport::Cookie] {
            assert_all_with(Some(binding), transport, &ACCESSES_OF_ASSESSMENTS, Assessment::Allow).await;
        }
    }
}

async fn assert_all(transport: Transport, accesses: &[Access], assessment: Assessment) {
    assert_all_with(None, transport, accesses, assessment).await;
}

async fn assert_all_with(
    binding: Option<DeviceBinding>,
    transport: Transport,
    accesses: &[Access],
    assessment: Assessment,
) {
    let (mut cases, mut wrong) = (0, Vec::new());
    for refresh in REFRESHES {
        for &access in accesses {
            for (path, navigation) in [("/me", false), ("/optional", false), ("/public", true)] {
                let case = Case { access, transport, refresh, path, navigation, assessment, binding };
                let (mut expected, seen) = (expected(case), play(case).await);
                // The first page after the login asks once more whether the browser can bind its session, unless that has ended.
                let is_first_page = navigation
                    && access == Access::Valid
                    && transport == Transport::Cookie
                    && refresh != Refresh::EndedHere;
                expected.calls[0] += usize::from(binding.is_some() && is_first_page);
                // A first proof of the device may have reached another server, of which no notice comes, and without tokio nothing
                // follows the feed.
                let hears_all = binding != Some(DeviceBinding::Enforce) && cfg!(feature = "tokio");
                let asks_again = !hears_all && refresh == Refresh::Previous;
                expected.calls[0] += usize::from(asks_again && expected.refresh.is_some());
                cases += 1;
                if seen != expected {
                    wrong.push(format!("{case:?}\n  expected {expected:?}\n  got      {seen:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} rows are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

const ACCESSES: [Access; 17] = [
    Access::Absent,
    Access::Empty,
    Access::Valid,
    Access::NearEnd,
    Access::Expired,
    Access::Outdated,
    Access::Forged,
    Access::ForeignKey,
    Access::ForeignIssuer,
    Access::Revoked,
    Access::OtherValid,
    Access::OtherNearEnd,
    Access::OtherExpired,
    Access::TwoOldFirst,
    Access::TwoNewFirst,
    Access::TwoUsers,
    Access::ValidAndForged,
];

/// One of each meaning: what the others add is the same with every assessment and every binding.
const ACCESSES_OF_ASSESSMENTS: [Access; 7] = [
    Access::Absent,
    Access::Valid,
    Access::NearEnd,
    Access::Expired,
    Access::Outdated,
    Access::Forged,
    Access::OtherExpired,
];

const REFRESHES: [Refresh; 27] = [
    Refresh::Absent,
    Refresh::Current,
    Refresh::Fresh,
    Refresh::Seen,
    Refresh::Previous,
    Refresh::Overdue,
    Refresh::OverdueAfterSeen,
    Refresh::Late,
    Refresh::Spent,
    Refresh::LateAfterSeen,
    Refresh::TwoBehind,
    Refresh::Ahead,
    Refresh::FarAhead,
    Refresh::Forged,
    Refresh::Foreign,
    Refresh::Unknown,
    Refresh::Ended,
    Refresh::EndedHere,
    Refresh::IdleExpired,
    Refresh::AbsoluteExpired,
    Refresh::Gone,
    Refresh::InvalidClaims,
    Refresh::Other,
    Refresh::TwoOldFirst,
    Refresh::TwoNewFirst,
    Refresh::TwoUsers,
    Refresh::CurrentAndForged,
];
