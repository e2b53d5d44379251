//! The device to which a session is bound.

use std::fmt;

/// What binds a session to a device: bytes that the middleware writes and that a store keeps as they are.
///
/// There is room for a public key, whether the device has proved that it has the private one, and a counter. Stores and
/// the rotation protocol do not read it, so a later version of the middleware may add to it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionBinding(Vec<u8>);

impl SessionBinding {
    /// A binding with these bytes.
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
}

/// Shows the length only: the bytes identify a device.
impl fmt::Debug for SessionBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionBinding({} bytes)", self.0.len())
    }
}
