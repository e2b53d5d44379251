//! Applications with two `Auth`s, and with one layer twice.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{Rejection, RejectionKind};

use crate::support::{
    Browser, World,
    browser::set_cookies,
    probe::{ACCESS_LIFETIME, session_of},
    request,
    world::routes,
};

async fn ok(_: Request<()>) -> Result<Response<Bytes>, Infallible> {
    Ok(Response::new(Bytes::from_static(b"secret")))
}

#[tokio::test]
async fn the_layer_of_customers_does_not_satisfy_what_staff_requires() {
    let (customers, staff) = (World::new(), World::new());
    let customer = Browser::logged_in(&customers, "alice").await;
    let required = [staff.auth.require_auth(), staff.auth.require_scope("user")];
    for required in required {
        let service = customers.auth.layer().layer(required.layer(service_fn(ok)));
        let response = service.oneshot(customer.request("/")).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), &RejectionKind::OtherAuth);
        assert!(rejection.to_string().contains("tower_refresh::Auth"), "{rejection}");
    }
    let own = customers.auth.require_auth();
    let service = customers.auth.layer().layer(own.layer(service_fn(ok)));
    assert_eq!(service.oneshot(customer.request("/")).await.unwrap().body(), "secret");
}

#[tokio::test]
async fn the_inner_one_of_two_layers_identifies_the_user() {
    let (customers, staff) = (World::new(), World::new());
    let customer = Browser::logged_in(&customers, "alice").await;
    let service = staff.auth.require_auth().layer(service_fn(ok));
    let service = customers.auth.layer().layer(staff.auth.layer().layer(service));
    // The cookies are valid for both, which share their keys and names; only the session's store differs.
    assert_eq!(service.oneshot(customer.request("/")).await.unwrap().body(), "secret");
}

#[tokio::test]
async fn a_layer_that_is_applied_twice_works_once() {
    let world = World::new();
    let layer = world.auth.layer();
    let send = |request| {
        let handler = service_fn(|request| async { Ok::<_, Infallible>(routes(request).await) });
        layer.layer(layer.layer(handler)).oneshot(request)
    };
    let mut browser = Browser::new();
    let login = send(request("/login/alice", &[])).await.unwrap();
    assert_eq!(set_cookies(login.headers()).len(), 2, "{login:?}");
    browser.keep(login.headers());
    let session = session_of(&browser);

    world.clock.advance(ACCESS_LIFETIME);
    let refreshed = send(browser.request("/me")).await.unwrap();
    assert_eq!(refreshed.body(), "alice");
    assert_eq!(set_cookies(refreshed.headers()).len(), 2, "{refreshed:?}");
    browser.keep(refreshed.headers());
    assert_eq!(world.store.row(session).await.unwrap().generation, 1);

    let logout = send(browser.request("/logout")).await.unwrap();
    let removed = set_cookies(logout.headers());
    assert_eq!(removed.len(), 2, "{logout:?}");
    assert!(removed.iter().all(|(_, value)| value.is_none()));

    // A login in a request whose cookies are over sets cookies, and removes none.
    let again = send(browser.request("/login/bob")).await.unwrap();
    assert!(set_cookies(again.headers()).iter().all(|(_, value)| value.is_some()), "{again:?}");
}
