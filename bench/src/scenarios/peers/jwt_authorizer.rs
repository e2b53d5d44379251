//! jwt-authorizer: a layer around the router, because its extractor is for another version of axum.

use std::hint::black_box;

use axum::{Extension, Router, response::Response, routing::get};
use jwt_authorizer::{
    AuthError, Authorizer, IntoLayer, JwtAuthorizer, Validation, layer::AuthorizationLayer,
};
use tower::{Layer, util::MapResponse};

use crate::{
    algorithm::{Algorithm, ED25519_PUBLIC, ES256_PUBLIC, RSA_PUBLIC, SECRET},
    jwt::Claims,
    ours::{AUDIENCE, ISSUER, Ours},
    requests::{Batches, requests, with_bearer},
};

pub(super) fn request(algorithm: Algorithm) -> Batches {
    let world = Ours::new(algorithm);
    let token = world.login().access;
    let authorizer = world.runtime.block_on(authorizer(algorithm));
    let layer: AuthorizationLayer<Claims> = authorizer.into_layer();
    let router = Router::new().route("/me", get(me)).with_state(());
    let inner = MapResponse::new(router, Answer as fn(Response) -> Answer);
    let guarded = MapResponse::new(layer.layer(inner), |answer: Answer| answer.0);
    requests(world.runtime.clone(), guarded, move || with_bearer(&token))
}

async fn authorizer(algorithm: Algorithm) -> Authorizer<Claims> {
    let text = |pem: &[u8]| String::from_utf8(pem.to_vec()).unwrap();
    let builder = match algorithm {
        Algorithm::Hs256 => JwtAuthorizer::from_secret(SECRET),
        Algorithm::EdDsa => JwtAuthorizer::from_ed_pem_text(&text(ED25519_PUBLIC)),
        Algorithm::Es256 => JwtAuthorizer::from_ec_pem_text(&text(ES256_PUBLIC)),
        Algorithm::Rs256 => JwtAuthorizer::from_rsa_pem_text(&text(RSA_PUBLIC)),
    };
    builder.validation(Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE])).build().await.unwrap()
}

async fn me(Extension(token): Extension<jsonwebtoken_9::TokenData<Claims>>) -> &'static str {
    black_box(&token.claims.name);
    "hello"
}

/// The layer converts its errors to responses of axum 0.7; no request here causes an error.
struct Answer(Response);

impl From<AuthError> for Answer {
    fn from(_error: AuthError) -> Self {
        Self(Response::default())
    }
}
