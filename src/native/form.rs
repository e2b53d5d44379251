//! The form of a token request (RFC 6749 §6).

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{TokenError, urlencoded::pairs};

/// The largest form that is accepted, in bytes: many times the size of a token and a scope.
pub(super) const LARGEST_FORM: usize = 4096;

/// The parameters of the form.
pub(super) struct TokenRequest {
    pub(super) refresh_token: Zeroizing<Vec<u8>>,
    pub(super) scope: Option<String>,
}

impl TokenRequest {
    pub(super) fn read(form: &[u8]) -> Result<Self, TokenError> {
        if form.len() > LARGEST_FORM {
            return Err(TokenError::InvalidRequest { reason: "the form is too large" });
        }
        let mut parameters = parameters(form)?;
        // A parameter without a value counts as omitted (RFC 6749 §3.2).
        let mut take = |name: &[u8]| parameters.remove(name).filter(|value| !value.is_empty());
        match take(b"grant_type") {
            None => return Err(TokenError::InvalidRequest { reason: "grant_type is missing" }),
            Some(grant_type) if *grant_type != b"refresh_token" => {
                return Err(TokenError::UnsupportedGrantType);
            }
            Some(_) => {}
        }
        let refresh_token = take(b"refresh_token");
        let refresh_token =
            refresh_token.ok_or(TokenError::InvalidRequest { reason: "refresh_token is missing" })?;
        let scope = take(b"scope").map(|scope| String::from_utf8(scope.to_vec()));
        let scope = scope.transpose().map_err(|_| TokenError::InvalidScope)?;
        Ok(Self { refresh_token, scope })
    }
}

type Parameters = BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>;

/// All parameters, unknown ones too: none may occur twice (RFC 6749 §3.2), since parsers disagree on which one counts.
fn parameters(form: &[u8]) -> Result<Parameters, TokenError> {
    let mut parameters = Parameters::new();
    for pair in pairs(form) {
        let (name, value) =
            pair.ok_or(TokenError::InvalidRequest { reason: "the form is not correctly percent-encoded" })?;
        if parameters.insert(name, Zeroizing::new(value)).is_some() {
            return Err(TokenError::InvalidRequest { reason: "a parameter occurs twice" });
        }
    }
    Ok(parameters)
}
