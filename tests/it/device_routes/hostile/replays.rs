//! Every request that a device has sent with success, sent again.

use http::{Request, StatusCode};

use super::{
    super::both,
    scene::{COUNTER, Scene},
    set,
};
use crate::support::probe::ACCESS_LIFETIME;

fn copy(request: &Request<()>) -> Request<()> {
    let mut copy = Request::builder().method(request.method()).uri(request.uri()).body(()).unwrap();
    copy.headers_mut().clone_from(request.headers());
    copy
}

/// The requests that register and refresh, and the scene after them, some time later.
async fn played(mut scene: Scene) -> (Scene, Vec<Request<()>>) {
    let mut sent = vec![scene.bound.registration(&scene.bound.device.registration(&scene.offer))];
    for round in 0..6 {
        let response = scene.world.send(copy(sent.last().unwrap())).await;
        assert_eq!(response.status(), StatusCode::OK, "{round}: {response:?}");
        scene.bound.keep(&response);
        if round > 2 {
            scene.world.clock.advance(ACCESS_LIFETIME);
            scene.bound.browser.drop_access();
        }
        sent.push(scene.bound.refresh_request());
    }
    sent.pop();
    scene.world.take_events();
    (scene, sent)
}

#[tokio::test]
async fn no_request_of_a_device_mints_anything_when_it_is_sent_again() {
    for (world, binding) in both() {
        let (scene, sent) = played(Scene::offered(world).await).await;
        assert_eq!(sent.len(), 6);
        for (number, request) in sent.iter().enumerate() {
            for cookies in [None, Some(scene.bound.browser.cookie_header()), Some(String::new())] {
                let case = format!("{number}, {binding:?}, {cookies:?}");
                let mut again = copy(request);
                if let Some(cookies) = cookies {
                    set(&mut again, "cookie", cookies);
                }
                let (response, _) = scene.refused(&case, again).await;
                assert_eq!(response.status(), StatusCode::FORBIDDEN, "{case}: {response:?}");
            }
        }
        scene.still_refreshes().await;
    }
}

#[tokio::test]
async fn no_proof_is_worth_anything_at_another_route_or_in_another_session() {
    for (world, binding) in both() {
        let (mut scene, sent) = played(Scene::offered(world).await).await;
        let offer = scene.other_offer.clone();
        // The other session is offered nothing any more, because its offer is too old.
        assert_eq!(scene.other.register(&scene.world, &offer).await.status(), StatusCode::FORBIDDEN);
        scene.world.take_events();
        let next = scene.bound.refresh_request();
        for (number, request) in sent.iter().chain([&next]).enumerate() {
            let case = format!("{number}, {binding:?}");
            let mut register = scene.bound.registration("proof");
            set(&mut register, "secure-session-response", &request.headers()["secure-session-response"]);
            let (response, _) = scene.refused(&case, register).await;
            assert!(response.status().is_client_error(), "{case}: {response:?}");
        }
        scene.still_refreshes().await;
    }
}

#[tokio::test]
async fn no_request_of_a_device_revives_a_session_that_has_ended() {
    for (world, binding) in both() {
        let (scene, mut sent) = played(Scene::offered(world).await).await;
        sent.push(scene.bound.refresh_request());
        scene.world.auth.end_session(scene.session).await.unwrap();
        scene.world.take_events();
        for (number, request) in sent.iter().enumerate() {
            let case = format!("{number}, {binding:?}");
            let (response, _) = scene.refused(&case, copy(request)).await;
            let expected = if number == 0 { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
            assert_eq!(response.status(), expected, "{case}: {response:?}");
        }
    }
}

#[tokio::test]
async fn of_the_same_proof_at_the_same_time_one_is_accepted() {
    for (world, binding) in both() {
        let scene = Scene::confirmed(world).await;
        let request = scene.bound.refresh_request();
        let sent = (0..20).map(|_| scene.world.send(copy(&request)));
        let responses = futures_util::future::join_all(sent).await;
        let accepted = responses.iter().filter(|response| response.status() == StatusCode::OK).count();
        assert_eq!(accepted, 1, "{binding:?}");
        let others = responses.iter().filter(|response| response.status() != StatusCode::OK);
        assert!(others.into_iter().all(crate::support::probe::carries_nothing), "{binding:?}");
        let row = scene.world.store.row(scene.session).await.unwrap();
        assert_eq!(row.binding.unwrap().counter(), Some(COUNTER + 1), "{binding:?}");
    }
}
