//! `Secure-Session-Response` and `Sec-Secure-Session-Id` of any bytes: only a good proof in the one, and for a refresh the identifier of
//! its session in the other, mint anything.

use std::cell::RefCell;

use http::{HeaderName, Request, Response, StatusCode};
use tower_refresh::{DeviceBinding, SessionHandle};
use tower_refresh_core::SessionRow;

use super::{block_on, template};
use crate::support::{
    Browser, World,
    device::{BoundBrowser, Device, REFRESH_DEVICE, REGISTER, challenge},
    probe::{ACCESS_LIFETIME, carries_nothing, session_of},
};

const RESPONSE: HeaderName = HeaderName::from_static("secure-session-response");
const IDENTIFIER: HeaderName = HeaderName::from_static("sec-secure-session-id");
/// Between the headers of one name and those of the other. No header can contain it.
const NEXT: u8 = 0x0e;

/// Alice's session is bound, and her access token has expired. Bob has been offered a registration.
struct Scene {
    world: World,
    alice: BoundBrowser,
    bob: BoundBrowser,
    sessions: [SessionHandle; 2],
    refresh: String,
    registration: String,
    used: String,
    foreign: String,
}

impl Scene {
    async fn new() -> Self {
        let world = World::with(|builder| builder.device_binding(DeviceBinding::Enforce));
        let mut alice = BoundBrowser::confirmed(&world, "alice").await;
        let used = alice.device.proof(alice.challenge.as_ref().unwrap());
        assert_eq!(alice.refresh(&world).await.status(), StatusCode::OK);
        let session = session_of(&alice.browser);
        world.clock.advance(ACCESS_LIFETIME);
        alice.browser.drop_access();
        let mut bob = BoundBrowser::new();
        let offer = bob.log_in(&world, "bob").await;
        let sessions = [session, session_of(&bob.browser)];
        let refresh = alice.device.proof(alice.challenge.as_ref().unwrap());
        let registration = bob.device.registration(&offer);
        let foreign = Device::other().proof(alice.challenge.as_ref().unwrap());
        Self { world, alice, bob, sessions, refresh, registration, used, foreign }
    }

    async fn rows(&self) -> [Option<SessionRow>; 2] {
        let [alice, bob] = self.sessions;
        [self.world.store.row(alice).await, self.world.store.row(bob).await]
    }

    fn identifier(&self) -> &str {
        self.alice.identifier.as_deref().unwrap()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Register,
    Refresh,
    Other,
}

/// The first byte selects the route and the cookies; the rest is a template of each header. An empty template stands for no header.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    thread_local!(static SCENE: RefCell<Option<Scene>> = const { RefCell::new(None) });
    let kept = SCENE.take();
    let kept = block_on(async {
        let scene = match kept {
            Some(scene) => scene,
            None => Scene::new().await,
        };
        let minted = check_in(&scene, *first, rest).await;
        scene.world.take_events();
        scene.world.store.take_calls();
        (!minted).then_some(scene)
    });
    SCENE.set(kept);
}

/// Returns whether the request was worth something.
async fn check_in(scene: &Scene, first: u8, rest: &[u8]) -> bool {
    let mut templates = rest.splitn(2, |byte| *byte == NEXT);
    let mut headers = || {
        let template = templates.next().unwrap_or_default();
        let challenge = scene.alice.challenge.as_deref().unwrap();
        let access = scene.bob.browser.access().unwrap();
        let tokens = [
            scene.refresh.as_str(),
            &scene.registration,
            scene.identifier(),
            &scene.used,
            &scene.foreign,
            challenge,
            access,
        ];
        if template.is_empty() { Vec::new() } else { template::headers(template, &tokens) }
    };
    let (responses, identifiers) = (headers(), headers());
    let (route, path) = match first % 3 {
        0 => (Route::Register, REGISTER),
        1 => (Route::Refresh, REFRESH_DEVICE),
        _ => (Route::Other, "/optional"),
    };
    let none = Browser::new();
    let browser = [&none, &scene.alice.browser, &scene.bob.browser][usize::from(first / 3 % 3)];
    let is_bobs = first / 3 % 3 == 2;
    let mut request = as_of_browser(browser.request(path));
    if template::add(request.headers_mut(), &RESPONSE, &responses).is_none()
        || template::add(request.headers_mut(), &IDENTIFIER, &identifiers).is_none()
    {
        return false;
    }
    let before = scene.rows().await;
    let response = scene.world.send(request).await;
    let minted = !carries_nothing(&response);
    let (is, may_be) = match route {
        Route::Register => {
            let proof =
                (is_sent(&responses, &scene.registration), may_be_sent(&responses, &scene.registration));
            (proof.0 && is_bobs, proof.1 && is_bobs)
        }
        Route::Refresh => {
            let id = scene.identifier();
            (
                is_sent(&responses, &scene.refresh) && is_sent(&identifiers, id),
                may_be_sent(&responses, &scene.refresh) && may_be_sent(&identifiers, id),
            )
        }
        Route::Other => (false, false),
    };
    assert!(minted || !is, "a good request is refused: {response:?}");
    assert!(!minted || may_be, "a token for {responses:?} {identifiers:?}");
    if !minted {
        assert_eq!(scene.rows().await, before, "{response:?}");
        assert_refused(route, &response);
    }
    minted
}

fn as_of_browser(mut request: Request<()>) -> Request<()> {
    for (name, value) in [
        ("origin", crate::support::device::ORIGIN),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-mode", "no-cors"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

fn assert_refused(route: Route, response: &Response<bytes::Bytes>) {
    let is_challenge = challenge(response).is_some();
    match (route, response.status()) {
        (Route::Other, StatusCode::OK) => assert!([&b"-"[..], b"bob"].contains(&&response.body()[..])),
        (Route::Register, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN) => assert!(!is_challenge),
        (Route::Refresh, StatusCode::FORBIDDEN) => assert!(is_challenge, "{response:?}"),
        // The identifier is missing, or forged.
        (Route::Refresh, StatusCode::BAD_REQUEST | StatusCode::OK) => assert!(!is_challenge),
        _ => panic!("{route:?}: {response:?}"),
    }
}

/// Whether the header is there once, bare or quoted.
fn is_sent(headers: &[Vec<u8>], text: &str) -> bool {
    let [header] = headers else { return false };
    let header = header.trim_ascii();
    header == text.as_bytes() || header == format!("\"{text}\"").as_bytes()
}

/// The same with any parameters.
fn may_be_sent(headers: &[Vec<u8>], text: &str) -> bool {
    is_sent(headers, text)
        || matches!(headers, [header] if header.trim_ascii().starts_with(format!("\"{text}\";").as_bytes()))
}
