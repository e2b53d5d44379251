//! The routes of [`Auth::routes`].

use axum::{
    Router,
    body::Body,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, LINK, X_CONTENT_TYPE_OPTIONS},
    },
    response::IntoResponse,
    routing::{delete, get, post},
};
use serde::{Deserialize, Serialize};

use crate::{Auth, CustomClaims, Rejection, Session, SessionInfo};

impl<C: CustomClaims> Auth<C> {
    /// Routes for axum. Merge them inside [`layer`](Self::layer):
    ///
    /// | route | response |
    /// |---|---|
    /// | `POST /auth/refresh` | [`Session::refresh`]: 200 with a [`TokenResponse`](crate::TokenResponse), which a script can read |
    /// | `POST /auth/logout` | [`Session::logout`]: 204 |
    /// | `POST /auth/logout-everywhere` | [`Session::logout_everywhere`]: 204 |
    /// | `GET /auth/sessions` | [`Session::list`]: 200 with a JSON array of at most 100 sessions; `?after={handle}` for the next page |
    /// | `DELETE /auth/sessions/{handle}` | [`Session::end`]: 204 |
    /// | `GET /.well-known/jwks.json` | [`Auth::jwks`]: 200 |
    /// | `POST /auth/device/register` | [`Session::register_device`]: 200, only with [`device_binding`](crate::AuthBuilder::device_binding) |
    /// | `POST /auth/device/refresh` | [`Session::refresh_device`]: 200, only with [`device_binding`](crate::AuthBuilder::device_binding) |
    ///
    /// A layer that rejects requests without a user, as [`require_auth`](Self::require_auth), has no place around these routes: a
    /// browser refreshes a session that is bound to its device without a user, and forgets the session after a 401.
    ///
    /// A session of the list is `{handle, created_at, last_used_at, user_agent, ip, device_bound, current}`, with `label` if it has one; times are
    /// strings of RFC 3339. The list is sent with `Cache-Control: private, no-store`, and every response with
    /// `X-Content-Type-Options: nosniff`.
    ///
    /// If the list has another page, the response has its address: `Link: <?after={handle}>; rel="next"` (RFC 8288), relative to the
    /// address of the request, so it is right below any prefix. The handle is that of the last session of the page. A client that
    /// does not read `Link` requests the page after a page of 100, which may be empty. The response is 404 if the user has no session
    /// `after`, and 400 if that is not a handle.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let mut router = Router::new()
            .route("/auth/refresh", post(refresh::<C>))
            .route("/auth/logout", post(logout::<C>))
            .route("/auth/logout-everywhere", post(logout_everywhere::<C>))
            .route("/auth/sessions", get(list::<C>))
            .route("/auth/sessions/{handle}", delete(end::<C>))
            .route("/.well-known/jwks.json", get(jwks::<C>));
        if self.inner.settings.device.is_some() {
            router = router
                .route("/auth/device/register", post(register_device::<C>))
                .route("/auth/device/refresh", post(refresh_device::<C>));
        }
        router.with_state(self.clone())
    }
}

async fn register_device<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    session: Session<C>,
    headers: HeaderMap,
) -> Result<Response<Body>, Rejection> {
    session.check_auth(&auth)?;
    Ok(session.register_device(&headers).await?.map(Body::from))
}

async fn refresh_device<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    session: Session<C>,
    headers: HeaderMap,
) -> Result<Response<Body>, Rejection> {
    session.check_auth(&auth)?;
    Ok(session.refresh_device(&headers).await?.map(Body::from))
}

async fn refresh<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    session: Session<C>,
) -> Result<Response<Body>, Rejection> {
    session.check_auth(&auth)?;
    Ok(json(&session.refresh().await?))
}

async fn logout<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    session: Session<C>,
) -> Result<StatusCode, Rejection> {
    session.check_auth(&auth)?;
    session.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn logout_everywhere<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    session: Session<C>,
) -> Result<StatusCode, Rejection> {
    session.check_auth(&auth)?;
    session.logout_everywhere().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    session: Session<C>,
    RawQuery(query): RawQuery,
) -> Result<Response<Body>, Rejection> {
    session.check_auth(&auth)?;
    let current = session.current();
    let page = session.list_for(&query.unwrap_or_default()).await?;
    let mut response = json(
        &page
            .iter()
            .map(|info| ListedSession { info, current: Some(info.handle()) == current })
            .collect::<Vec<_>>(),
    );
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Some(link) = page.next().and_then(|next| format!("<?after={next}>; rel=\"next\"").try_into().ok())
    {
        headers.insert(LINK, link);
    }
    Ok(response)
}

async fn end<C: CustomClaims>(
    State(auth): State<Auth<C>>,
    session: Session<C>,
    path: Result<Path<EndPath>, PathRejection>,
) -> Result<StatusCode, Rejection> {
    session.check_auth(&auth)?;
    // A path that is not UTF-8 is not a handle either.
    session.end_named(&path.map(|Path(path)| path.handle).unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// By name: the routes may be nested below other parameters.
#[derive(Deserialize)]
struct EndPath {
    handle: String,
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
struct ListedSession<'a> {
    #[serde(flatten)]
    info: &'a SessionInfo,
    current: bool,
}
