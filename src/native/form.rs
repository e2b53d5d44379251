//! The form of a token request (RFC 6749 §6).

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::TokenError;

/// The largest form that is read: many times what a token and a scope take.
pub(super) const LARGEST_FORM: usize = 4096;

/// What the form asks for.
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
        // One without a value counts as left out (RFC 6749 §3.2).
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

/// Every parameter, those that nobody knows too: none may be there twice (RFC 6749 §3.2), since which one counts is
/// anyone's guess.
fn parameters(form: &[u8]) -> Result<Parameters, TokenError> {
    let mut parameters = Parameters::new();
    for pair in form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(equals);
        let (Some(name), Some(value)) = (decode(name), decode(value.strip_prefix(b"=").unwrap_or_default()))
        else {
            return Err(TokenError::InvalidRequest {
                reason: "the form is not percent-encoded as it must be",
            });
        };
        if parameters.insert(name, Zeroizing::new(value)).is_some() {
            return Err(TokenError::InvalidRequest { reason: "a parameter is there twice" });
        }
    }
    Ok(parameters)
}

/// `application/x-www-form-urlencoded`, read strictly: what is no escape is an error, not itself.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // Of one size from the start: a growing vector would leave copies of a token behind.
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            byte => byte,
        });
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
