//! A WebSocket that a logged-in user opens, and that closes when the session ends or the access token expires.
//!
//! ```text
//! cargo run -p websocket                    # or: -- 127.0.0.1:8080
//! curl -si -c jar -X POST localhost:3000/login
//! websocat -H "cookie: __Host-access=…" ws://localhost:3000/ws     # the value is in jar
//! hello                                     # alice: hello
//! curl -s -b jar -X POST localhost:3000/auth/logout                # the socket closes with code 1008
//! ```
//!
//! The upgrade is a request like any other: the layer accepts cookies, and rejects the request if another site started it;
//! otherwise any page could open a socket as the user. After the upgrade no request refreshes the token, so the socket stays
//! open until [`Authenticated::expires_at`] at most. The page then opens a new socket. The layer authenticates
//! that upgrade request with the refresh token, and the next ordinary request sets the new tokens.

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
    // Enough for a burst of session ends. A socket that falls behind closes, to be safe.
    let (session_ends, _) = broadcast::channel::<SessionHandle>(256);
    let sender = session_ends.clone();
    // A real application reads its key from a file that all its servers share, so that users stay logged in after a restart.
    let auth = Auth::builder(KeyRing::ephemeral()?)
        .issuer("http://localhost:3000")
        .audience("websocket")
        .store(MemoryStore::new())
        .claims(|_subject, _session| async { Ok::<_, Infallible>(Some(Identity::new(()))) })
        .on_event(move |event| {
            if let (EventKind::End(_), Some(session)) = (event.kind, event.session) {
                // An error means that no socket is open.
                let _ = sender.send(session);
            }
        })
        .build()?;
    Ok(Router::new()
        .route("/login", post(login))
        .route("/ws", get(open))
        .layer(Extension(session_ends))
        .merge(auth.routes())
        .layer(auth.layer()))
}

async fn login(session: Session<()>) -> Result<Json<TokenResponse>, Rejection> {
    // A real application checks a password first.
    Ok(Json(session.login("alice").await?))
}

async fn open(
    user: Authenticated<()>,
    Extension(session_ends): Extension<broadcast::Sender<SessionHandle>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Subscribe before the response is sent, so that no session end is missed.
    let session_ends = session_ends.subscribe();
    upgrade.max_message_size(64 * 1024).on_upgrade(move |socket| serve(socket, user, session_ends))
}

async fn serve(
    mut socket: WebSocket,
    user: Authenticated<()>,
    session_ends: broadcast::Receiver<SessionHandle>,
) {
    let left = user.expires_at().saturating_since(SystemClock.now());
    let mut closed = std::pin::pin!(until_closed(user.session(), left, session_ends));
    loop {
        let message = tokio::select! {
            // Checked first, so that a client cannot keep the socket open by sending without pause.
            biased;
            reason = &mut closed => {
                let frame = CloseFrame { code: close_code::POLICY, reason: reason.into() };
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
            message = socket.recv() => message,
        };
        match message {
            Some(Ok(Message::Text(text))) => {
                let reply = Message::text(format!("{}: {text}", user.subject()));
                if socket.send(reply).await.is_err() {
                    return;
                }
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}

/// Completes when the token has expired, or the session was ended on this server. If another server ends the session, the
/// socket closes when the token expires, at most 10 minutes later.
async fn until_closed(
    session: Option<SessionHandle>,
    left: Duration,
    mut session_ends: broadcast::Receiver<SessionHandle>,
) -> &'static str {
    let ended = async {
        loop {
            match session_ends.recv().await {
                Ok(ended) if Some(ended) != session => {}
                Ok(_) | Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            }
        }
    };
    tokio::select! {
        () = sleep(left) => "the token has expired: open another socket",
        () = ended => "the session has ended",
    }
}
