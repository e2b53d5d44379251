//! The public identifier of a session.

use std::{error::Error, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Identifies a session without revealing its session id: in the store, in the `sid` claim of access tokens, in logs and
/// in lists.
///
/// It is the SHA-256 hash of the session id, truncated to 16 bytes. Knowing it does not help to forge a refresh token.
/// Its text form is unpadded base64url, 22 characters. With the feature `serde` it is serialised as that text, and is a path or
/// query parameter of axum.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle([u8; 16]);

impl SessionHandle {
    /// The length of the text form, in characters.
    pub const TEXT_LEN: usize = 22;

    /// A handle from its 16 bytes: the truncated hash of a session id.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, as stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; Self::TEXT_LEN];
        let len = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
        f.pad(str::from_utf8(&text[..len]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionHandle({self})")
    }
}

impl FromStr for SessionHandle {
    type Err = ParseSessionHandleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 16];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(16) => Ok(Self(bytes)),
            _ => Err(ParseSessionHandleError(())),
        }
    }
}

#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl serde_core::Serialize for SessionHandle {
    fn serialize<S: serde_core::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl<'de> serde_core::Deserialize<'de> for SessionHandle {
    fn deserialize<D: serde_core::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl serde_core::de::Visitor<'_> for Text {
            type Value = SessionHandle;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&ParseSessionHandleError(()), f)
            }

            fn visit_str<E: serde_core::de::Error>(self, text: &str) -> Result<SessionHandle, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// The text is not a [`SessionHandle`], which is 22 characters of canonical, unpadded base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseSessionHandleError(());

impl fmt::Display for ParseSessionHandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session handle is 22 characters of unpadded base64url")
    }
}

impl Error for ParseSessionHandleError {}
