//! The refresh token grant of native clients.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_refresh::{
    Assessment, SessionHandle, TokenError,
    event::{EndReason, EventKind},
};

use crate::support::{World, probe::ACCESS_LIFETIME};

#[tokio::test]
async fn native_clients_receive_invalid_grant() {
    let expected = [
        (Assessment::RequireLogin, TokenError::LoginRequired, EventKind::LoginRequired, None),
        (
            Assessment::EndSession,
            TokenError::InvalidGrant,
            EventKind::Suspicious,
            Some(EndReason::Suspicious),
        ),
    ];
    for (answer, error, event, ended) in expected {
        let world = World::with(|builder| {
            builder.assess(move |attempt| {
                assert_eq!((attempt.ip(), attempt.user_agent()), (None, None), "there is no request");
                answer
            })
        });
        let (token, session) = native_login(&world).await;
        world.clock.advance(ACCESS_LIFETIME);
        world.take_events();

        assert_eq!(world.auth.refresh_native(&token).await.unwrap_err(), error);

        assert_eq!(error.code(), "invalid_grant");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        assert_eq!(world.take_events()[0], event);
        let row = world.store.row(session).await.unwrap();
        assert_eq!(row.ended.map(|ended| ended.reason), ended, "{answer:?}");
        assert_eq!(row.generation, 0, "{answer:?}");
    }
}

#[tokio::test]
async fn an_assessment_of_a_native_client_that_panics_is_temporarily_unavailable() {
    let world = World::with(|builder| builder.assess(|_| panic!("on demand")));
    let (token, session) = native_login(&world).await;
    let before = world.store.row(session).await;
    assert_eq!(world.auth.refresh_native(&token).await.unwrap_err(), TokenError::Unavailable);
    assert_eq!(world.store.row(session).await, before);
}

/// The refresh token of a native client, and its session.
async fn native_login(world: &World) -> (String, SessionHandle) {
    use tower_refresh::{Session, store::SessionStore};
    let login = |request: Request<()>| async move {
        let session = Session::<crate::support::Claims>::from_extensions(request.extensions()).unwrap();
        let tokens = session.login_native("alice").await.unwrap();
        Response::new(Bytes::from(tokens.refresh_token().unwrap().to_owned()))
    };
    let response = world.send_to(login, crate::support::request("/", &[])).await;
    let page = tower_refresh::store::Page::first(1);
    let rows = world.store.inner.list(&"alice".into(), world.auth.now(), page).await.unwrap();
    (String::from_utf8(response.body().to_vec()).unwrap(), rows[0].handle)
}
