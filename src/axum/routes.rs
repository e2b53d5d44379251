//! The routes of [`Auth::routes`].

use axum::{
    Router,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{
        HeaderValue, Response, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    },
    response::IntoResponse,
    routing::{delete, get, post},
};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tower_refresh_core::{SessionHandle, Timestamp};

use crate::{Auth, CustomClaims, Rejection, Session, SessionInfo};

impl<C: CustomClaims> Auth<C> {
    /// Routes for axum, to be merged inside [`layer`](Self::layer):
    ///
    /// | route | answer |
    /// |---|---|
    /// | `POST /auth/refresh` | [`Session::refresh`]: 200 with a [`TokenResponse`](crate::TokenResponse), which a script can read |
    /// | `POST /auth/logout` | [`Session::logout`]: 204 |
    /// | `POST /auth/logout-everywhere` | [`Session::logout_everywhere`]: 204 |
    /// | `GET /auth/sessions` | [`Session::list`]: 200 with a JSON array |
    /// | `DELETE /auth/sessions/{handle}` | [`Session::end`]: 204 |
    /// | `GET /.well-known/jwks.json` | [`Auth::jwks`]: 200 |
    ///
    /// A session of the list is `{handle, created_at, last_used_at, user_agent, ip, current}`, with `label` if it has
    /// one; its times are those of RFC 3339. No cache may store it (`Cache-Control: private, no-store`), and no browser
    /// takes any of these answers for something other than JSON (`X-Content-Type-Options: nosniff`).
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/auth/refresh", post(refresh::<C>))
            .route("/auth/logout", post(logout::<C>))
            .route("/auth/logout-everywhere", post(logout_everywhere::<C>))
            .route("/auth/sessions", get(list::<C>))
            .route("/auth/sessions/{handle}", delete(end::<C>))
            .route("/.well-known/jwks.json", get(jwks::<C>))
            .with_state(self.clone())
    }
}

async fn refresh<C: CustomClaims>(session: Session<C>) -> Result<Response<Body>, Rejection> {
    Ok(json(&session.refresh().await?))
}

async fn logout<C: CustomClaims>(session: Session<C>) -> Result<StatusCode, Rejection> {
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn logout_everywhere<C: CustomClaims>(session: Session<C>) -> Result<StatusCode, Rejection> {
    session.logout_everywhere().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list<C: CustomClaims>(session: Session<C>) -> Result<Response<Body>, Rejection> {
    let current = session.current();
    let sessions = session.list().await?;
    let mut response = json(&sessions.iter().map(|info| Listed::new(info, current)).collect::<Vec<_>>());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

async fn end<C: CustomClaims>(
    session: Session<C>,
    handle: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Rejection> {
    // A path that is not UTF-8 names no session either.
    session.end_named(&handle.map(|Path(handle)| handle).unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn jwks<C: CustomClaims>(State(auth): State<Auth<C>>) -> Response<Body> {
    json(&auth.jwks())
}

fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = Response::new(body.into());
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Serialize)]
struct Listed<'a> {
    handle: String,
    created_at: String,
    last_used_at: String,
    user_agent: Option<&'a str>,
    ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    current: bool,
}

impl<'a> Listed<'a> {
    fn new(info: &'a SessionInfo, current: Option<SessionHandle>) -> Self {
        Self {
            handle: info.handle().to_string(),
            created_at: rfc3339(info.created_at()),
            last_used_at: rfc3339(info.last_used_at()),
            user_agent: info.user_agent(),
            ip: info.ip().map(|ip| ip.to_string()),
            label: info.label(),
            current: Some(info.handle()) == current,
        }
    }
}

fn rfc3339(time: Timestamp) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_default()
}
