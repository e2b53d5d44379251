//! The same access tokens, decoded with jsonwebtoken only.

use std::{hint::black_box, sync::Arc};

use axum::{
    Router,
    extract::FromRequestParts,
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    routing::get,
};
use jsonwebtoken::{DecodingKey, Validation};
use serde::Deserialize;

use crate::{
    algorithm::Algorithm,
    ours::{AUDIENCE, ISSUER},
};

/// The claims that an application reads.
#[derive(Clone, Debug, Deserialize)]
#[allow(clippy::exhaustive_structs, reason = "no crate depends on a benchmark")]
#[allow(missing_docs, reason = "RFC 9068")]
pub struct Claims {
    pub sub: String,
    pub exp: u64,
    pub sid: String,
    pub scope: String,
    pub name: String,
}

/// A key and the requirements for a token.
#[derive(Clone)]
pub struct Decoder(Arc<(DecodingKey, Validation)>);

impl Decoder {
    /// Requires the same as the layer, as far as jsonwebtoken can.
    pub fn new(algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm.jsonwebtoken());
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self(Arc::new((algorithm.decoding_key(), validation)))
    }

    /// The claims of `token`, if it is valid.
    pub fn decode(&self, token: &str) -> Option<Claims> {
        Some(jsonwebtoken::decode(token, &self.0.0, &self.0.1).ok()?.claims)
    }

    /// A route with an extractor that decodes the token.
    pub fn router(self) -> Router {
        Router::new().route("/me", get(me)).with_state(self)
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

struct Decoded(Claims);

impl FromRequestParts<Decoder> for Decoded {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, decoder: &Decoder) -> Result<Self, StatusCode> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        decoder.decode(token).map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

async fn me(Decoded(claims): Decoded) -> &'static str {
    black_box(&claims.name);
    "hello"
}
