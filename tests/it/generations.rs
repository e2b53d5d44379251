//! The last possible generation. No test rotates this often: its tokens are made with the key.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tower_refresh::event::{EndReason, EventKind};

use crate::support::{
    World,
    browser::{ACCESS, REFRESH, set_cookie},
    hmac::hmac_sha256,
    probe::{ACCESS_LIFETIME, GRACE, MILLISECOND, alter_row, expired_browser, with_refresh},
    world::{ISSUER, SECRET},
};

/// The refresh token of the same session with another generation, as the worlds' servers make it.
fn with_generation(refresh: &str, generation: u32) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(refresh).unwrap();
    bytes.truncate(27);
    bytes[18..22].copy_from_slice(&generation.to_be_bytes());
    let key = hmac_sha256(SECRET, b"tower-refresh/1 refresh key");
    let length = u16::try_from(ISSUER.len()).unwrap().to_be_bytes();
    let message = [b"tower-refresh/1".as_slice(), &length, ISSUER.as_bytes(), &bytes].concat();
    bytes.extend(&hmac_sha256(&key, &message)[..16]);
    URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn the_last_generation_goes_on_without_rotating() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let last = with_generation(browser.refresh().unwrap(), u32::MAX);
    let last_but_one = with_generation(&last, u32::MAX - 1);
    alter_row(&world, session, |row| row.generation = u32::MAX - 1).await;

    let response = world.send(with_refresh("/me", &last_but_one)).await;
    assert_eq!(set_cookie(&response, REFRESH).as_ref(), Some(&last));
    for _ in 0..3 {
        world.clock.advance(ACCESS_LIFETIME);
        let response = world.send(with_refresh("/me", &last)).await;
        assert_eq!(response.body(), "alice");
        assert!(set_cookie(&response, ACCESS).is_some());
        assert_eq!(set_cookie(&response, REFRESH), None);
    }
    assert_eq!(world.store.row(session).await.unwrap().generation, u32::MAX);
    world.clock.advance(GRACE + MILLISECOND);
    assert_eq!(world.send(with_refresh("/me", &last_but_one)).await.status(), 401);
    assert_eq!(world.store.row(session).await.unwrap().ended.unwrap().reason, EndReason::Reuse);
}

#[tokio::test]
async fn the_last_generation_is_rejected_for_a_session_at_its_first_one() {
    let world = World::new();
    let (browser, session) = expired_browser(&world, "alice").await;
    let row = world.store.row(session).await;
    let last = with_generation(browser.refresh().unwrap(), u32::MAX);

    assert_eq!(world.send(with_refresh("/me", &last)).await.status(), 401);

    assert_eq!(world.store.row(session).await, row);
    assert_eq!(world.take_events(), [EventKind::Impossible]);
}
