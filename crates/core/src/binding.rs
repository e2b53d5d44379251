//! The device to which a session is bound.

use std::fmt;

/// The only format of today.
const FORMAT: u8 = 1;
const CONFIRMED: u8 = 1;
const HEAD: usize = 6;

/// The device to which a session is bound: its public key, whether the device has proved since that it has the private one, and
/// how many proofs it has given.
///
/// A store keeps the bytes as they are. They are a format (1 byte), flags (1), the counter (4, big-endian) and the key, which only
/// the middleware reads.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionBinding(Vec<u8>);

impl SessionBinding {
    /// A binding to `key` that is not confirmed, with the counter 0.
    pub fn new(key: &[u8]) -> Self {
        Self::with(0, 0, key)
    }

    /// The stored binding with these bytes.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as an owned vector.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Whether the device has proved after the registration that it has the key. Only then does the session require proofs: a
    /// browser that lost the response to its registration has no binding. A binding of an unknown format counts as confirmed.
    pub fn is_confirmed(&self) -> bool {
        self.read().is_none_or(|(flags, _, _)| flags & CONFIRMED != 0)
    }

    /// How many proofs were accepted. A challenge is valid for one value of the counter. `None` for an unknown format.
    pub fn counter(&self) -> Option<u32> {
        self.read().map(|(_, counter, _)| counter)
    }

    /// The key, in the form that the middleware gave it. `None` for an unknown format.
    pub fn key(&self) -> Option<&[u8]> {
        self.read().map(|(_, _, key)| key)
    }

    /// This binding after a proof for the value `counter`. `None` if the counter has another value, or for an unknown format.
    pub(crate) fn proven(&self, counter: u32) -> Option<Self> {
        let (flags, current, key) = self.read()?;
        (current == counter).then(|| Self::with(flags | CONFIRMED, current.wrapping_add(1), key))
    }

    fn with(flags: u8, counter: u32, key: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + key.len());
        bytes.extend([FORMAT, flags]);
        bytes.extend(counter.to_be_bytes());
        bytes.extend(key);
        Self(bytes)
    }

    fn read(&self) -> Option<(u8, u32, &[u8])> {
        match self.0.split_first_chunk() {
            Some(([FORMAT, flags, a, b, c, d], key)) => {
                Some((*flags, u32::from_be_bytes([*a, *b, *c, *d]), key))
            }
            _ => None,
        }
    }
}

/// Shows no key: it identifies a device.
impl fmt::Debug for SessionBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBinding")
            .field("confirmed", &self.is_confirmed())
            .field("counter", &self.counter())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_confirms_a_binding_and_uses_up_its_challenge() {
        let new = SessionBinding::new(b"key");
        assert_eq!((new.is_confirmed(), new.counter(), new.key()), (false, Some(0), Some(&b"key"[..])));
        let proven = new.proven(0).unwrap();
        assert_eq!(
            (proven.is_confirmed(), proven.counter(), proven.key()),
            (true, Some(1), Some(&b"key"[..]))
        );
        assert_eq!(proven.proven(0), None);
        assert_eq!(proven.proven(2), None);
        assert_eq!(SessionBinding::from_bytes(proven.as_bytes()), proven);
    }

    #[test]
    fn a_binding_of_an_unknown_format_requires_proofs_that_cannot_be_given() {
        for bytes in [&b""[..], b"\x01", b"\x01\0\0\0\0", b"\x02\0\0\0\0\0key", b"another key"] {
            let binding = SessionBinding::from_bytes(bytes);
            assert!(binding.is_confirmed(), "{bytes:?}");
            assert_eq!(
                (binding.counter(), binding.key(), binding.proven(0)),
                (None, None, None),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn the_debug_output_shows_no_key() {
        let shown = format!("{:?}", SessionBinding::new(b"secret"));
        assert_eq!(shown, "SessionBinding { confirmed: false, counter: Some(0), .. }");
    }
}
