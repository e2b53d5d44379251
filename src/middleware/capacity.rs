//! The capacity of a request's extensions.

use std::sync::LazyLock;

use http::Extensions;

/// Reserves room for seven entries, if there is none yet.
///
/// Around a router of axum the layer's extension is the first one, and the map for it would have room for three. The router
/// adds three of its own, so the map would grow in every request: that costs an allocation, and moves every entry.
#[inline]
pub(super) fn reserve(extensions: &mut Extensions) {
    if extensions.is_empty() {
        *extensions = ROOMY.clone();
    }
}

/// A map without entries keeps its capacity when it is cloned.
static ROOMY: LazyLock<Extensions> = LazyLock::new(|| {
    #[derive(Clone)]
    struct Entry<const N: u8>;
    let mut extensions = Extensions::new();
    extensions.insert(Entry::<0>);
    extensions.insert(Entry::<1>);
    extensions.insert(Entry::<2>);
    extensions.insert(Entry::<3>);
    extensions.clear();
    extensions
});
