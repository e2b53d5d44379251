//! A WebSocket: the user is told once, when it opens, and it lives no longer than the session.

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
use tower_refresh::{Auth, Authenticated, Clock, SessionHandle, Subject, SystemClock};

use crate::{app::App, users::Claims};

const LONGEST_MESSAGE: usize = 1024 * 1024;

pub(super) async fn open(
    user: Authenticated<Claims>,
    State(app): State<App>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let sub = user.subject().to_string();
    let stopping = app.stopping.subscribe();
    let life = Life {
        ended: app.ended.subscribe(),
        auth: app.auth,
        subject: user.subject().clone(),
        session: user.session(),
        sure_until: Instant::now() + user.expires_at().saturating_since(SystemClock.now()),
        access_lifetime: app.access_lifetime,
    };
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(move |socket| echo(socket, sub, stopping, life))
}

async fn echo(mut socket: WebSocket, sub: String, mut stopping: watch::Receiver<bool>, life: Life) {
    let mut over = Box::pin(life.over());
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = stopped(&mut stopping) => {
                return close(socket, close_code::AWAY, "the server shuts down").await;
            }
            () = &mut over => return close(socket, close_code::POLICY, "the session is over").await,
        };
        let answer = match message {
            Some(Ok(Message::Text(text))) => Message::text(format!("{sub}: {text}")),
            Some(Ok(Message::Binary(bytes))) => Message::Binary(bytes),
            // These are answered while the next message is read.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => continue,
            Some(Err(_)) | None => return,
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let _ = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await;
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: the server is too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// What is known of the session behind a socket.
struct Life {
    auth: Auth<Claims>,
    subject: Subject,
    session: SessionHandle,
    /// Until when the access token says that the session lives.
    sure_until: Instant,
    access_lifetime: Duration,
    ended: broadcast::Receiver<SessionHandle>,
}

impl Life {
    /// Completes when this server ends the session, and within an access token's life of its end or expiry elsewhere. No
    /// request renews the token of a socket, so once it has expired the store is asked in its place.
    async fn over(mut self) {
        loop {
            match timeout_at(self.sure_until, self.ended.recv()).await {
                Ok(Ok(ended)) if ended == self.session => return,
                Ok(Ok(_)) => continue,
                Ok(Err(RecvError::Closed)) => return,
                Ok(Err(RecvError::Lagged(_))) | Err(_) => {}
            }
            let sessions = self.auth.sessions(self.subject.clone()).await.unwrap_or_default();
            if !sessions.iter().any(|session| session.handle() == self.session) {
                return;
            }
            self.sure_until = Instant::now() + self.access_lifetime;
        }
    }
}
