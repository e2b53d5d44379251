//! What access tokens and their cookies say of the device.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use tower_refresh::{
    AuthBuilder, Authenticated, Clock, DeviceBinding, LoginOptions, Session, Verifier,
    keys::{Algorithm, VerifyingKey},
};

use super::{
    CONFIRMED, UNCONFIRMED, bind,
    proven::{prove, with_claims},
    world,
};
use crate::support::{
    Browser, Claims, World,
    browser::ACCESS,
    mint,
    probe::{ACCESS_LIFETIME, expired_browser, expiry, max_age, session_of},
    world::{AUDIENCE, ISSUER, SECRET},
};

const BINDINGS: [DeviceBinding; 2] = [DeviceBinding::Enforce, DeviceBinding::Observe];

/// Whether the handler sees a user whose device gave a proof.
async fn is_device_bound(world: &World, browser: &Browser) -> Option<bool> {
    let handler = |request: Request<()>| async move {
        let user = Authenticated::<Claims>::from_extensions(request.extensions()).unwrap();
        let text = user.map_or("none".to_owned(), |user| user.is_device_bound().to_string());
        Response::new(text.into())
    };
    let response = world.send_to(handler, browser.request("/")).await;
    str::from_utf8(response.body()).unwrap().parse().ok()
}

#[tokio::test]
async fn a_login_and_a_refresh_token_give_no_proof_of_a_device() {
    for binding in BINDINGS {
        let world = world(binding);
        let mut browser = Browser::logged_in(&world, "alice").await;
        assert_eq!(is_device_bound(&world, &browser).await, Some(false));
        assert!(mint::claims(browser.access().unwrap()).get("dbsc").is_none());
        bind(&world, session_of(&browser), UNCONFIRMED).await;
        world.clock.advance(ACCESS_LIFETIME);
        assert_eq!(browser.get(&world, "/me").await.status(), 200);
        assert_eq!(is_device_bound(&world, &browser).await, Some(false));
        assert!(mint::claims(browser.access().unwrap()).get("dbsc").is_none());
    }
}

#[tokio::test]
async fn the_user_of_a_token_from_a_proof_is_device_bound_also_from_the_cache() {
    for world in [world(DeviceBinding::Enforce), world(DeviceBinding::Observe), World::new()] {
        let mut browser = Browser::logged_in(&world, "alice").await;
        prove(&mut browser);
        for _ in 0..3 {
            assert_eq!(is_device_bound(&world, &browser).await, Some(true));
        }
        let says_no = with_claims(browser.access().unwrap(), |claims| claims["dbsc"] = false.into());
        browser.cookies.insert(ACCESS.to_owned(), says_no);
        assert_eq!(is_device_bound(&world, &browser).await, Some(false));
        // A claim that is no boolean makes the cookie invalid, and the refresh token decides.
        let invalid = with_claims(browser.access().unwrap(), |claims| claims["dbsc"] = 1.into());
        browser.cookies.insert(ACCESS.to_owned(), invalid);
        assert_eq!(is_device_bound(&world, &browser).await, Some(false));
        browser.cookies.retain(|name, _| name == ACCESS);
        assert_eq!(is_device_bound(&world, &browser).await, None);
    }
}

#[tokio::test]
async fn a_service_that_verifies_our_tokens_reads_the_claim() {
    let world = world(DeviceBinding::Enforce);
    let mut browser = Browser::logged_in(&world, "alice").await;
    let key = VerifyingKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
    let builder = || {
        Verifier::<Claims>::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .algorithms([Algorithm::Hs256])
            .clock(world.clock.clone())
            .keys([key.clone()])
    };
    let (ours, foreign) = (builder().build().unwrap(), builder().without_session_id().build().unwrap());
    let token = browser.access().unwrap().to_owned();
    assert!(!ours.verify(&token).await.unwrap().is_device_bound());
    prove(&mut browser);
    let token = browser.access().unwrap().to_owned();
    assert!(ours.verify(&token).await.unwrap().is_device_bound());
    assert!(!foreign.verify(&token).await.unwrap().is_device_bound(), "a claim of another meaning");
}

#[tokio::test]
async fn the_access_cookie_of_a_bound_session_is_gone_before_its_token_expires() {
    for (flags, binding) in [(UNCONFIRMED, DeviceBinding::Enforce), (CONFIRMED, DeviceBinding::Observe)] {
        let world = world(binding);
        let mut browser = Browser::logged_in(&world, "alice").await;
        bind(&world, session_of(&browser), flags).await;
        // Before the binding it lasts as long as the token.
        world.clock.advance(ACCESS_LIFETIME);
        let response = browser.get(&world, "/me").await;
        let expires_at = expiry(browser.access().unwrap());
        let left = expires_at.saturating_since(world.clock.now()).as_secs();
        assert_eq!(max_age(&response, ACCESS), Some(left - 15));
    }
    let world = world(DeviceBinding::Enforce);
    let (mut browser, _) = expired_browser(&world, "alice").await;
    let response = browser.get(&world, "/me").await;
    let left = expiry(browser.access().unwrap()).saturating_since(world.clock.now()).as_secs();
    assert_eq!(max_age(&response, ACCESS), Some(left), "a session that is not bound");
}

#[tokio::test]
async fn at_most_half_of_a_short_life_is_taken_from_the_cookie() {
    for (left, expected) in [(40, 25), (30, 15), (20, 10), (7, 4), (2, 1), (1, 1)] {
        let world = world(DeviceBinding::Observe);
        let login = move |request: Request<()>| async move {
            let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
            let options = LoginOptions::new().absolute(ACCESS_LIFETIME + Duration::from_secs(left));
            session.login_with("alice", options).await.unwrap();
            Response::new(Bytes::new())
        };
        let mut browser = Browser::new();
        let response = world.send_to(login, browser.request("/")).await;
        browser.keep(response.headers());
        bind(&world, session_of(&browser), CONFIRMED).await;
        world.clock.advance(ACCESS_LIFETIME);
        let response = browser.get(&world, "/me").await;
        assert_eq!(max_age(&response, ACCESS), Some(expected), "{left}");
    }
}

/// So that claims which fit at the login also fit after a proof.
#[tokio::test]
async fn claims_fit_only_if_the_statement_about_the_device_fits_beside_them() {
    const CLAIM: usize = r#","dbsc":true"#.len();
    let longest = |configure: fn(AuthBuilder<Claims>) -> AuthBuilder<Claims>| async move {
        let world = World::with(configure);
        let (mut fits, mut exceeds) = (1000, 5000);
        while exceeds - fits > 1 {
            let middle = usize::midpoint(fits, exceeds);
            world.users.set("alice", &"n".repeat(middle), "user");
            match Browser::new().get(&world, "/login/alice").await.status().as_u16() {
                200 => fits = middle,
                status => {
                    assert_eq!(status, 500);
                    exceeds = middle;
                }
            }
        }
        fits
    };
    let without = longest(|builder| builder).await;
    let with = longest(|builder| builder.device_binding(DeviceBinding::Enforce)).await;
    assert_eq!(without - with, CLAIM);
}

#[tokio::test]
async fn the_list_of_sessions_shows_which_are_bound() {
    let world = world(DeviceBinding::Enforce);
    let mut browser = Browser::logged_in(&world, "alice").await;
    let session = session_of(&browser);
    for (flags, expected) in [(None, false), (Some(UNCONFIRMED), false), (Some(CONFIRMED), true)] {
        if let Some(flags) = flags {
            bind(&world, session, flags).await;
        }
        let info = world.auth.session(session).await.unwrap().unwrap();
        assert_eq!(info.device_bound(), expected, "{flags:?}");
        assert_eq!(serde_json::to_value(&info).unwrap()["device_bound"], expected, "{flags:?}");
        prove(&mut browser);
    }
}
