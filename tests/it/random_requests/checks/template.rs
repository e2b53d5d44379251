//! Headers of arbitrary bytes, with real tokens among them.

use http::{HeaderMap, HeaderValue, header::HeaderName};

/// Bytes that a header cannot contain stand for tokens, so that a fuzzer finds tokens without having to guess them.
const PLACES: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
/// This one ends a header, so that there can be several.
const END: u8 = 0;

/// The headers that `data` describes, with one of `tokens` in each place.
pub fn headers(data: &[u8], tokens: &[&str]) -> Vec<Vec<u8>> {
    data.split(|byte| *byte == END).map(|header| fill(header, tokens)).collect()
}

/// `text`, with one of `tokens` in each place.
pub fn fill(text: &[u8], tokens: &[&str]) -> Vec<u8> {
    let mut filled = Vec::new();
    for byte in text {
        match PLACES.iter().position(|place| place == byte).and_then(|place| tokens.get(place)) {
            Some(token) => filled.extend(token.as_bytes()),
            None => filled.push(*byte),
        }
    }
    filled
}

/// Adds the headers; `None` if one of them is not a valid header value.
pub fn add(headers: &mut HeaderMap, name: &HeaderName, values: &[Vec<u8>]) -> Option<()> {
    for value in values {
        headers.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(())
}
