//! Device-bound sessions: their settings, and what a request is worth with and without a proof of the device.

mod headers;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod outdated;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod proven;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod reissued;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod required;
mod settings;
#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod tokens;
mod unproven;

use tower_refresh::{DeviceBinding, SessionHandle};
use tower_refresh_core::SessionBinding;

use crate::support::{Browser, World, mint, probe::alter_row};

const UNCONFIRMED: u8 = 0;
const CONFIRMED: u8 = 1;

fn world(binding: DeviceBinding) -> World {
    World::with(|builder| builder.device_binding(binding))
}

/// Binds the session, as a registration does, and a proof if it is confirmed.
async fn bind(world: &World, session: SessionHandle, flags: u8) {
    let bytes = [&[1, flags, 0, 0, 0, 3], b"a key".as_slice()].concat();
    alter_row(world, session, |row| row.binding = Some(SessionBinding::from_bytes(bytes))).await;
}

/// A browser with a session that is bound to its device.
async fn bound_browser(world: &World, flags: u8) -> (Browser, SessionHandle) {
    let browser = Browser::logged_in(world, "alice").await;
    let session = mint::session(browser.access().unwrap());
    bind(world, session, flags).await;
    world.take_events();
    world.store.take_calls();
    (browser, session)
}
