//! Requests that no browser sends for a page of ours, or whose headers name something else.

use http::StatusCode;
use tower_refresh::event::DeviceRefusal::{InvalidProof, NoSession, NotSameOrigin};

use super::{
    Row,
    scene::{Scene, Seal},
    set, set_all,
};
use crate::support::{
    browser::{ACCESS, REFRESH},
    device::BoundBrowser,
    mint::{forged_access, forged_refresh},
};

const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
const BAD_REQUEST: StatusCode = StatusCode::BAD_REQUEST;

pub(super) const REGISTRATIONS: &[Row] = &[
    ("cross-site", |r, _| set(r, "sec-fetch-site", "cross-site"), FORBIDDEN, Some(NotSameOrigin)),
    ("a sibling host", |r, _| set(r, "sec-fetch-site", "same-site"), FORBIDDEN, Some(NotSameOrigin)),
    ("an address that was typed", |r, _| set(r, "sec-fetch-site", "none"), FORBIDDEN, Some(NotSameOrigin)),
    ("another case", |r, _| set(r, "sec-fetch-site", "Same-Origin"), FORBIDDEN, Some(NotSameOrigin)),
    ("a parameter", |r, _| set(r, "sec-fetch-site", "same-origin;a"), FORBIDDEN, Some(NotSameOrigin)),
    ("an empty site", |r, _| set(r, "sec-fetch-site", ""), FORBIDDEN, Some(NotSameOrigin)),
    ("no site", |r, _| set_all(r, "sec-fetch-site", &[]), FORBIDDEN, Some(NotSameOrigin)),
    (
        "two sites",
        |r, _| set_all(r, "sec-fetch-site", &[b"same-origin".to_vec(), b"same-origin".to_vec()]),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    ("fetch", |r, _| set(r, "sec-fetch-mode", "cors"), FORBIDDEN, Some(NotSameOrigin)),
    (
        "fetch of its own origin",
        |r, _| set(r, "sec-fetch-mode", "same-origin"),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    ("a form", |r, _| set(r, "sec-fetch-mode", "navigate"), FORBIDDEN, Some(NotSameOrigin)),
    ("a WebSocket", |r, _| set(r, "sec-fetch-mode", "websocket"), FORBIDDEN, Some(NotSameOrigin)),
    ("no mode", |r, _| set_all(r, "sec-fetch-mode", &[]), FORBIDDEN, Some(NotSameOrigin)),
    (
        "two modes",
        |r, _| set_all(r, "sec-fetch-mode", &[b"no-cors".to_vec(), b"cors".to_vec()]),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    ("no origin", |r, _| set_all(r, "origin", &[]), FORBIDDEN, Some(NotSameOrigin)),
    ("an opaque origin", |r, _| set(r, "origin", "null"), FORBIDDEN, Some(NotSameOrigin)),
    ("an empty origin", |r, _| set(r, "origin", ""), FORBIDDEN, Some(NotSameOrigin)),
    ("an origin of 8-bit", |r, _| set(r, "origin", b"https://\xe9.example"), FORBIDDEN, Some(NotSameOrigin)),
    (
        "an origin with a path",
        |r, _| set(r, "origin", "https://api.example.com/"),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    (
        "an origin with a user",
        |r, _| set(r, "origin", "https://a@api.example.com"),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    ("an origin with a quote", |r, _| set(r, "origin", "https://a\",\"b"), FORBIDDEN, Some(NotSameOrigin)),
    (
        "an origin with its port",
        |r, _| set(r, "origin", "https://api.example.com:443"),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    (
        "an origin in capitals",
        |r, _| set(r, "origin", "HTTPS://API.EXAMPLE.COM"),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    ("an origin without a host", |r, _| set(r, "origin", "https://"), FORBIDDEN, Some(NotSameOrigin)),
    ("a host", |r, _| set(r, "origin", "api.example.com"), FORBIDDEN, Some(NotSameOrigin)),
    (
        "two origins",
        |r, _| set_all(r, "origin", &[b"https://api.example.com".to_vec(), b"https://a.example".to_vec()]),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    (
        "a bearer token beside",
        |r, s| bearer(r, s.bound.browser.access().unwrap()),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    (
        "a bearer token of another session",
        |r, s| bearer(r, s.other.browser.access().unwrap()),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    (
        "an invalid bearer token",
        |r, s| bearer(r, &forged_access(s.bound.browser.access().unwrap())),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    (
        "a bearer token alone",
        |r, s| {
            bearer(r, s.bound.browser.access().unwrap());
            set_all(r, "cookie", &[]);
        },
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    (
        "two Authorization headers",
        |r, s| set_all(r, "authorization", &[bearer_of(&s.bound), bearer_of(&s.bound)]),
        FORBIDDEN,
        Some(NotSameOrigin),
    ),
    ("no cookie", |r, _| set_all(r, "cookie", &[]), FORBIDDEN, Some(NoSession)),
    (
        "the cookies of another session",
        |r, s| set(r, "cookie", s.other.browser.cookie_header()),
        FORBIDDEN,
        Some(NoSession),
    ),
    (
        "a forged access token",
        |r, s| set(r, "cookie", format!("{ACCESS}={}", forged_access(s.bound.browser.access().unwrap()))),
        FORBIDDEN,
        Some(NoSession),
    ),
    (
        "a forged refresh token",
        |r, s| set(r, "cookie", format!("{REFRESH}={}", forged_refresh(s.bound.browser.refresh().unwrap()))),
        FORBIDDEN,
        Some(NoSession),
    ),
    (
        "access tokens of two sessions",
        |r, s| set(r, "cookie", two(ACCESS, s.bound.browser.access(), s.other.browser.access())),
        FORBIDDEN,
        Some(NoSession),
    ),
    (
        "refresh tokens of two sessions",
        |r, s| set(r, "cookie", two(REFRESH, s.bound.browser.refresh(), s.other.browser.refresh())),
        FORBIDDEN,
        Some(NoSession),
    ),
    (
        "the tokens under each other's name",
        |r, s| {
            let (access, refresh) = (s.bound.browser.access().unwrap(), s.bound.browser.refresh().unwrap());
            set(r, "cookie", format!("{ACCESS}={refresh}; {REFRESH}={access}"));
        },
        FORBIDDEN,
        Some(NoSession),
    ),
    ("no proof", |r, _| set_all(r, "secure-session-response", &[]), BAD_REQUEST, Some(InvalidProof)),
    (
        "the proof in another header",
        |r, _| {
            let proof = r.headers_mut().remove("secure-session-response").unwrap();
            set(r, "sec-session-response", proof.as_bytes());
        },
        BAD_REQUEST,
        Some(InvalidProof),
    ),
];

pub(super) const REFRESHES: &[Row] = &[
    ("no identifier", |r, _| set_all(r, ID, &[]), BAD_REQUEST, None),
    ("an empty identifier", |r, _| set(r, ID, ""), BAD_REQUEST, None),
    ("an empty string", |r, _| set(r, ID, "\"\""), BAD_REQUEST, None),
    ("half a string", |r, s| set(r, ID, format!("\"{}", id(s))), BAD_REQUEST, None),
    ("an escape", |r, s| set(r, ID, format!("\"\\{}\"", id(s))), BAD_REQUEST, None),
    ("joined by a comma", |r, s| set(r, ID, format!("{}, {}", id(s), id(s))), BAD_REQUEST, None),
    ("8-bit", |r, s| set(r, ID, [id(s).as_bytes(), b"\xff"].concat()), BAD_REQUEST, None),
    ("padded", |r, s| set(r, ID, format!("{}=", id(s))), BAD_REQUEST, None),
    ("the handle alone", |r, s| set(r, ID, s.session.to_string()), BAD_REQUEST, None),
    ("a huge one", |r, _| set(r, ID, "A".repeat(60_000)), BAD_REQUEST, None),
    ("a token", |r, s| set(r, ID, s.bound.browser.refresh().unwrap()), BAD_REQUEST, None),
    ("two identifiers", |r, s| set_all(r, ID, &[id(s).into(), id(s).into()]), BAD_REQUEST, None),
    ("another site", |r, _| set(r, "sec-fetch-site", "cross-site"), BAD_REQUEST, None),
    ("a sibling host", |r, _| set(r, "sec-fetch-site", "same-site"), BAD_REQUEST, None),
    (
        "another origin, without a site",
        |r, _| {
            set_all(r, "sec-fetch-site", &[]);
            set(r, "origin", "https://evil.example");
        },
        BAD_REQUEST,
        None,
    ),
    (
        "an opaque origin, without a site",
        |r, _| {
            set_all(r, "sec-fetch-site", &[]);
            set(r, "origin", "null");
        },
        BAD_REQUEST,
        None,
    ),
    ("an origin of 8-bit", |r, _| set(r, "origin", b"https://\xe9.example"), BAD_REQUEST, None),
    (
        "neither an origin nor a host",
        |r, _| {
            set_all(r, "origin", &[]);
            set_all(r, "host", &[]);
        },
        BAD_REQUEST,
        None,
    ),
    (
        "the session of the other device",
        |r, s| set(r, ID, s.other.identifier.as_ref().unwrap()),
        FORBIDDEN,
        None,
    ),
    (
        "that and its cookies",
        |r, s| {
            set(r, ID, s.other.identifier.as_ref().unwrap());
            set(r, "cookie", s.other.browser.cookie_header());
        },
        FORBIDDEN,
        None,
    ),
    ("no proof", |r, _| set_all(r, "secure-session-response", &[]), FORBIDDEN, None),
    (
        "a forged identifier, without a cookie",
        |r, s| {
            set(r, ID, Seal { key: [8; 32], ..Seal::IDENTIFIER }.text(s.session.as_bytes()));
            set_all(r, "cookie", &[]);
        },
        StatusCode::OK,
        None,
    ),
    (
        "that with the cookies of another session",
        |r, s| {
            set(r, ID, Seal { key: [8; 32], ..Seal::IDENTIFIER }.text(s.session.as_bytes()));
            set(r, "cookie", s.other.browser.cookie_header());
        },
        StatusCode::OK,
        None,
    ),
    (
        "a challenge as the identifier, without a cookie",
        |r, s| {
            set(r, ID, Seal::REFRESH.text(s.session.as_bytes()));
            set_all(r, "cookie", &[]);
        },
        StatusCode::OK,
        None,
    ),
    (
        "a session that is not stored",
        |r, _| set(r, ID, Seal::IDENTIFIER.text(&[7; 16])),
        StatusCode::UNAUTHORIZED,
        None,
    ),
];

const ID: &str = "sec-secure-session-id";

fn id(scene: &Scene) -> &str {
    scene.bound.identifier.as_deref().unwrap()
}

fn bearer(request: &mut http::Request<()>, access: &str) {
    set(request, "authorization", format!("Bearer {access}"));
}

fn bearer_of(bound: &BoundBrowser) -> Vec<u8> {
    format!("Bearer {}", bound.browser.access().unwrap()).into_bytes()
}

fn two(name: &str, first: Option<&str>, second: Option<&str>) -> String {
    format!("{name}={}; {name}={}", first.unwrap(), second.unwrap())
}
