//! Two sessions, and challenges that the test seals itself.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_refresh::{
    Clock, KeyRing, SessionHandle,
    event::EventKind,
    keys::{Algorithm, RefreshKey, SigningKey},
};
use tower_refresh_core::SessionRow;

use crate::support::{
    World,
    device::{BoundBrowser, Device},
    hmac::hmac_sha256,
    probe::{ACCESS_LIFETIME, carries_nothing, session_of},
    world::{ISSUER, SECRET},
};

pub(super) const KEY_ID: u8 = 9;
pub(super) const KEY: [u8; 32] = [9; 32];
/// How often the devices in these scenes have given a proof.
pub(super) const COUNTER: u32 = 2;

pub(super) struct Scene {
    pub(super) world: World,
    pub(super) bound: BoundBrowser,
    pub(super) session: SessionHandle,
    /// The challenge of the offer in the response to its login.
    pub(super) offer: String,
    /// Of the same user, with another device.
    pub(super) other: BoundBrowser,
    pub(super) other_session: SessionHandle,
    pub(super) other_offer: String,
}

impl Scene {
    /// Both sessions are offered a registration.
    pub(super) async fn offered(world: World) -> Self {
        let signing = SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap();
        let ring = KeyRing::new(signing).refresh_key(RefreshKey::from_bytes(KEY).with_id(KEY_ID));
        world.auth.rotate_keys(ring).unwrap();
        let (mut bound, mut other) = (BoundBrowser::new(), BoundBrowser::new());
        other.device = Device::other();
        let offer = bound.log_in(&world, "alice").await;
        let other_offer = other.log_in(&world, "alice").await;
        let (session, other_session) = (session_of(&bound.browser), session_of(&other.browser));
        let scene = Self { world, bound, session, offer, other, other_session, other_offer };
        scene.world.take_events();
        scene
    }

    /// Both sessions are bound, and their access tokens have expired.
    pub(super) async fn confirmed(world: World) -> Self {
        let mut scene = Self::offered(world).await;
        let offers = [scene.offer.clone(), scene.other_offer.clone()];
        for (bound, offer) in [&mut scene.bound, &mut scene.other].into_iter().zip(&offers) {
            assert_eq!(bound.register(&scene.world, offer).await.status(), StatusCode::OK);
            for _ in 0..COUNTER {
                assert_eq!(bound.refresh(&scene.world).await.status(), StatusCode::OK);
            }
        }
        scene.world.clock.advance(ACCESS_LIFETIME);
        for bound in [&mut scene.bound, &mut scene.other] {
            bound.browser.drop_access();
        }
        scene.world.take_events();
        scene
    }

    /// The response to a request that changes nothing and is worth nothing, and the events.
    pub(super) async fn refused(
        &self,
        case: &str,
        request: Request<()>,
    ) -> (Response<Bytes>, Vec<EventKind>) {
        let before = self.rows().await;
        let response = self.world.send(request).await;
        assert!(carries_nothing(&response), "{case}: {response:?}");
        assert!(!response.headers().contains_key("secure-session-registration"), "{case}");
        assert!(!String::from_utf8_lossy(response.body()).contains("eyJ"), "{case}: a token");
        assert!(!response.status().is_server_error(), "{case}: {response:?}");
        assert_eq!(self.rows().await, before, "{case}");
        (response, self.world.take_events())
    }

    async fn rows(&self) -> [Option<SessionRow>; 2] {
        [self.world.store.row(self.session).await, self.world.store.row(self.other_session).await]
    }

    pub(super) async fn still_registers(mut self) {
        let response = self.bound.register(&self.world, &self.offer).await;
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
    }

    pub(super) async fn still_refreshes(mut self) {
        let response = self.world.send(self.bound.refresh_request()).await;
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        self.bound.keep(&response);
        assert!(self.bound.browser.access().is_some());
    }

    pub(super) fn now(&self) -> u64 {
        self.world.clock.now().as_secs()
    }

    /// The challenge that the device of `bound` has to sign, for a proof that would be good.
    pub(super) fn challenge(&self) -> String {
        self.bound.challenge.clone().unwrap()
    }
}

/// A challenge or an identifier, sealed as the library seals it.
pub(super) struct Seal {
    pub(super) purpose: &'static str,
    pub(super) issuer: &'static str,
    pub(super) key: [u8; 32],
    pub(super) key_id: u8,
}

impl Seal {
    pub(super) const REGISTRATION: Self = Self::of("device registration tower-refresh/1");
    pub(super) const REFRESH: Self = Self::of("device refresh tower-refresh/1");
    pub(super) const IDENTIFIER: Self = Self::of("device identifier tower-refresh/1");

    pub(super) const fn of(purpose: &'static str) -> Self {
        Self { purpose, issuer: ISSUER, key: KEY, key_id: KEY_ID }
    }

    pub(super) fn text(&self, body: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes(body))
    }

    pub(super) fn bytes(&self, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(self.issuer.len()).unwrap().to_be_bytes();
        let context = [self.purpose.as_bytes(), &len, self.issuer.as_bytes()].concat();
        let mac = hmac_sha256(&self.key, &[&context, body, &[self.key_id]].concat());
        [body, &[self.key_id], &mac[..16]].concat()
    }
}

/// The content of a challenge for a registration.
pub(super) fn offer_body(session: SessionHandle, issued_at: u64, from_elsewhere: u8) -> Vec<u8> {
    [session.as_bytes().as_slice(), &issued_at.to_be_bytes()[3..], &[from_elsewhere], &[7; 8]].concat()
}

/// The content of a challenge for a refresh.
pub(super) fn refresh_body(session: SessionHandle, counter: u32) -> Vec<u8> {
    [session.as_bytes().as_slice(), &counter.to_be_bytes()].concat()
}
