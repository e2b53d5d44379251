//! A WebSocket: the user is authenticated once, when it opens, and it closes when the session ends.

use std::time::Duration;

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::Response,
};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    time::{Instant, timeout_at},
};
use tower_refresh::{Auth, Authenticated, Clock, SessionHandle, SystemClock};

use crate::{app::App, users::Claims};

const LONGEST_MESSAGE: usize = 1024 * 1024;

pub(super) async fn open(
    user: Authenticated<Claims>,
    State(app): State<App>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let sub = user.subject().to_string();
    let stopping = app.stopping.subscribe();
    let lifetime = SessionLifetime {
        ended: app.ended.subscribe(),
        auth: app.auth,
        session: user.session(),
        valid_until: Instant::now() + user.expires_at().saturating_since(SystemClock.now()),
        access_lifetime: app.access_lifetime,
    };
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(move |socket| echo(socket, sub, stopping, lifetime))
}

async fn echo(
    mut socket: WebSocket,
    sub: String,
    mut stopping: watch::Receiver<bool>,
    lifetime: SessionLifetime,
) {
    let mut session_end = Box::pin(lifetime.ended());
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = stopped(&mut stopping) => {
                return close(socket, close_code::AWAY, "the server shuts down").await;
            }
            () = &mut session_end => return close(socket, close_code::POLICY, "the session is over").await,
        };
        let reply = match message {
            Some(Ok(Message::Text(text))) => Message::text(format!("{sub}: {text}")),
            Some(Ok(Message::Binary(bytes))) => Message::Binary(bytes),
            // The next `recv` replies to these.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => continue,
            Some(Err(_)) | None => return,
        };
        if socket.send(reply).await.is_err() {
            return;
        }
    }
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender, and so the server, is gone.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Tracks the session of a socket.
struct SessionLifetime {
    auth: Auth<Claims>,
    session: Option<SessionHandle>,
    /// Until then the session is known to be valid: the expiry of the access token, or of the last check.
    valid_until: Instant,
    access_lifetime: Duration,
    ended: broadcast::Receiver<SessionHandle>,
}

impl SessionLifetime {
    /// Completes when this server ends the session. If the session expires, or another server ends it, this takes up to one
    /// access token lifetime: no request refreshes the token of a socket, so after each such interval the store is queried.
    async fn ended(mut self) {
        loop {
            match timeout_at(self.valid_until, self.ended.recv()).await {
                Ok(Ok(ended)) if Some(ended) == self.session => return,
                Ok(Ok(_)) => continue,
                Ok(Err(RecvError::Closed)) => return,
                Ok(Err(RecvError::Lagged(_))) | Err(_) => {}
            }
            let Some(session) = self.session else { return };
            if !matches!(self.auth.session(session).await, Ok(Some(_))) {
                return;
            }
            self.valid_until = Instant::now() + self.access_lifetime;
        }
    }
}
