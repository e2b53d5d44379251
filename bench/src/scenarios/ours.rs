//! The cost of the layer.

use tower_refresh::{Assessment, AuthBuilder, DeviceBinding, RefreshAttempt};

use super::Scenario;
use crate::{
    algorithm::Algorithm,
    crowd,
    ours::{AheadClock, Ours, Tokens, User},
    requests::{Batches, from_browser, get, requests, with_bearer},
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::with_baseline("hit.header.layer", || hit_on_routes(bearer)),
    Scenario::with_baseline("hit.header.around", || hit_around(bearer)),
    Scenario::with_baseline("hit.cookies.layer", || hit_on_routes(cookies)),
    Scenario::with_baseline("hit.cookies.around", || hit_around(cookies)),
    Scenario::with_baseline("hit.cookies.layer.device", hit_on_routes_with_binding),
    Scenario::with_baseline("hit.cookies.around.device", hit_around_with_binding),
    Scenario::with_baseline("hit.browser.layer", || hit_on_routes(browser)),
    Scenario::with_baseline("hit.browser.around", || hit_around(browser)),
    Scenario::with_baseline("hit.header.around.end", || hit_beside(Notice::End)),
    Scenario::with_baseline("hit.header.around.role", || hit_beside(Notice::Role)),
    Scenario::with_baseline("verifier.header.layer", verified_on_routes),
    Scenario::with_baseline("verifier.header.around", verified_around),
    Scenario::slow("hit.million", || crowd::hits(crowd::TOKENS)),
    Scenario::slow("hit.million.one", || crowd::hits_of_one(crowd::TOKENS)),
    Scenario::new("miss.hs256", || miss(Algorithm::Hs256)),
    Scenario::new("miss.eddsa", || miss(Algorithm::EdDsa)),
    Scenario::new("miss.es256", || miss(Algorithm::Es256)),
    Scenario::new("miss.rs256", || miss(Algorithm::Rs256)),
    Scenario::with_baseline("refresh.hs256", || refresh(Algorithm::Hs256)).less("raw.refresh.hs256"),
    Scenario::new("refresh.hs256.assess", || {
        refresh_with(Algorithm::Hs256, |builder| builder.assess(same_client))
    }),
    Scenario::new("refresh.eddsa", || refresh(Algorithm::EdDsa)),
];

type BuildRequest = fn(&Tokens) -> axum::extract::Request;

fn bearer(tokens: &Tokens) -> axum::extract::Request {
    with_bearer(&tokens.access)
}

fn cookies(tokens: &Tokens) -> axum::extract::Request {
    get(&[("cookie", &tokens.cookies())])
}

/// With all other headers of a browser.
fn browser(tokens: &Tokens) -> axum::extract::Request {
    from_browser(&tokens.cookies())
}

fn hit_on_routes(build: BuildRequest) -> Batches {
    let world = Ours::new(Algorithm::Hs256);
    let tokens = world.login();
    requests(world.runtime.clone(), world.with_layer_on_routes(), move || build(&tokens))
}

fn hit_around(build: BuildRequest) -> Batches {
    let world = Ours::new(Algorithm::Hs256);
    let tokens = world.login();
    requests(world.runtime.clone(), world.with_layer_around(), move || build(&tokens))
}

/// Where sessions are bound to devices.
fn hit_on_routes_with_binding() -> Batches {
    let world = Ours::with(Algorithm::Hs256, |builder| builder.device_binding(DeviceBinding::Enforce));
    let tokens = world.login();
    requests(world.runtime.clone(), world.with_layer_on_routes(), move || cookies(&tokens))
}

fn hit_around_with_binding() -> Batches {
    let world = Ours::with(Algorithm::Hs256, |builder| builder.device_binding(DeviceBinding::Enforce));
    let tokens = world.login();
    requests(world.runtime.clone(), world.with_layer_around(), move || cookies(&tokens))
}

/// The same in a service that only verifies the tokens: with keys from a set, and the feed of ended sessions.
fn verified_on_routes() -> Batches {
    let world = Ours::new(Algorithm::EdDsa);
    let tokens = world.login();
    requests(world.runtime.clone(), world.with_verifier_on_routes(), move || bearer(&tokens))
}

fn verified_around() -> Batches {
    let world = Ours::new(Algorithm::EdDsa);
    let tokens = world.login();
    requests(world.runtime.clone(), world.with_verifier_around(), move || bearer(&tokens))
}

/// What this server has heard of another session.
#[derive(Clone, Copy)]
enum Notice {
    End,
    Role,
}

/// While the access tokens of another session are rejected, or count as expired.
fn hit_beside(notice: Notice) -> Batches {
    let world = Ours::new(Algorithm::Hs256);
    world.login();
    let other = world.runtime.block_on(world.auth.sessions("alice", None)).unwrap()[0].handle();
    let tokens = world.login();
    world.runtime.block_on(async {
        match notice {
            Notice::End => assert!(world.auth.end_session(other).await.unwrap()),
            Notice::Role => assert!(world.auth.reload_session(other).await.unwrap()),
        }
    });
    requests(world.runtime.clone(), world.with_layer_around(), move || bearer(&tokens))
}

fn miss(algorithm: Algorithm) -> Batches {
    let world = Ours::with(algorithm, |builder| builder.token_cache_capacity(0));
    let tokens = world.login();
    requests(world.runtime.clone(), world.with_layer_on_routes(), move || bearer(&tokens))
}

/// Each request has a separate session, whose access token has expired and whose refresh token is rotated.
fn refresh(algorithm: Algorithm) -> Batches {
    refresh_with(algorithm, |builder| builder)
}

/// The same with other settings.
fn refresh_with(
    algorithm: Algorithm,
    configure: impl FnOnce(AuthBuilder<User>) -> AuthBuilder<User>,
) -> Batches {
    let clock = AheadClock::default();
    let world = Ours::with(algorithm, |builder| configure(builder.clock(clock.clone())));
    Box::new(move |count| {
        let logins: Vec<_> = (0..count).map(|_| world.login()).collect();
        clock.expire_access_tokens();
        let mut logins = logins.into_iter();
        requests(world.runtime.clone(), world.with_layer_on_routes(), move || {
            cookies(&logins.next().unwrap())
        })(count)
    })
}

/// Reads all that an application compares.
fn same_client(attempt: &RefreshAttempt<'_>) -> Assessment {
    let session = attempt.session();
    let is_same = (session.ip(), session.user_agent()) == (attempt.ip(), attempt.user_agent());
    if is_same { Assessment::Allow } else { Assessment::RequireLogin }
}
