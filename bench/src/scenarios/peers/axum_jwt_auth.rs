//! axum-jwt-auth: an extractor.

use std::{hint::black_box, sync::Arc};

use axum::{Router, extract::FromRef, routing::get};
use axum_jwt_auth::{Claims as Extracted, Decoder, LocalDecoder};
use jsonwebtoken_10::{Algorithm as Name, DecodingKey, Validation};

use crate::{
    algorithm::{Algorithm, ED25519_PUBLIC, ES256_PUBLIC, RSA_PUBLIC, SECRET},
    jwt::Claims,
    ours::{AUDIENCE, ISSUER, Ours},
    requests::{Batches, requests, with_bearer},
};

#[derive(Clone)]
struct State(Decoder<Claims>);

impl FromRef<State> for Decoder<Claims> {
    fn from_ref(state: &State) -> Self {
        state.0.clone()
    }
}

pub(super) fn request(algorithm: Algorithm) -> Batches {
    let (name, key) = match algorithm {
        Algorithm::Hs256 => (Name::HS256, DecodingKey::from_secret(SECRET.as_bytes())),
        Algorithm::EdDsa => (Name::EdDSA, DecodingKey::from_ed_pem(ED25519_PUBLIC).unwrap()),
        Algorithm::Es256 => (Name::ES256, DecodingKey::from_ec_pem(ES256_PUBLIC).unwrap()),
        Algorithm::Rs256 => (Name::RS256, DecodingKey::from_rsa_pem(RSA_PUBLIC).unwrap()),
    };
    let mut validation = Validation::new(name);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    let decoder = LocalDecoder::builder().keys(vec![key]).validation(validation).build().unwrap();
    let router = Router::new().route("/me", get(me)).with_state(State(Arc::new(decoder)));

    let world = Ours::new(algorithm);
    let token = world.login().access;
    requests(world.runtime.clone(), router, move || with_bearer(&token))
}

async fn me(user: Extracted<Claims>) -> &'static str {
    black_box(&user.claims.name);
    "hello"
}
