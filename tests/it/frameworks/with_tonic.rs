//! tonic, over an HTTP/2 connection, with a generated service that does not know the layer.

use std::{io, time::Duration};

use futures_util::stream;
use http::{Response, request::Parts};
use hyper_util::rt::TokioIo;
use tonic::{
    Code, Request, Status,
    body::Body,
    transport::{Channel, Endpoint, Server},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::service_fn;
use tower_refresh::{Rejection, RejectionKind};

use crate::support::{Browser, World, store::Fault, store::Op};

/// The status as a gRPC client reads it.
fn status(rejection: &Rejection, _request: &Parts) -> Response<Body> {
    let code = match rejection.kind() {
        RejectionKind::InsufficientScope { .. } | RejectionKind::CrossSite => Code::PermissionDenied,
        RejectionKind::Unavailable => Code::Unavailable,
        _ => Code::Unauthenticated,
    };
    Status::new(code, rejection.to_string()).into_http()
}

/// A client of a server whose health check requires `scope`.
async fn connect(world: &World, scope: &str) -> HealthClient<Channel> {
    let (ours, theirs) = tokio::io::duplex(1024);
    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder()
        .layer(world.auth.layer())
        .layer(world.auth.require_scope(scope).with_response(status))
        .add_service(health)
        .serve_with_incoming(stream::iter([Ok::<_, io::Error>(theirs)]));
    tokio::spawn(server);
    let mut ours = Some(ours);
    let connector = service_fn(move |_| {
        let connection = ours.take().map(TokioIo::new);
        async { connection.ok_or_else(|| io::Error::other("there is only one connection")) }
    });
    let endpoint = Endpoint::from_static("http://api.example.com");
    HealthClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

fn check(headers: &[(&'static str, &str)]) -> Request<HealthCheckRequest> {
    let mut request = Request::new(HealthCheckRequest { service: String::new() });
    for (name, value) in headers {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_call_without_a_user_ends_with_a_grpc_status() {
    let world = World::new();
    let mut client = connect(&world, "user").await;

    let anonymous = client.check(check(&[])).await.unwrap_err();
    assert_eq!((anonymous.code(), anonymous.message()), (Code::Unauthenticated, "authentication required"));

    let forged = client.check(check(&[("authorization", "Bearer a.b.c")])).await.unwrap_err();
    assert_eq!((forged.code(), forged.message()), (Code::Unauthenticated, "the access token is invalid"));
}

#[tokio::test]
async fn a_bearer_token_in_the_metadata_lets_a_call_pass() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let bearer = format!("Bearer {}", browser.access().unwrap());

    let mut client = connect(&world, "user").await;
    assert!(client.check(check(&[("authorization", &bearer)])).await.is_ok());

    let mut client = connect(&world, "admin").await;
    let rejected = client.check(check(&[("authorization", &bearer)])).await.unwrap_err();
    assert_eq!(rejected.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn an_expired_bearer_token_is_renewed_in_the_metadata_of_the_answer() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let bearer = format!("Bearer {}", browser.access().unwrap());
    let cookie = format!("__Host-refresh={}", browser.refresh().unwrap());
    let headers = [("authorization", bearer.as_str()), ("cookie", cookie.as_str())];
    let mut client = connect(&world, "user").await;
    world.clock.advance(Duration::from_secs(600));

    world.store.break_op(Op::Load, Fault::Fails);
    let failed = client.check(check(&headers)).await.unwrap_err();
    assert_eq!(failed.code(), Code::Unavailable);
    world.store.fix();

    let answer = client.check(check(&headers)).await.unwrap();
    let renewed = answer.metadata().get("x-access-token").unwrap().to_str().unwrap();
    let bearer = format!("Bearer {renewed}");
    assert!(client.check(check(&[("authorization", &bearer)])).await.is_ok());
}
