//! Responses of every kind: streamed, slow, with any status, endless.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, HttpBody},
    extract::{Path, Query},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, mpsc},
    time::sleep,
};
use tower_refresh::Authenticated;

use crate::{problem::Problem, users::Claims};

const LONGEST_MS: u64 = 60_000;
const MOST_EVENTS: u64 = 100_000;

/// How many bytes of a body are buffered ahead of the response: many clients send the whole body before they read.
const READ_AHEAD: u32 = 64 * 1024 * 1024;

/// Streams the request body back.
pub(super) async fn echo(_user: Authenticated<Claims>, headers: HeaderMap, body: Body) -> Response {
    let media_type = headers.get(CONTENT_TYPE).cloned();
    let media_type = media_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let len = body.size_hint().exact();
    let mut response = ([(CONTENT_TYPE, media_type)], read_ahead(body)).into_response();
    if let Some(len) = len {
        response.headers_mut().insert(CONTENT_LENGTH, len.into());
    }
    response
}

fn read_ahead(body: Body) -> Body {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(READ_AHEAD as usize));
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            let size = chunk.as_ref().map_or(0, |chunk| u32::try_from(chunk.len()).unwrap_or(u32::MAX));
            let Ok(taken) = room.clone().acquire_many_owned(size.min(READ_AHEAD)).await else { return };
            if sender.send((chunk, taken)).is_err() {
                return;
            }
        }
    });
    Body::from_stream(stream::unfold(receiver, |mut receiver| async move {
        let (chunk, _taken) = receiver.recv().await?;
        Some((chunk, receiver))
    }))
}

#[derive(Deserialize)]
pub(super) struct Slow {
    ms: u64,
}

pub(super) async fn slow(
    user: Authenticated<Claims>,
    Query(Slow { ms }): Query<Slow>,
) -> Result<Json<Value>, Problem> {
    let wait = at_most_a_minute(ms)?;
    sleep(wait).await;
    Ok(Json(json!({ "sub": user.subject().as_str(), "ms": ms })))
}

pub(super) async fn status(user: Authenticated<Claims>, Path(code): Path<u16>) -> Result<Response, Problem> {
    let status = StatusCode::from_u16(code).ok().filter(|status| !status.is_informational());
    let status = status.ok_or_else(|| Problem::bad_request("the status must be between 200 and 999"))?;
    let bodiless = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
    Ok(if status.is_client_error() || status.is_server_error() {
        Problem::new(status, "the status that was asked for").into_response()
    } else if bodiless.contains(&status) {
        status.into_response()
    } else {
        (status, Json(json!({ "sub": user.subject().as_str(), "status": code }))).into_response()
    })
}

#[derive(Deserialize)]
pub(super) struct Events {
    n: u64,
    ms: u64,
}

pub(super) async fn stream(
    user: Authenticated<Claims>,
    Query(Events { n, ms }): Query<Events>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let pause = at_most_a_minute(ms)?;
    if n > MOST_EVENTS {
        return Err(Problem::bad_request("n must be at most 100000"));
    }
    let sub = user.subject().to_string();
    let events = stream::unfold((1, sub), move |(i, sub)| async move {
        if i > n {
            return None;
        }
        sleep(pause).await;
        let event = Event::default().id(i.to_string()).data(json!({ "n": i, "sub": sub }).to_string());
        Some((Ok(event), (i + 1, sub)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn at_most_a_minute(ms: u64) -> Result<Duration, Problem> {
    if ms > LONGEST_MS {
        return Err(Problem::bad_request("ms must be at most 60000"));
    }
    Ok(Duration::from_millis(ms))
}
