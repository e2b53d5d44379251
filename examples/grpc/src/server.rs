//! The service, behind the layer.

use std::{convert::Infallible, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Response, Status,
    transport::{self, Server, server::TcpIncoming},
};
use tower_refresh::{
    Auth, Authenticated, Clock, ConfigError, Identity, KeyRing, MemoryStore, Rejection, RejectionKind,
    RotationPolicy, Session,
};

use crate::{
    GreetReply, GreetRequest, LoginReply, LoginRequest,
    generated::greeter_server::{Greeter, GreeterServer},
};

/// The claims of a user in the access token, besides the standard ones.
#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

/// Serves until it is dropped.
pub(crate) fn serve(
    listener: TcpListener,
    clock: impl Clock,
    access_lifetime: Duration,
) -> Result<impl Future<Output = Result<(), transport::Error>>, ConfigError> {
    let mut policy = RotationPolicy::balanced();
    policy.access_lifetime = access_lifetime;
    // A real application reads its key from a file that all its servers share, so that users stay logged in after a restart.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer("https://grpc.example.com")
        .audience("grpc")
        .store(MemoryStore::new())
        .claims(|subject, _session| async move {
            let known = (subject.as_str() == "alice").then(|| User { name: "Alice".to_owned() });
            Ok::<_, Infallible>(known.map(Identity::new))
        })
        .policy(policy)
        .clock(clock)
        // The clients are not browsers: the access token is sent only in `authorization` and `x-access-token`.
        .access_cookie(false)
        .build()?;
    let server = Server::builder().layer(auth.layer()).add_service(GreeterServer::new(Service));
    Ok(async move { server.serve_with_incoming(TcpIncoming::from(listener)).await })
}

struct Service;

#[tonic::async_trait]
impl Greeter for Service {
    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<LoginReply>, Status> {
        let session = Session::<User>::from_extensions(request.extensions()).map_err(status)?;
        let LoginRequest { username, password } = request.into_inner();
        // A real application verifies a password hash.
        if (username.as_str(), password.as_str()) != ("alice", "alice-password") {
            return Err(Status::unauthenticated("wrong name or password"));
        }
        let tokens = session.login(username).await.map_err(status)?;
        let access_token = tokens.access_token().to_owned();
        Ok(Response::new(LoginReply { access_token, expires_in: tokens.expires_in() }))
    }

    async fn greet(&self, request: Request<GreetRequest>) -> Result<Response<GreetReply>, Status> {
        let user = Authenticated::<User>::required(request.extensions()).map_err(status)?;
        Ok(Response::new(GreetReply { message: format!("hello {}", user.claims().name) }))
    }
}

/// Converts a rejection to a gRPC status. If all methods of a service need a user, use `Auth::require_auth` and
/// `with_response` instead.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn status(rejection: Rejection) -> Status {
    let code = match rejection.kind() {
        RejectionKind::InsufficientScope { .. } | RejectionKind::CrossSite | RejectionKind::SubjectGone => {
            Code::PermissionDenied
        }
        RejectionKind::Unavailable | RejectionKind::Overtaken => Code::Unavailable,
        _ if rejection.status().is_server_error() => Code::Internal,
        _ => Code::Unauthenticated,
    };
    Status::new(code, rejection.to_string())
}
