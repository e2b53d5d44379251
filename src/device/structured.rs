//! Structured header values (RFC 9651), as far as the headers of device-bound sessions use them.

/// The content of a value that is one string. The draft requires a quoted string, whose parameters are ignored; Chromium sends the
/// string bare, without quotes and without parameters.
///
/// No string that is expected here contains an escape, so one with an escape is rejected. So are two values that a proxy has joined
/// with a comma.
pub(super) fn string(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    if value.first() != Some(&b'"') {
        let is_bare = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\,;".contains(byte);
        return Some(value).filter(|value| !value.is_empty() && value.iter().all(is_bare));
    }
    let mut scanner = Scanner { rest: value };
    let content = scanner.quoted()?;
    scanner.skip_parameters()?;
    (scanner.rest.is_empty() && !content.is_empty() && !content.contains(&b'\\')).then_some(content)
}

/// The tokens of a value that is a list of tokens. Their parameters are ignored.
pub(super) fn tokens(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut scanner = Scanner { rest: value.trim_ascii() };
    let mut tokens = Vec::new();
    loop {
        if !scanner.rest.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'*') {
            return None;
        }
        tokens.push(scanner.take_while(is_of_token));
        scanner.skip_parameters()?;
        scanner.take_while(|byte| byte == b' ' || byte == b'\t');
        if scanner.rest.is_empty() {
            return Some(tokens);
        }
        scanner.skip(b',')?;
        scanner.take_while(|byte| byte == b' ' || byte == b'\t');
    }
}

/// `text` as a quoted string. `None` if it has characters that no string can have.
pub(super) fn quote(text: &str) -> Option<String> {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            ' '..='~' => quoted.push(char),
            _ => return None,
        }
    }
    quoted.push('"');
    Some(quoted)
}

/// The part of a value that has not been read yet.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    /// The content of a quoted string, with its escapes.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        self.skip(b'"')?;
        let mut bytes = self.rest.iter().enumerate();
        loop {
            match bytes.next()? {
                (end, b'"') => {
                    let (content, rest) = self.rest.split_at_checked(end)?;
                    self.rest = rest;
                    self.skip(b'"')?;
                    return Some(content);
                }
                (_, b'\\') => {
                    bytes.next().filter(|(_, escaped)| b"\"\\".contains(escaped))?;
                }
                (_, b' '..=b'~') => {}
                _ => return None,
            }
        }
    }

    /// Skips `;key` and `;key=value`. A value that is not a string is any characters that those of RFC 9651 have: it is ignored, so
    /// its type does not matter.
    fn skip_parameters(&mut self) -> Option<()> {
        while self.skip(b';').is_some() {
            self.take_while(|byte| byte == b' ');
            if !self.rest.first().is_some_and(|first| first.is_ascii_lowercase() || *first == b'*') {
                return None;
            }
            self.take_while(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
            });
            if self.skip(b'=').is_none() {
                continue;
            }
            match self.rest {
                [b'"', ..] => self.quoted().map(drop)?,
                [b'%', b'"', ..] => {
                    self.skip(b'%')?;
                    self.quoted()?;
                }
                _ => {
                    let value = self.take_while(|byte| is_of_token(byte) || b"@?=".contains(&byte));
                    (!value.is_empty()).then_some(())?;
                }
            }
        }
        Some(())
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    fn take_while(&mut self, matches: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !matches(*byte)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
        self.rest = rest;
        taken
    }
}

/// The characters of a token after its first one.
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
}
