//! The document, and what every route has in common in it.

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
    paths(crate::routes::login, crate::routes::me, crate::routes::admin, refresh, logout),
    modifiers(&Schemes)
)]
pub(crate) struct Document;

/// Either is enough. A header, where there is one, is the only access token.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "`access_token` of the login's answer; `x-access-token` of an answer brings a newer one",
            ))
            .build();
        let cookie =
            ApiKeyValue::with_description("__Host-access", "set by the login, and renewed by any answer");
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    }
}

/// The answer of a login and a refresh (RFC 6749 §5.1).
#[derive(ToSchema)]
#[allow(dead_code, reason = "its form is described, and tower-refresh writes it")]
pub(crate) struct Tokens {
    access_token: String,
    /// `Bearer`
    token_type: String,
    /// In seconds.
    expires_in: u64,
}

/// Why a request was refused (RFC 9457).
#[derive(ToSchema)]
#[allow(dead_code, reason = "as for the tokens")]
pub(crate) struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// The error code of RFC 6750 §3.1, where there is one.
    error: Option<String>,
}

/// What a route that needs a user may answer, besides its own.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "as for the tokens")]
pub(crate) enum NeedsLogin {
    /// Nobody is logged in, or the bearer token does not hold.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(#[to_schema] Problem),
    /// The user lacks a scope, or the cookies came with a request from another site.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// Who it is cannot be checked at the moment.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(#[to_schema] Problem),
}

/// Take a new access token now, by the refresh cookie.
#[utoipa::path(
    post,
    tag = "account",
    path = "/auth/refresh",
    responses((status = 200, description = "Refreshed: both cookies are set", body = Tokens), NeedsLogin)
)]
#[allow(dead_code, reason = "a route of tower-refresh, described here")]
fn refresh() {}

/// Log out. That nobody is logged in is no error.
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
            description = "Not logged out, since the session cannot be ended at the moment",
            body = Problem,
            content_type = "application/problem+json",
        ),
    )
)]
#[allow(dead_code, reason = "as for the refresh")]
fn logout() {}
