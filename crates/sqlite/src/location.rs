//! Where the session file is: a path, or a URL as other libraries for SQLite take it.

use std::path::{Path, PathBuf};

use crate::error::{OpenError, OpenErrorKind};

/// A session file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) path: PathBuf,
    /// Whether the file is created if it does not exist.
    pub(crate) create: bool,
}

const IN_MEMORY: &str = ":memory:";

impl Location {
    /// Reads a path or a URL. A path that is not UTF-8 is no URL.
    pub(crate) fn of(given: &Path) -> Result<Self, OpenError> {
        let Some(text) = given.to_str() else { return Ok(Self::at(given)) };
        if let Some(rest) = strip_scheme(text, "sqlite:") {
            return from_url(rest.strip_prefix("//").unwrap_or(rest));
        }
        if let Some(rest) = strip_scheme(text, "file:") {
            return from_url(without_host(rest)?);
        }
        match text {
            "" => Err(invalid("it is empty")),
            IN_MEMORY => Err(OpenErrorKind::InMemory.into()),
            _ if is_url(text) => Err(invalid("a URL of this scheme is not the name of a SQLite file")),
            _ => Ok(Self::at(given)),
        }
    }

    fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), create: true }
    }
}

/// Schemes are case-insensitive (RFC 3986 §3.1).
fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '+')
    })
}

/// A `file:` URL may name this host only (RFC 8089 §2).
fn without_host(rest: &str) -> Result<&str, OpenError> {
    let Some(rest) = rest.strip_prefix("//") else { return Ok(rest) };
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if path.starts_with('/') {
        Ok(path)
    } else {
        Err(invalid("after `file://` an absolute path is expected"))
    }
}

fn from_url(rest: &str) -> Result<Location, OpenError> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = percent_decoded(path)?;
    match path.as_str() {
        "" => return Err(invalid("the URL has no path")),
        IN_MEMORY => return Err(OpenErrorKind::InMemory.into()),
        _ => {}
    }
    let mut location = Location::at(path);
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter {
            "mode=rwc" => location.create = true,
            "mode=rw" => location.create = false,
            "mode=memory" => return Err(OpenErrorKind::InMemory.into()),
            "mode=ro" => return Err(invalid("`mode=ro`: the store writes to its file")),
            // The default.
            "cache=private" => {}
            _ => return Err(invalid(format!("the parameter `{parameter}` is not supported"))),
        }
    }
    Ok(location)
}

fn percent_decoded(text: &str) -> Result<String, OpenError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'#' => return Err(invalid("in a URL, `#` is written as `%23`")),
            b'%' => match (rest.next().and_then(hexadecimal), rest.next().and_then(hexadecimal)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(invalid("in a URL, `%` is written as `%25`")),
            },
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|error| OpenError::with_source(OpenErrorKind::InvalidPath, error))
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
    OpenError::with_source(OpenErrorKind::InvalidPath, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_urls_name_a_file() {
        for (given, path, create, reason) in [
            ("sessions.db", "sessions.db", true, "a relative path"),
            ("/var/lib/app/sessions.db", "/var/lib/app/sessions.db", true, "an absolute path"),
            ("a?mode=ro#b%20c.db", "a?mode=ro#b%20c.db", true, "a path is taken as it is"),
            ("./sqlite:odd.db", "./sqlite:odd.db", true, "a file whose name looks like a URL"),
            ("sqlite", "sqlite", true, "no colon"),
            ("C:\\sessions.db", "C:\\sessions.db", true, "a drive is not a scheme"),
            ("sqlite:sessions.db", "sessions.db", true, "sqlx, relative"),
            ("sqlite://sessions.db", "sessions.db", true, "sqlx has no host in its URLs"),
            ("sqlite:/srv/sessions.db", "/srv/sessions.db", true, "absolute with one slash"),
            ("sqlite:///srv/sessions.db", "/srv/sessions.db", true, "absolute with three"),
            ("SQLite:sessions.db", "sessions.db", true, "schemes are case-insensitive"),
            ("sqlite:sessions.db?mode=rwc", "sessions.db", true, "sqlx: create it"),
            ("sqlite:sessions.db?mode=rw", "sessions.db", false, "sqlx: it must exist"),
            ("sqlite:sessions.db?cache=private&mode=rwc", "sessions.db", true, "the default cache"),
            ("sqlite:my%20sessions%23.db", "my sessions#.db", true, "sqlx decodes it"),
            ("sqlite:sessions.db?", "sessions.db", true, "an empty query"),
            ("file:sessions.db", "sessions.db", true, "SQLite's own URLs"),
            ("file:/srv/sessions.db", "/srv/sessions.db", true, "RFC 8089, without a host"),
            ("file:///srv/sessions.db?mode=rwc", "/srv/sessions.db", true, "RFC 8089, with an empty host"),
            ("file://localhost/srv/sessions.db", "/srv/sessions.db", true, "RFC 8089, with this host"),
        ] {
            let location = Location::of(Path::new(given)).unwrap_or_else(|error| panic!("{given}: {error}"));
            assert_eq!(location, Location { path: path.into(), create }, "{given}: {reason}");
        }
    }

    #[test]
    fn databases_in_memory_and_invalid_urls_are_rejected() {
        use OpenErrorKind::{InMemory, InvalidPath};
        for (given, kind, reason) in [
            (":memory:", InMemory, "SQLite"),
            ("sqlite::memory:", InMemory, "sqlx"),
            ("sqlite://:memory:", InMemory, "sqlx"),
            ("file::memory:", InMemory, "a URL of SQLite"),
            ("file::memory:?cache=shared", InMemory, "the usual way to share one"),
            ("sqlite:%3Amemory%3A", InMemory, "encoded"),
            ("sqlite:sessions?mode=memory", InMemory, "a named one"),
            ("file:sessions?mode=memory&cache=shared", InMemory, "a named one that is shared"),
            ("", InvalidPath, "SQLite would use a temporary file"),
            ("sqlite:", InvalidPath, "the same"),
            ("file:?mode=rwc", InvalidPath, "the same"),
            ("sqlite:sessions.db?mode=ro", InvalidPath, "the store writes"),
            ("sqlite:sessions.db?mode=RWC", InvalidPath, "values are case-sensitive"),
            ("sqlite:sessions.db?immutable=1", InvalidPath, "it is not"),
            ("sqlite:sessions.db?cache=shared", InvalidPath, "no connection of the store shares its cache"),
            ("sqlite:sessions.db?vfs=unix-none", InvalidPath, "a setting that would be ignored"),
            ("sqlite:sessions.db#main", InvalidPath, "a fragment"),
            ("sqlite:100%.db", InvalidPath, "not an escape"),
            ("sqlite:%f.db", InvalidPath, "half an escape"),
            ("sqlite:%ff.db", InvalidPath, "not UTF-8"),
            ("file://server/sessions.db", InvalidPath, "a file of another machine"),
            ("file://sessions.db", InvalidPath, "a host by mistake"),
            ("postgres://localhost/sessions", InvalidPath, "another database"),
            ("sqlite3:///sessions.db", InvalidPath, "another scheme"),
        ] {
            let error = Location::of(Path::new(given)).expect_err(given);
            assert_eq!(error.kind(), kind, "{given:?}: {reason}");
        }
    }
}
