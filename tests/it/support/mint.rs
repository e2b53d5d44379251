//! Access tokens of any age, their claims, and invalid tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tower_refresh::{SessionHandle, Timestamp, store::SessionStore};

use super::{
    ManualClock, TestStore, World,
    browser::{REFRESH, generation},
    request,
};

/// The access token that a server would have issued at `at` for `refresh`, a refresh token of `session`.
///
/// That server has its own clock and its own copy of the session, so nothing changes in `world`.
pub async fn access_token(world: &World, session: SessionHandle, refresh: &str, at: Timestamp) -> String {
    let mut row = world.store.row(session).await.unwrap();
    row.generation = generation(refresh);
    row.rotated_at = at;
    row.idle_expiry = Timestamp::from_secs(at.as_secs() + 86_400);
    row.absolute_expiry = row.idle_expiry;
    row.ended = None;
    let store = TestStore::default();
    store.inner.create(&row).await.unwrap();
    let clock = ManualClock::new();
    clock.set(at);
    let server = World::on(clock, store, |builder| builder);
    let response = server.send(request("/refresh", &[("cookie", &format!("{REFRESH}={refresh}"))])).await;
    assert_eq!(response.status(), 200, "{response:?}");
    String::from_utf8(response.body().to_vec()).unwrap()
}

/// The claims of an access token, without verification.
pub fn claims(access: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The session of an access token.
pub fn session(access: &str) -> SessionHandle {
    claims(access)["sid"].as_str().unwrap().parse().unwrap()
}

/// The access token with an invalid signature.
pub fn forged_access(access: &str) -> String {
    let (message, signature) = access.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// The refresh token with the next generation, made without the key.
pub fn forged_refresh(refresh: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(refresh).unwrap();
    bytes[18..22].copy_from_slice(&(generation(refresh) + 1).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}
