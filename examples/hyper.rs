//! A hyper server without axum. It reads the user and the session from the request's extensions.
//!
//! ```text
//! cargo run --example hyper              # or: -- 127.0.0.1:8080
//! curl -si -c jar -X POST localhost:3000/login -d '{"username":"alice","password":"alice-password"}'
//! curl -s -b jar -c jar localhost:3000/me          # hello Alice
//! curl -s -b jar -c jar -X POST localhost:3000/logout
//! curl -s -b jar localhost:3000/me                 # 401
//! ```

use std::{convert::Infallible, env, error::Error};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde::{Deserialize, Serialize};
use tower::{Layer, service_fn};
use tower_refresh::{Auth, Authenticated, Identity, KeyRing, MemoryStore, Rejection, Session};

/// The claims of a user in the access token, besides the standard ones.
#[derive(Serialize, Deserialize)]
struct User {
    name: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A real application reads its key from a file that all its servers share, so that users stay logged in after a restart.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer("http://localhost:3000")
        .audience("hyper")
        .store(MemoryStore::new())
        .claims(|subject, _session| async move {
            let known = (subject.as_str() == "alice").then(|| User { name: "Alice".to_owned() });
            Ok::<_, Infallible>(known.map(Identity::new))
        })
        .build()?;
    let service = TowerToHyperService::new(auth.layer().layer(service_fn(serve)));

    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(connection);
    }
}

async fn serve(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    Ok(route(&head, body).await.unwrap_or_else(|rejection| rejection.to_response(&head)))
}

async fn route(head: &Parts, body: Incoming) -> Result<Response<Full<Bytes>>, Rejection> {
    let session = Session::<User>::from_extensions(&head.extensions)?;
    match (&head.method, head.uri.path()) {
        (&Method::POST, "/login") => {
            let Some(username) = check_password(body).await else {
                return Ok(reply(StatusCode::UNAUTHORIZED, ""));
            };
            let tokens = session.login(username).await?;
            Ok(reply(StatusCode::OK, serde_json::json!(tokens).to_string()))
        }
        (&Method::GET, "/me") => {
            let user = Authenticated::<User>::required(&head.extensions)?;
            Ok(reply(StatusCode::OK, format!("hello {}\n", user.claims().name)))
        }
        (&Method::POST, "/logout") => {
            session.logout().await?;
            Ok(reply(StatusCode::NO_CONTENT, ""))
        }
        _ => Ok(reply(StatusCode::NOT_FOUND, "")),
    }
}

async fn check_password(body: Incoming) -> Option<String> {
    let body = Limited::new(body, 4096).collect().await.ok()?.to_bytes();
    let form: serde_json::Value = serde_json::from_slice(&body).ok()?;
    // A real application verifies a password hash.
    (form["username"] == "alice" && form["password"] == "alice-password").then(|| "alice".to_owned())
}

fn reply(status: StatusCode, content: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content.into()));
    *response.status_mut() = status;
    response
}
