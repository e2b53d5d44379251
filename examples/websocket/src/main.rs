//! A WebSocket that is opened by a logged-in user, and closes when the session ends or the access token does.
//!
//! ```text
//! cargo run -p websocket                    # or: -- 127.0.0.1:8080
//! curl -si -c jar -X POST localhost:3000/login
//! websocat -H "cookie: __Host-access=…" ws://localhost:3000/ws     # the value is in jar
//! hello                                     # alice: hello
//! curl -s -b jar -X POST localhost:3000/auth/logout                # the socket closes, by code 1008
//! ```
//!
//! The upgrade is a request like any other: cookies count, and so does the rule about other sites, without which any page could
//! open a socket in the user's name. After it no request renews the token, so the socket lives until
//! [`Authenticated::expires_at`] at most; the page then opens another one, whose upgrade is refreshed as any request is.

#[cfg(test)]
mod tests;

use std::{convert::Infallible, env, error::Error, time::Duration};

use axum::{
    Extension, Json, Router,
    extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    response::Response,
    routing::{get, post},
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::sleep,
};
use tower_refresh::{
    Auth, Authenticated, Clock, ConfigError, Identity, KeyRing, MemoryStore, Rejection, Session,
    SessionHandle, SystemClock, TokenResponse, event::EventKind,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app()?).await?)
}

fn app() -> Result<Router, ConfigError> {
    // Room for a burst of ends; who falls behind closes, to be on the safe side.
    let (ends, _) = broadcast::channel::<SessionHandle>(256);
    let told = ends.clone();
    // A real application reads its key from a file that all its servers share, so that a restart logs nobody out.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer("http://localhost:3000")
        .audience("websocket")
        .store(MemoryStore::new())
        .claims(|_subject, _session| async { Ok::<_, Infallible>(Some(Identity::new(()))) })
        .on_event(move |event| {
            if let (EventKind::End(_), Some(session)) = (event.kind, event.session) {
                // An error says that no socket is open.
                let _ = told.send(session);
            }
        })
        .build()?;
    Ok(Router::new()
        .route("/login", post(login))
        .route("/ws", get(open))
        .layer(Extension(ends))
        .merge(auth.routes())
        .layer(auth.layer()))
}

async fn login(session: Session<()>) -> Result<Json<TokenResponse>, Rejection> {
    // A real application has checked a password by now.
    Ok(Json(session.login("alice").await?))
}

async fn open(
    user: Authenticated<()>,
    Extension(ends): Extension<broadcast::Sender<SessionHandle>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Before the answer goes out: an end between it and the first message is then heard, too.
    let ends = ends.subscribe();
    upgrade.max_message_size(64 * 1024).on_upgrade(move |socket| serve(socket, user, ends))
}

async fn serve(mut socket: WebSocket, user: Authenticated<()>, ends: broadcast::Receiver<SessionHandle>) {
    let left = user.expires_at().saturating_since(SystemClock.now());
    let mut over = std::pin::pin!(over(user.session(), left, ends));
    loop {
        let message = tokio::select! {
            // First, so that a client which sends without a pause does not stay.
            biased;
            reason = &mut over => {
                let frame = CloseFrame { code: close_code::POLICY, reason: reason.into() };
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
            message = socket.recv() => message,
        };
        match message {
            Some(Ok(Message::Text(text))) => {
                let answer = Message::text(format!("{}: {text}", user.subject()));
                if socket.send(answer).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// Completes when the token has expired, or its session was ended on this server. What another server ended is noticed when the
/// token expires, 10 minutes later at most.
async fn over(
    session: SessionHandle,
    left: Duration,
    mut ends: broadcast::Receiver<SessionHandle>,
) -> &'static str {
    let ended = async {
        loop {
            match ends.recv().await {
                Ok(ended) if ended != session => {}
                Ok(_) | Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            }
        }
    };
    tokio::select! {
        () = sleep(left) => "the token has expired: open another socket",
        () = ended => "the session has ended",
    }
}
