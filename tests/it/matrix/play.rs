//! Plays one case: brings a world into its state, sends the request, and reads the outcome.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tower_refresh::{
    Assessment, Clock, KeyRing, SessionHandle, Timestamp, event::EndReason, store::SessionStore,
};

use super::{Access, Case, Outcome, Refresh, Transport};
use crate::support::{
    Browser, Op, TestStore, World,
    browser::{ACCESS, REFRESH, generation, set_cookie, set_cookies},
    mint,
    probe::{alter_row, settle},
    request,
    world::{ISSUER, SECRET},
};

/// A login, and its refresh tokens by generation.
struct Login {
    session: SessionHandle,
    tokens: Vec<String>,
}

impl Login {
    async fn new(world: &World, subject: &str) -> Self {
        let browser = Browser::logged_in(world, subject).await;
        Self {
            session: mint::session(browser.access().unwrap()),
            tokens: vec![browser.refresh().unwrap().to_owned()],
        }
    }

    /// Rotates ten minutes later.
    async fn rotate(&mut self, world: &World) {
        world.clock.advance(Duration::from_secs(600));
        let response = present(world, self.newest()).await;
        self.tokens.push(set_cookie(&response, REFRESH).unwrap());
    }

    fn newest(&self) -> &str {
        self.tokens.last().unwrap()
    }

    /// An access token that was issued this many seconds ago.
    async fn access(&self, world: &World, age: u64) -> String {
        let at = Timestamp::from_secs(world.clock.now().as_secs() - age);
        mint::access_token(world, self.session, self.newest(), at).await
    }
}

async fn present(world: &World, refresh: &str) -> Response<Bytes> {
    world.send(request("/public", &[("cookie", &format!("{REFRESH}={refresh}"))])).await
}

pub(super) async fn play(case: Case) -> Outcome {
    let world = World::with(|builder| {
        let builder = match case.binding {
            Some(binding) => builder.device_binding(binding),
            None => builder,
        };
        builder.assess(move |attempt| match attempt.user_agent() {
            Some(OF_THE_CASE) => case.assessment,
            _ => Assessment::Allow,
        })
    });
    // The store's feed is followed.
    settle().await;
    let former = Login::new(&world, "alice").await;
    let bob = Login::new(&world, "bob").await;
    let mut alice = Login::new(&world, "alice").await;
    alice.rotate(&world).await;
    alice.rotate(&world).await;
    let refresh = refresh_cookies(&world, &alice, &bob, case.refresh).await;
    let access = access_tokens(&world, &alice, &bob, &former, case.access).await;

    let mut cookies: Vec<_> = refresh.into_iter().map(|token| format!("{REFRESH}={token}")).collect();
    let mut headers = vec![("user-agent", OF_THE_CASE.to_owned())];
    if case.transport == Transport::Cookie {
        cookies.extend(access.iter().map(|token| format!("{ACCESS}={token}")));
    } else {
        let scheme = if case.access == Access::Absent { "Basic YTpi" } else { "Bearer" };
        let tokens = if access.is_empty() { vec![String::new()] } else { access };
        headers.extend(
            tokens.iter().map(|token| ("authorization", format!("{scheme} {token}").trim().to_owned())),
        );
    }
    if case.transport == Transport::HeaderOverCookie {
        cookies.push(format!("{ACCESS}={}", bob.access(&world, 100).await));
    }
    if !cookies.is_empty() {
        headers.push(("cookie", cookies.join("; ")));
    }
    if case.navigation {
        headers.push(("sec-fetch-site", "none".to_owned()));
        headers.push(("sec-fetch-mode", "navigate".to_owned()));
        headers.push(("sec-fetch-dest", "document".to_owned()));
    }
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();

    if case.refresh == Refresh::Ended {
        // No other task runs between this and the request, so the store's feed has not reported it yet.
        let now = world.clock.now();
        assert!(world.store.inner.end(alice.session, EndReason::Revoked, now, 7).await.unwrap());
    }
    world.store.take_calls();
    let claims = world.users.loads();
    let owner = if case.refresh == Refresh::Other { &bob } else { &alice };
    let other = if case.refresh == Refresh::Other { &alice } else { &bob };
    let ended = [ended(&world, owner.session).await, ended(&world, other.session).await];
    let response = world.send(request(case.path, &headers)).await;
    let ended_now = self::ended(&world, owner.session).await.filter(|_| ended[0].is_none());
    assert_eq!(self::ended(&world, other.session).await, ended[1], "{case:?}");
    seen(&response, calls(&world, case), world.users.loads() - claims, ended_now)
}

async fn ended(world: &World, session: SessionHandle) -> Option<EndReason> {
    Some(world.store.row(session).await?.ended?.reason)
}

fn calls(world: &World, case: Case) -> [usize; 3] {
    let mut counts = [0; 3];
    for (op, count) in world.store.take_calls() {
        match op {
            Op::Load => counts[0] = count,
            Op::Swap => counts[1] = count,
            Op::End => counts[2] = count,
            Op::Create | Op::EndSubject | Op::Outdate | Op::List | Op::Purge => panic!("{op:?} for {case:?}"),
        }
    }
    counts
}

fn seen(response: &Response<Bytes>, calls: [usize; 3], claims: usize, ended: Option<EndReason>) -> Outcome {
    let headers = response.headers();
    let challenge = headers.get("www-authenticate").map(|challenge| challenge.to_str().unwrap());
    let errors = ["invalid_token", "invalid_request"];
    let set = set_cookies(headers);
    let value = |name| set.iter().find(|(set, _)| set == name).and_then(|(_, value)| value.clone());
    let in_header = headers.get("x-access-token").map(|token| ("header", token.to_str().unwrap().to_owned()));
    let in_cookie = value(ACCESS).map(|token| ("cookie", token));
    assert!(in_header.is_none() || in_cookie.is_none(), "{response:?}");
    Outcome {
        status: response.status().as_u16(),
        body: if response.status().is_success() {
            String::from_utf8(response.body().to_vec()).unwrap()
        } else {
            String::new()
        },
        challenge: challenge.map_or("none", |challenge| {
            errors
                .into_iter()
                .find(|error| challenge.contains(&format!("error=\"{error}\"")))
                .unwrap_or("bare")
        }),
        access: in_header.or(in_cookie).map(|(place, token)| (place, subject(&token))),
        refresh: value(REFRESH).map(|token| generation(&token)),
        removed: set == [(ACCESS.to_owned(), None), (REFRESH.to_owned(), None)],
        uncacheable: headers.get("cache-control").is_some_and(|value| value == "private, no-store"),
        calls,
        claims,
        ended,
    }
}

fn subject(access: &str) -> String {
    mint::claims(access)["sub"].as_str().unwrap().to_owned()
}

/// Brings the session into the state of the case, and returns the cookies.
async fn refresh_cookies(world: &World, alice: &Login, bob: &Login, refresh: Refresh) -> Vec<String> {
    let [zero, one, two] = [0, 1, 2].map(|generation| alice.tokens[generation].clone());
    let bobs = bob.newest().to_owned();
    match refresh {
        Refresh::Fresh | Refresh::Previous => world.clock.advance(SOON),
        Refresh::Overdue => world.clock.advance(AFTER_THE_GRACE),
        Refresh::Seen | Refresh::OverdueAfterSeen | Refresh::LateAfterSeen => {
            world.clock.advance(SOON);
            present(world, &two).await;
            world.clock.advance(match refresh {
                Refresh::Seen => SOON,
                Refresh::OverdueAfterSeen => AFTER_THE_GRACE,
                _ => LATER,
            });
        }
        Refresh::IdleExpired => world.clock.advance(Duration::from_secs(7 * 24 * 60 * 60)),
        Refresh::AbsoluteExpired => {
            let row = world.store.row(alice.session).await.unwrap();
            world.clock.set(row.absolute_expiry);
        }
        _ => world.clock.advance(LATER),
    }
    match refresh {
        Refresh::Ahead => set_back(world, alice.session, 1).await,
        Refresh::FarAhead => set_back(world, alice.session, 0).await,
        Refresh::EndedHere => assert!(world.auth.end_session(alice.session).await.unwrap()),
        Refresh::Gone => world.users.remove("alice"),
        Refresh::InvalidClaims => world.users.set("alice", &"n".repeat(9000), "user"),
        Refresh::Spent => {
            let refilled = world.clock.now().saturating_add(Duration::from_secs(24 * 60 * 60));
            alter_row(world, alice.session, |row| row.late_budget = refilled).await;
        }
        _ => {}
    }
    match refresh {
        Refresh::Absent => vec![],
        Refresh::Previous
        | Refresh::Overdue
        | Refresh::OverdueAfterSeen
        | Refresh::Late
        | Refresh::Spent
        | Refresh::LateAfterSeen => vec![one],
        Refresh::TwoBehind => vec![zero],
        Refresh::Forged => vec![mint::forged_refresh(&two)],
        Refresh::Foreign => vec![login_elsewhere(world, ISSUER_OF_STAGING, SECRET).await.1],
        Refresh::Unknown => vec![login_elsewhere(world, ISSUER, SECRET).await.1],
        Refresh::Other => vec![bobs],
        Refresh::TwoOldFirst => vec![one, two],
        Refresh::TwoNewFirst => vec![two, one],
        Refresh::TwoUsers => vec![two, bobs],
        Refresh::CurrentAndForged => vec![mint::forged_refresh(&two), two],
        _ => vec![two],
    }
}

/// The user agent of the request of the case, which alone is assessed.
const OF_THE_CASE: &str = "of the case";

const SOON: Duration = Duration::from_secs(10);
const AFTER_THE_GRACE: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(600);

/// The store loses writes and is at `generation` again.
async fn set_back(world: &World, session: SessionHandle, generation: u32) {
    let mut row = world.store.row(session).await.unwrap();
    row.generation = generation;
    assert!(world.store.inner.compare_and_swap(&row, row.version + 1).await.unwrap());
}

async fn access_tokens(
    world: &World,
    alice: &Login,
    bob: &Login,
    former: &Login,
    access: Access,
) -> Vec<String> {
    // A token lives for 570 to 600 seconds, and is refreshed ahead in the last fifth.
    const VALID: u64 = 100;
    const NEAR_END: u64 = 500;
    const EXPIRED: u64 = 600;
    let valid = || alice.access(world, VALID);
    match access {
        Access::Absent | Access::Empty => vec![],
        Access::Valid => vec![valid().await],
        Access::NearEnd => vec![alice.access(world, NEAR_END).await],
        Access::Expired => vec![alice.access(world, EXPIRED).await],
        Access::Outdated => {
            let token = valid().await;
            let is_live = world.auth.reload_session(alice.session).await.unwrap();
            assert!(is_live || ended(world, alice.session).await.is_some());
            vec![token]
        }
        Access::Forged => vec![mint::forged_access(&valid().await)],
        Access::ForeignKey => vec![login_elsewhere(world, ISSUER, OTHER_SECRET).await.0],
        Access::ForeignIssuer => vec![login_elsewhere(world, ISSUER_OF_STAGING, SECRET).await.0],
        Access::Revoked => {
            let token = former.access(world, VALID).await;
            world.auth.end_session(former.session).await.unwrap();
            vec![token]
        }
        Access::OtherValid => vec![bob.access(world, VALID).await],
        Access::OtherNearEnd => vec![bob.access(world, NEAR_END).await],
        Access::OtherExpired => vec![bob.access(world, EXPIRED).await],
        Access::TwoOldFirst => vec![alice.access(world, NEAR_END).await, valid().await],
        Access::TwoNewFirst => vec![valid().await, alice.access(world, NEAR_END).await],
        Access::TwoUsers => vec![valid().await, bob.access(world, VALID).await],
        Access::ValidAndForged => vec![mint::forged_access(&valid().await), valid().await],
    }
}

const ISSUER_OF_STAGING: &str = "https://staging.example.com";
const OTHER_SECRET: &[u8] = b"another secret, and it is long enough";

/// The access and the refresh token of alice at a server with another issuer, key or store, and the same clock.
async fn login_elsewhere(world: &World, issuer: &str, secret: &[u8]) -> (String, String) {
    let server = World::on(world.clock.clone(), TestStore::default(), |builder| builder.issuer(issuer));
    server.auth.rotate_keys(KeyRing::hs256(secret).unwrap()).unwrap();
    let browser = Browser::logged_in(&server, "alice").await;
    (browser.access().unwrap().to_owned(), browser.refresh().unwrap().to_owned())
}
