//! Room in a request's extensions.

use http::Extensions;

/// Extensions without an entry, whose clones have room for seven.
///
/// Around a router of axum the layer's extension is the first one, and the map that it would make has room for three. The
/// router adds three of its own, and the map of each request would grow: that costs an allocation, and all are put into
/// their places again.
pub(crate) struct Room(Extensions);

impl Room {
    pub(crate) fn new() -> Self {
        #[derive(Clone)]
        struct Entry<const N: u8>;
        let mut extensions = Extensions::new();
        extensions.insert(Entry::<0>);
        extensions.insert(Entry::<1>);
        extensions.insert(Entry::<2>);
        extensions.insert(Entry::<3>);
        extensions.clear();
        Self(extensions)
    }

    /// Makes room where nobody has inserted anything yet.
    #[inline]
    pub(crate) fn make(&self, extensions: &mut Extensions) {
        if extensions.is_empty() {
            *extensions = self.0.clone();
        }
    }
}
