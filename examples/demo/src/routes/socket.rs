//! A WebSocket: the user is told once, when it opens.

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::Response,
};
use tokio::sync::watch;
use tower_refresh::Authenticated;

use crate::{app::App, users::Claims};

const LONGEST_MESSAGE: usize = 1024 * 1024;

pub(super) async fn open(
    user: Authenticated<Claims>,
    State(app): State<App>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let sub = user.subject().to_string();
    let stopping = app.stopping.subscribe();
    upgrade.max_message_size(LONGEST_MESSAGE).on_upgrade(move |socket| echo(socket, sub, stopping))
}

async fn echo(mut socket: WebSocket, sub: String, mut stopping: watch::Receiver<bool>) {
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            () = stopped(&mut stopping) => {
                let frame = CloseFrame { code: close_code::AWAY, reason: "the server shuts down".into() };
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
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

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: the server is too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}
