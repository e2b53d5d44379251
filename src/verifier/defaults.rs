//! A test that the guide's table of a [`Verifier`](super::super::Verifier)'s defaults agrees with the code.

use std::{collections::BTreeMap, time::Duration};

use super::{ASYMMETRIC, LIFETIME_BESIDE_FEED, VerifierBuilder};
use crate::{
    Verifier,
    access_token::Profile,
    clock::Clock,
    guide_tables::{REQUIRED, on, optional, table, time},
    verifier::key_options::KeyOptions,
    verifier_inner::VerifierSettings,
};

#[test]
fn the_guide_has_every_setting_of_the_verifier_with_its_default() {
    // No field may be omitted here, so a new setting does not compile before it is in the guide.
    let VerifierBuilder::<()> { settings, keys, store, custom_rejection, listener, clock, claims: _ } =
        Verifier::builder();
    let VerifierSettings {
        issuer,
        audiences,
        profile,
        access_lifetime,
        access_cookie,
        trusted_origins,
        client_ip,
        token_cache_capacity,
    } = settings;
    let Profile { is_own, other_types, type_optional, without_session_id, scope_claims, leeway } = profile;
    let KeyOptions { fetch, fixed, algorithms, fetch_timeout, refresh_every, stale_for } = keys;
    assert_eq!((issuer.as_str(), audiences.len(), is_own), ("", 0, false));
    assert!(fetch.is_none() && fixed.is_none() && algorithms.is_none());
    assert!(ASYMMETRIC.iter().all(|algorithm| !algorithm.is_hmac()));
    assert_eq!(LIFETIME_BESIDE_FEED, Duration::from_secs(3600));
    let system = crate::SystemClock.now();
    let is_system = clock.now().saturating_since(system) < Duration::from_secs(3600);

    let code = BTreeMap::from([
        ("issuer", REQUIRED.to_owned()),
        ("audience", REQUIRED.to_owned()),
        ("jwks", REQUIRED.to_owned()),
        ("algorithms", "all but HMAC".to_owned()),
        ("refresh_every", time(refresh_every)),
        ("stale_for", time(stale_for)),
        ("fetch_timeout", time(fetch_timeout)),
        ("accept_typ", optional(other_types.first())),
        ("accept_missing_typ", on(type_optional)),
        ("scope_claims", optional(scope_claims.first())),
        ("without_session_id", on(without_session_id)),
        ("leeway", format!("{} s", leeway.as_secs())),
        ("access_lifetime", optional(access_lifetime)),
        ("ended_sessions", optional(store)),
        ("access_cookie", optional(access_cookie)),
        ("trusted_origin", optional(trusted_origins.first())),
        ("client_ip", optional(client_ip)),
        ("token_cache_capacity", token_cache_capacity.to_string()),
        ("on_rejection", optional(custom_rejection)),
        ("on_event", optional(listener)),
        ("clock", if is_system { "the system's" } else { "another" }.to_owned()),
    ]);
    assert_eq!(table("The verifier"), code);
}
