//! Hostile registrations and refreshes, without a browser. Each row says what is wrong, and none of them mints anything.

mod challenges;
mod key;
mod methods;
mod proofs;
mod replays;
mod requests;
mod scene;

use http::{HeaderName, HeaderValue, Request, StatusCode};
use tower_refresh::event::{DeviceRefusal, EventKind};

use self::scene::Scene;
use super::both;
use crate::support::device::challenge;

/// What is wrong, the values of `Secure-Session-Response`, and how the registration is refused. A refresh is answered with a
/// challenge, whatever is wrong with its proof.
struct Proof {
    reason: &'static str,
    values: Vec<Vec<u8>>,
    status: StatusCode,
    refusal: DeviceRefusal,
}

impl Proof {
    /// Not a proof: 400.
    fn malformed(reason: &'static str, value: impl Into<Vec<u8>>) -> Self {
        Self::several(reason, vec![value.into()])
    }

    fn several(reason: &'static str, values: Vec<Vec<u8>>) -> Self {
        Self { reason, values, status: StatusCode::BAD_REQUEST, refusal: DeviceRefusal::InvalidProof }
    }

    /// A well-formed proof that does not verify: 403.
    fn unverified(reason: &'static str, value: impl Into<Vec<u8>>) -> Self {
        Self { status: StatusCode::FORBIDDEN, ..Self::malformed(reason, value) }
    }

    /// A proof that verifies, of something else: 403.
    fn of_other(reason: &'static str, value: impl Into<Vec<u8>>, refusal: DeviceRefusal) -> Self {
        Self { refusal, ..Self::unverified(reason, value) }
    }
}

/// The headers of a request that is otherwise good, and how it is refused.
type Row = (&'static str, fn(&mut Request<()>, &Scene), StatusCode, Option<DeviceRefusal>);

#[tokio::test]
async fn hostile_proofs_register_nothing() {
    for (world, binding) in both() {
        let scene = Scene::offered(world).await;
        let rows = [proofs::of_registrations(&scene), key::all(&scene), challenges::of_registrations(&scene)];
        let rows: Vec<_> = rows.into_iter().flatten().collect();
        assert!(rows.len() >= 80, "{}", rows.len());
        for row in rows {
            let case = format!("{}, {binding:?}", row.reason);
            let mut request = scene.bound.registration("proof");
            set_all(&mut request, "secure-session-response", &row.values);
            let (response, events) = scene.refused(&case, request).await;
            assert_eq!(response.status(), row.status, "{case}: {response:?}");
            assert_eq!(events, [EventKind::DeviceRegistrationRefused(row.refusal)], "{case}");
            assert_eq!(challenge(&response), None, "{case}");
        }
        scene.still_registers().await;
    }
}

#[tokio::test]
async fn hostile_proofs_refresh_nothing() {
    for (world, binding) in both() {
        let scene = Scene::confirmed(world).await;
        let rows = [proofs::of_refreshes(&scene), challenges::of_refreshes(&scene)];
        let rows: Vec<_> = rows.into_iter().flatten().collect();
        assert!(rows.len() >= 60, "{}", rows.len());
        for row in rows {
            for with_cookies in [true, false] {
                let case = format!("{}, {binding:?}, cookies: {with_cookies}", row.reason);
                let mut request = scene.bound.refresh_request_with(None);
                if !with_cookies {
                    request.headers_mut().remove("cookie");
                }
                set_all(&mut request, "secure-session-response", &row.values);
                let (response, events) = scene.refused(&case, request).await;
                assert_eq!(response.status(), StatusCode::FORBIDDEN, "{case}: {response:?}");
                assert_eq!(challenge(&response), scene.bound.challenge, "{case}");
                assert_eq!(events, [], "{case}");
            }
        }
        scene.still_refreshes().await;
    }
}

#[tokio::test]
async fn hostile_requests_register_nothing() {
    for (world, binding) in both() {
        let scene = Scene::offered(world).await;
        for (reason, change, status, refusal) in requests::REGISTRATIONS {
            let case = format!("{reason}, {binding:?}");
            let mut request = scene.bound.registration(&scene.bound.device.registration(&scene.offer));
            change(&mut request, &scene);
            let (response, events) = scene.refused(&case, request).await;
            assert_eq!(response.status(), *status, "{case}: {response:?}");
            let refused = EventKind::DeviceRegistrationRefused(refusal.unwrap());
            assert_eq!(events.last(), Some(&refused), "{case}");
        }
        scene.still_registers().await;
    }
}

#[tokio::test]
async fn hostile_requests_refresh_nothing() {
    for (world, binding) in both() {
        let scene = Scene::confirmed(world).await;
        for (reason, change, status, _) in requests::REFRESHES {
            let case = format!("{reason}, {binding:?}");
            let mut request = scene.bound.refresh_request();
            change(&mut request, &scene);
            let (response, _) = scene.refused(&case, request).await;
            assert_eq!(response.status(), *status, "{case}: {response:?}");
        }
        scene.still_refreshes().await;
    }
}

fn set(request: &mut Request<()>, name: &'static str, value: impl AsRef<[u8]>) {
    set_all(request, name, &[value.as_ref().to_vec()]);
}

fn set_all(request: &mut Request<()>, name: &'static str, values: &[Vec<u8>]) {
    let name = HeaderName::from_static(name);
    request.headers_mut().remove(&name);
    for value in values {
        request.headers_mut().append(&name, HeaderValue::from_bytes(value).unwrap());
    }
}
