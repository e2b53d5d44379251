//! Percent-encoding (RFC 3986 §2.1).

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// `text` as the value of a query parameter. Slashes stay, so that a path can be read.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(HEX[usize::from(nibble & 0xf)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    encoded
}

/// `text` with one layer of encoding removed; `None` if there is none. A `%` without two hexadecimal digits stays, as in browsers.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let (byte, after) = encoded_byte(rest).unwrap_or((*byte, after));
        decoded.push(byte);
        rest = after;
    }
    (decoded.len() < text.len()).then_some(decoded)
}

fn encoded_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, after @ ..] = text else { return None };
    Some((hex(*high)? << 4 | hex(*low)?, after))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}
