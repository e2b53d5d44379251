//! The cost of other crates for the same task: a route that needs a user, and requests with valid credentials.

mod axum_jwt_auth;
mod axum_login;
mod jwt_authorizer;
mod tower_sessions;

use super::Scenario;
use crate::algorithm::Algorithm::{EdDsa, Es256, Hs256, Rs256};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("jwt-authorizer.hs256", || jwt_authorizer::request(Hs256)),
    Scenario::new("jwt-authorizer.eddsa", || jwt_authorizer::request(EdDsa)),
    Scenario::new("jwt-authorizer.es256", || jwt_authorizer::request(Es256)),
    Scenario::new("jwt-authorizer.rs256", || jwt_authorizer::request(Rs256)),
    Scenario::new("axum-jwt-auth.hs256", || axum_jwt_auth::request(Hs256)),
    Scenario::new("axum-jwt-auth.eddsa", || axum_jwt_auth::request(EdDsa)),
    Scenario::new("axum-jwt-auth.es256", || axum_jwt_auth::request(Es256)),
    Scenario::new("axum-jwt-auth.rs256", || axum_jwt_auth::request(Rs256)),
    Scenario::new("tower-sessions", tower_sessions::request),
    Scenario::new("axum-login", axum_login::request),
];

/// The name and value of the cookie that a response sets, as a browser sends them back.
fn cookie(headers: &axum::http::HeaderMap) -> String {
    let header = headers["set-cookie"].to_str().unwrap();
    header.split(';').next().unwrap().to_owned()
}
