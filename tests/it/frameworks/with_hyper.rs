//! hyper without a framework, over a connection.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tower::{Layer, service_fn};
use tower_refresh::{Authenticated, Rejection, Session};

use crate::support::{
    Browser, Claims, World,
    browser::{ACCESS, REFRESH, set_cookies},
};

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    Ok(route(&head, body).await.unwrap_or_else(|rejection| rejection.to_response(&head)))
}

async fn route(head: &Parts, body: Incoming) -> Result<Response<Full<Bytes>>, Rejection> {
    let session = Session::<Claims>::from_extensions(&head.extensions)?;
    let body = match head.uri.path() {
        "/login" => session.login("alice").await?.access_token().to_owned(),
        "/logout" => {
            session.logout().await?;
            String::new()
        }
        "/echo" => {
            let body = body.collect().await.unwrap().to_bytes();
            return Ok(Response::new(body.into()));
        }
        _ => Authenticated::<Claims>::required(&head.extensions)?.claims().name.clone(),
    };
    Ok(Response::new(Bytes::from(body).into()))
}

/// The client's end of a connection to a server.
async fn connect(world: &World) -> SendRequest<Full<Bytes>> {
    let (ours, theirs) = tokio::io::duplex(1024);
    let service = TowerToHyperService::new(world.auth.layer().layer(service_fn(serve)));
    let server = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
    tokio::spawn(server);
    let (client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn send(
    client: &mut SendRequest<Full<Bytes>>,
    browser: &mut Browser,
    path: &str,
    body: impl Into<Bytes>,
) -> Response<Bytes> {
    let body = Full::new(body.into());
    client.ready().await.unwrap();
    let response = client.send_request(browser.request(path).map(|()| body)).await.unwrap();
    browser.keep(response.headers());
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_user_logs_in_is_refreshed_and_logs_out_over_one_connection() {
    let world = World::new();
    let mut client = connect(&world).await;
    let mut browser = Browser::new();

    assert_eq!(send(&mut client, &mut browser, "/me", "").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(send(&mut client, &mut browser, "/login", "").await.status(), StatusCode::OK);
    assert_eq!(send(&mut client, &mut browser, "/me", "").await.body(), "Alice");

    world.clock.advance(Duration::from_secs(600));
    let refreshed = send(&mut client, &mut browser, "/me", "").await;
    assert_eq!(refreshed.body(), "Alice");
    let set: Vec<_> = set_cookies(refreshed.headers()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(set, [ACCESS, REFRESH]);

    assert_eq!(send(&mut client, &mut browser, "/logout", "").await.status(), StatusCode::OK);
    assert_eq!(browser.cookies.len(), 0);
    let rejected = send(&mut client, &mut browser, "/me", "").await;
    assert_eq!(rejected.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(rejected.headers()["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_body_larger_than_the_connection_buffers_passes_through_a_refreshed_request() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    world.clock.advance(Duration::from_secs(600));
    let mut client = connect(&world).await;
    let body = Bytes::from((0..1_000_000_u32).map(|i| i.to_le_bytes()[0]).collect::<Vec<_>>());

    let response = send(&mut client, &mut browser, "/echo", body.clone()).await;

    assert!(response.body() == &body, "another body came back");
    assert_eq!(set_cookies(response.headers()).len(), 2);
}
