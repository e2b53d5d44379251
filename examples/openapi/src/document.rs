//! The document, and the schemas that all routes share.

use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        self,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(title = "An API with logins", version = "1"),
    paths(crate::routes::login, crate::routes::me, crate::routes::admin, sessions, refresh, logout),
    modifiers(&Schemes)
)]
pub(crate) struct Document;

/// Either scheme is sufficient. If the request has an `Authorization` header, the cookie is ignored.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "`access_token` from the login response; a response with `x-access-token` replaces it",
            ))
            .build();
        let cookie = ApiKeyValue::with_description(
            "__Host-access",
            "set at login, and replaced by any response that refreshes it",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The response of a login and a refresh (RFC 6749 §5.1).
#[derive(ToSchema)]
#[allow(dead_code, reason = "only its schema is used; tower-refresh writes the response")]
pub(crate) struct Tokens {
    access_token: String,
    /// `Bearer`
    token_type: String,
    /// In seconds.
    expires_in: u64,
}

/// Why a request was rejected (RFC 9457).
#[derive(ToSchema)]
#[allow(dead_code, reason = "as for `Tokens`")]
pub(crate) struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// The error code (RFC 6750 §3.1), where one applies.
    error: Option<String>,
}

/// The error responses of a route that needs a user.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "as for `Tokens`")]
pub(crate) enum NeedsLogin {
    /// The request is anonymous, or the bearer token is invalid or expired.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// The user lacks a scope, or the cookies came with a request from another site.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The session cannot be checked at the moment.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// A session of the user.
#[derive(ToSchema)]
#[allow(dead_code, reason = "as for `Tokens`")]
pub(crate) struct ListedSession {
    handle: String,
    /// RFC 3339
    created_at: String,
    /// RFC 3339, in whole hours
    last_used_at: String,
    user_agent: Option<String>,
    ip: Option<String>,
    /// Whether the device to which it is bound has given a proof.
    device_bound: bool,
    label: Option<String>,
    /// Whether it is the session of this request.
    current: bool,
}

/// The sessions of the user, newest login first: at most 100.
#[utoipa::path(
    get,
    tag = "account",
    path = "/auth/sessions",
    params(("after" = Option<String>, Query, description = "The handle of the session after which the page begins")),
    responses(
        (
            status = 200,
            description = "A page of the list",
            body = Vec<ListedSession>,
            headers(("link" = String, description = "The next page, if there is one: `<?after=…>; rel=\"next\"` (RFC 8288)")),
        ),
        (
            status = 400,
            description = "`after` is not a handle",
            body = Problem,
            content_type = "application/problem+json",
        ),
        (
            status = 404,
            description = "The user has no session `after`",
            body = Problem,
            content_type = "application/problem+json",
        ),
        NeedsLogin,
    ),
    security(("cookie" = []), ("bearer" = [])),
)]
#[allow(dead_code, reason = "as for `refresh`")]
fn sessions() {}

/// Get a new access token now, with the refresh cookie.
#[utoipa::path(
    post,
    tag = "account",
    path = "/auth/refresh",
    responses((status = 200, description = "Refreshed: both cookies are set", body = Tokens), NeedsLogin)
)]
#[allow(dead_code, reason = "a route of tower-refresh, described here")]
fn refresh() {}

/// Log out. Without a login this does nothing and succeeds.
#[utoipa::path(
    post,
    tag = "account",
    path = "/auth/logout",
    responses(
        (status = 204, description = "Logged out: both cookies are removed"),
        (
            status = 403,
            description = "The request came from another site",
            body = Problem,
            content_type = "application/problem+json",
        ),
        (
            status = 503,
            description = "Not logged out: the session cannot be ended at the moment",
            body = Problem,
            content_type = "application/problem+json",
        ),
    )
)]
#[allow(dead_code, reason = "as for `refresh`")]
fn logout() {}
