//! Tests that the guide's tables of an [`Auth`]'s defaults agree with the code.

use std::{collections::BTreeMap, time::Duration};

use tower_refresh_core::{LateBudget, RotationPolicy};

use super::{AuthBuilder, DeviceOptions};
use crate::{
    Auth, KeyRing,
    clock::Clock,
    guide_tables::{REQUIRED, on, optional, table, time},
    settings::{AccessTransports, DeviceSettings, FeedLossPolicy, Settings},
};

#[test]
fn the_guide_has_every_setting_of_the_builder_with_its_default() {
    // No field may be omitted here, so a new setting does not compile before it is in the guide.
    let AuthBuilder::<()> {
        keys: _,
        store,
        claims,
        assess,
        settings,
        device: DeviceOptions { binding, routes, excluded_paths },
        custom_rejection,
        login_page,
        listener,
        clock,
    } = Auth::builder(KeyRing::ephemeral().unwrap());
    let Settings {
        issuer,
        audience,
        policy,
        transports: AccessTransports { header: access_header, cookie: access_cookie },
        access_token_in_body,
        cookies,
        trusted_origins,
        client_ip,
        is_browser,
        backend_timeout,
        dead_session_retention,
        feed_loss_policy,
        token_cache_capacity,
        max_sessions,
        device,
    } = settings;
    assert_eq!((device, routes, &excluded_paths), (None, None, &None));
    let [access_name, refresh_name] = &cookies.base_names;
    assert_eq!(
        (issuer.as_str(), audience.as_str(), store.is_some(), claims.is_some()),
        ("", "", false, false)
    );
    assert_eq!(policy, RotationPolicy::balanced());
    let feed_loss_policy = match feed_loss_policy {
        FeedLossPolicy::GoOn => "GoOn",
        FeedLossPolicy::AskStore => "AskStore",
    };
    let system = crate::SystemClock.now();
    let is_system = clock.now().saturating_since(system) < Duration::from_secs(3600);

    let code = BTreeMap::from([
        ("builder(keys)", REQUIRED.to_owned()),
        ("issuer", REQUIRED.to_owned()),
        ("audience", REQUIRED.to_owned()),
        ("store", REQUIRED.to_owned()),
        ("claims", REQUIRED.to_owned()),
        ("assess", optional(assess)),
        ("policy", "balanced()".to_owned()),
        ("access_header", on(access_header.is_some())),
        ("access_header_name", access_header.unwrap().to_string()),
        ("access_cookie", on(access_cookie)),
        ("access_token_in_body", on(access_token_in_body)),
        ("cookie_names", format!("{access_name}, {refresh_name}")),
        ("insecure_http_cookies", on(!cookies.secure)),
        ("cookie_domain", optional(cookies.domain)),
        ("trusted_origin", optional(trusted_origins.first())),
        ("client_ip", optional(client_ip)),
        ("insecure_is_browser", optional(is_browser)),
        ("backend_timeout", time(backend_timeout)),
        ("dead_session_retention", time(dead_session_retention)),
        ("feed_loss_policy", feed_loss_policy.to_owned()),
        ("token_cache_capacity", token_cache_capacity.to_string()),
        ("max_sessions", optional(max_sessions)),
        ("device_binding", optional(binding)),
        ("device_routes", DeviceSettings::DEFAULT_ROUTES.to_owned()),
        ("device_excluded_paths", optional(excluded_paths)),
        ("on_rejection", optional(custom_rejection)),
        ("login_page", optional(login_page)),
        ("on_event", optional(listener)),
        ("clock", if is_system { "the system's" } else { "another" }.to_owned()),
    ]);
    assert_eq!(table("The builder"), code);
}

#[test]
fn the_guide_has_every_field_of_the_policy_with_its_default() {
    let policy = RotationPolicy::balanced();
    let LateBudget::Limited { burst, refill, .. } = policy.late else { panic!("{:?}", policy.late) };
    let code = BTreeMap::from([
        ("grace", time(policy.grace)),
        ("damping", time(policy.damping)),
        ("late", format!("{burst}, one back per {}", time(refill))),
        ("end_when_spent", policy.end_when_spent.to_string()),
        ("access_lifetime", time(policy.access_lifetime)),
        ("refresh_ahead", policy.refresh_ahead.to_string()),
        ("idle", time(policy.idle)),
        ("absolute", time(policy.absolute)),
    ]);
    assert_eq!(table("The policy"), code);

    // `RotationPolicy` may grow fields that cannot be named here.
    let shown = format!("{policy:#?}");
    let fields = shown
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| !line.starts_with([' ', '}']));
    let names: Vec<_> = fields.filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    assert_eq!(names.len(), code.len());
    assert!(names.iter().all(|name| code.contains_key(name)), "{names:?}");
}
