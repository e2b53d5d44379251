//! The settings that device-bound sessions need.

use std::{convert::Infallible, time::Duration};

use tower_refresh::{Auth, AuthBuilder, ConfigError, DeviceBinding, KeyRing, MemoryStore, RotationPolicy};

type Configure = fn(AuthBuilder<()>) -> AuthBuilder<()>;
type SetPath = fn(AuthBuilder<()>, &str) -> AuthBuilder<()>;
/// The reason, the setting, and whether this is its error.
type WrongSetting = (&'static str, Configure, fn(&ConfigError) -> bool);

fn build(configure: Configure) -> Result<Auth<()>, ConfigError> {
    let builder = Auth::builder(KeyRing::hs256([1; 32]).unwrap())
        .issuer("https://api.example.com")
        .audience("example-web")
        .store(MemoryStore::new())
        .claims(|_, _| async { Ok::<_, Infallible>(None) });
    configure(builder).build()
}

fn on(builder: AuthBuilder<()>) -> AuthBuilder<()> {
    builder.device_binding(DeviceBinding::Enforce)
}

fn living(builder: AuthBuilder<()>, secs: u64) -> AuthBuilder<()> {
    let mut policy = RotationPolicy::balanced();
    policy.access_lifetime = Duration::from_secs(secs);
    builder.policy(policy)
}

#[test]
fn the_settings_that_a_browser_needs_are_checked() {
    let cases: [WrongSetting; 10] = [
        (
            "the browser watches the access cookie",
            |b| on(b).access_cookie(false),
            |e| matches!(e, ConfigError::DeviceBindingWithoutAccessCookie),
        ),
        (
            "it binds `Secure` cookies only",
            |b| on(b).insecure_http_cookies(),
            |e| matches!(e, ConfigError::DeviceBindingWithInsecureCookies),
        ),
        (
            "a sibling host could replace the cookie",
            |b| on(b).cookie_domain("example.com"),
            |e| matches!(e, ConfigError::DeviceBindingWithCookieDomain),
        ),
        (
            "it would refresh at each request",
            |b| living(on(b), 299),
            |e| matches!(e, ConfigError::AccessLifetimeTooShortForDeviceBinding),
        ),
        (
            "the order of the calls does not matter",
            |b| on(living(b, 60)),
            |e| matches!(e, ConfigError::AccessLifetimeTooShortForDeviceBinding),
        ),
        (
            "routes without binding change nothing",
            |b| b.device_routes("/api/auth/device"),
            |e| matches!(e, ConfigError::DevicePathsWithoutDeviceBinding),
        ),
        (
            "excluded paths without binding change nothing",
            |b| b.device_excluded_paths(["/assets"]),
            |e| matches!(e, ConfigError::DevicePathsWithoutDeviceBinding),
        ),
        (
            "an empty list too",
            |b| b.device_excluded_paths(Vec::<String>::new()),
            |e| matches!(e, ConfigError::DevicePathsWithoutDeviceBinding),
        ),
        (
            "a path after valid ones",
            |b| on(b).device_excluded_paths(["/assets", "assets"]),
            |e| matches!(e, ConfigError::InvalidDevicePath { path, .. } if path == "assets"),
        ),
        (
            "routes with a slash at the end: the path would have two",
            |b| on(b).device_routes("/auth/device/"),
            |e| matches!(e, ConfigError::InvalidDevicePath { path, .. } if path == "/auth/device/"),
        ),
    ];
    for (reason, configure, is_expected) in cases {
        let error = build(configure).unwrap_err();
        assert!(is_expected(&error), "{reason}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
    let valid: [Configure; 6] = [
        on,
        |b| b.device_binding(DeviceBinding::Observe),
        |b| living(on(b), 300),
        |b| b.policy(RotationPolicy::strict()),
        |b| {
            on(b)
                .device_routes("/api/v1/auth-device_2")
                .device_excluded_paths(["/assets", "/static/", "/a%20b"])
        },
        |b| on(b).device_excluded_paths(["assets"]).device_excluded_paths(["/assets"]),
    ];
    for (number, configure) in valid.into_iter().enumerate() {
        assert!(build(configure).is_ok(), "{number}");
    }
}

#[test]
fn a_path_of_the_browser_is_absolute_and_plain() {
    let invalid = [
        ("", "empty"),
        ("/", "everything"),
        ("auth/device", "relative"),
        ("//evil.example/device", "another host"),
        ("/auth//device", "an empty segment"),
        ("/auth/../device", "a dot segment, which the browser resolves"),
        ("/auth/%2E%2e/device", "the same, encoded"),
        ("/./device", "the same, of one dot"),
        ("/auth/\"device", "the end of a quoted string"),
        ("/auth\\device", "a slash to browsers"),
        ("/auth/device?a=1", "a query"),
        ("/auth/device#a", "a fragment"),
        ("/auth/de vice", "a space"),
        ("/auth/device\r\nset-cookie: a=1", "another header"),
        ("/auth/gerät", "not ASCII: it is percent-encoded in a URL"),
        ("https://api.example.com/auth/device", "a URL"),
        ("/auth/device/*", "a wildcard, which browsers take literally"),
    ];
    for (path, reason) in invalid {
        let builds: [SetPath; 2] =
            [|b, path| b.device_routes(path), |b, path| b.device_excluded_paths([path])];
        for set in builds {
            let builder = Auth::builder(KeyRing::hs256([1; 32]).unwrap())
                .issuer("https://api.example.com")
                .audience("example-web")
                .store(MemoryStore::new())
                .claims(|_, _| async { Ok::<_, Infallible>(None) });
            let error = set(on(builder), path).build().unwrap_err();
            let is_expected = matches!(&error, ConfigError::InvalidDevicePath { path: of, .. } if of == path);
            assert!(is_expected, "{reason}: {error:?}");
            assert!(!error.to_string().contains(['\r', '\n']), "{reason}");
        }
    }
}
