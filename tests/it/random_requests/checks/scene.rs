//! Two logged-in users, each with current and earlier tokens.

use std::{cell::RefCell, time::Duration};

use tower_refresh::{
    DeviceBinding, KeyRing, SessionHandle,
    keys::{Algorithm, RefreshKey, SigningKey},
};

use super::block_on;
use crate::support::{Browser, World, mint, world::SECRET};

/// The id of the keys with which the checks make tokens of their own.
pub const KID: &str = "hs";
pub const KEY_ID: u8 = 9;
pub const REFRESH_SECRET: [u8; 32] = [9; 32];
/// The id of a key that is accepted, but issues no tokens any more.
pub const OLDER_KEY_ID: u8 = 8;
pub const OLDER_REFRESH_SECRET: [u8; 32] = [8; 32];

/// The clock stands still, so that the same requests have the same responses.
pub struct Scene {
    pub world: World,
    pub alice: Person,
    pub bob: Person,
}

pub struct Person {
    pub subject: &'static str,
    pub session: SessionHandle,
    /// Expired.
    pub old_access: String,
    pub access: String,
    /// Of the previous generation, within the grace period.
    pub old_refresh: String,
    pub refresh: String,
}

impl Scene {
    pub async fn new() -> Self {
        // No session is bound to a device, so enforcing it changes nothing.
        let world = World::with(|builder| builder.device_binding(DeviceBinding::Enforce));
        world.auth.rotate_keys(ring()).unwrap();
        let mut browsers =
            [Browser::logged_in(&world, "alice").await, Browser::logged_in(&world, "bob").await];
        let old = browsers.clone();
        world.clock.advance(Duration::from_secs(600));
        for browser in &mut browsers {
            assert_eq!(browser.get(&world, "/me").await.status(), 200);
        }
        let person = |subject, number: usize| Person {
            subject,
            session: mint::session(browsers[number].access().unwrap()),
            old_access: old[number].access().unwrap().to_owned(),
            access: browsers[number].access().unwrap().to_owned(),
            old_refresh: old[number].refresh().unwrap().to_owned(),
            refresh: browsers[number].refresh().unwrap().to_owned(),
        };
        let (alice, bob) = (person("alice", 0), person("bob", 1));
        let scene = Self { world, alice, bob };
        scene.forget_calls();
        scene
    }

    pub fn forget_calls(&self) {
        self.world.store.take_calls();
        self.world.take_events();
    }

    pub fn people(&self) -> [&Person; 2] {
        [&self.alice, &self.bob]
    }
}

fn ring() -> KeyRing {
    KeyRing::new(SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap().with_kid(KID))
        .refresh_key(RefreshKey::from_bytes(REFRESH_SECRET).with_id(KEY_ID))
        .accept_refresh_key(RefreshKey::from_bytes(OLDER_REFRESH_SECRET).with_id(OLDER_KEY_ID))
}

/// Runs a check in this thread's scene. The next check reuses the scene, unless this one reports it as spoilt.
pub fn within(check: impl AsyncFnOnce(&Scene) -> Left) {
    thread_local!(static SCENE: RefCell<Option<Scene>> = const { RefCell::new(None) });
    let kept = SCENE.take();
    let kept = block_on(async {
        let scene = match kept {
            Some(scene) => scene,
            None => Scene::new().await,
        };
        let left = check(&scene).await;
        scene.forget_calls();
        (left == Left::AsItWas).then_some(scene)
    });
    SCENE.set(kept);
}

/// How a check leaves its scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    AsItWas,
    Spoilt,
}
