//! `application/x-www-form-urlencoded`: the body of a token request, and query strings.

/// The names and values of `text`, decoded. `None` stands for a pair with an invalid escape, which is not literal text.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = Option<(Vec<u8>, Vec<u8>)>> {
    text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (name, value) = pair.split_at(equals);
        Some((decode(name)?, decode(value.strip_prefix(b"=").unwrap_or_default())?))
    })
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    // Allocated once: a growing vector would leave copies of a token in memory.
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
