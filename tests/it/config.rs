//! Invalid settings are errors of the builder. Mistakes that show only in a request are 500s that name the mistake.

use std::{convert::Infallible, error::Error, time::Duration};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_refresh::{
    Auth, AuthBuilder, Authenticated, ConfigError, KeyRing, MemoryStore, PolicyError, Rejection,
    RejectionKind, RotationPolicy, Session,
    keys::{Algorithm, KeyError, RefreshKey, SigningKey, VerifyingKey},
};

use crate::support::{Browser, Claims, Op, World, request, store::Fault};

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../keys/", $name, ".pem")).as_slice()
    };
}

const SECRET: [u8; 32] = [1; 32];

fn ring() -> KeyRing {
    KeyRing::hs256(SECRET).unwrap()
}

/// A complete builder.
fn complete(ring: KeyRing) -> AuthBuilder<()> {
    Auth::builder(ring)
        .issuer("https://api.example.com")
        .audience("example-web")
        .store(MemoryStore::new())
        .claims(|_, _| async { Ok::<_, Infallible>(None) })
}

/// A mistake, a builder that makes it, and its error.
type WrongSetting = (&'static str, fn(AuthBuilder<()>) -> AuthBuilder<()>, fn(&ConfigError) -> bool);
type WrongRing = (&'static str, fn() -> KeyRing, KeyError);

/// Names and values of headers.
type Headers<'a> = &'a [(&'a str, &'a str)];
/// The request; the status, the challenge and the error code of the response.
type Rejected<'a> = (&'a str, Headers<'a>, StatusCode, Option<String>, Option<&'a str>);

#[test]
fn each_invalid_setting_is_an_error_of_the_builder() {
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    assert!(complete(ring()).build().is_ok());

    let cases: &[WrongSetting] = &[
        ("an empty issuer", |b| b.issuer(""), |e| matches!(e, ConfigError::InvalidIssuer)),
        (
            "an issuer that breaks a header",
            |b| b.issuer("a\r\nb"),
            |e| matches!(e, ConfigError::InvalidIssuer),
        ),
        (
            "an issuer that is not ASCII",
            |b| b.issuer("https://bücher.example"),
            |e| matches!(e, ConfigError::InvalidIssuer),
        ),
        (
            "an issuer that does not fit into a header",
            |b| b.issuer("i".repeat(1025)),
            |e| matches!(e, ConfigError::InvalidIssuer),
        ),
        ("an empty audience", |b| b.audience(""), |e| matches!(e, ConfigError::InvalidAudience)),
        (
            "no transport",
            |b| b.access_header(false).access_cookie(false),
            |e| matches!(e, ConfigError::NoTransport),
        ),
        (
            "a header that HTTP itself uses",
            |b| b.access_header_name(HeaderName::from_static("set-cookie")),
            |e| matches!(e, ConfigError::InvalidAccessHeader { name, .. } if name == "set-cookie"),
        ),
        (
            "an origin with a path",
            |b| b.trusted_origin("https://app.example.com/"),
            |e| matches!(e, ConfigError::InvalidTrustedOrigin { origin, .. } if origin == "https://app.example.com/"),
        ),
        ("no origin", |b| b.trusted_origin("*"), |e| matches!(e, ConfigError::InvalidTrustedOrigin { .. })),
        (
            "the origin of a sandbox",
            |b| b.trusted_origin("null"),
            |e| matches!(e, ConfigError::InvalidTrustedOrigin { .. }),
        ),
        (
            "a second origin that is wrong",
            |b| b.trusted_origin("https://app.example.com").trusted_origin("app.example.com"),
            |e| matches!(e, ConfigError::InvalidTrustedOrigin { origin, .. } if origin == "app.example.com"),
        ),
        (
            "an empty cookie name",
            |b| b.cookie_names("", "r"),
            |e| matches!(e, ConfigError::InvalidCookieName),
        ),
        (
            "a cookie name with `;`",
            |b| b.cookie_names("a;b", "r"),
            |e| matches!(e, ConfigError::InvalidCookieName),
        ),
        (
            "a cookie name with `=`",
            |b| b.cookie_names("a", "r=1"),
            |e| matches!(e, ConfigError::InvalidCookieName),
        ),
        (
            "one name for both cookies",
            |b| b.cookie_names("a", "a"),
            |e| matches!(e, ConfigError::InvalidCookieName),
        ),
        (
            "a custom prefix",
            |b| b.cookie_names("__Host-a", "r"),
            |e| matches!(e, ConfigError::InvalidCookieName),
        ),
        ("an empty domain", |b| b.cookie_domain(""), |e| matches!(e, ConfigError::InvalidCookieDomain)),
        (
            "a domain with attributes after it",
            |b| b.cookie_domain("example.com; Path=/"),
            |e| matches!(e, ConfigError::InvalidCookieDomain),
        ),
        (
            "a login page of another host",
            |b| b.login_page("//evil.example"),
            |e| matches!(e, ConfigError::InvalidLoginPage(error) if error.path == "//evil.example"),
        ),
        (
            "a login page that has a next page already",
            |b| b.login_page("/login?next=/"),
            |e| matches!(e, ConfigError::InvalidLoginPage(_)),
        ),
        (
            "a store without any time",
            |b| b.backend_timeout(Duration::ZERO),
            |e| matches!(e, ConfigError::InvalidBackendTimeout),
        ),
        (
            "dead sessions purged while their tokens are valid",
            |b| b.dead_session_retention(Duration::from_secs(659)),
            |e| matches!(e, ConfigError::InvalidDeadSessionRetention),
        ),
        (
            "a policy that contradicts itself",
            |b| {
                let mut policy = RotationPolicy::balanced();
                policy.damping = policy.grace;
                b.policy(policy)
            },
            |e| matches!(e, ConfigError::InvalidPolicy(PolicyError::DampingTooShort)),
        ),
        (
            "times that overflow",
            |b| {
                let mut policy = RotationPolicy::balanced();
                policy.grace = Duration::MAX;
                policy.access_lifetime = Duration::MAX;
                b.policy(policy)
            },
            |e| matches!(e, ConfigError::InvalidPolicy(PolicyError::AccessLifetime)),
        ),
    ];
    for (what, change, expected) in cases {
        let error = change(complete(ring())).build().expect_err(what);
        assert!(expected(&error), "{what}: {error:?}");
        assert!(!error.to_string().is_empty(), "{what}: no message");
    }
    assert!(complete(ring()).dead_session_retention(days(1)).backend_timeout(Duration::MAX).build().is_ok());
}

#[test]
fn a_missing_part_is_named() {
    let cases: [(Result<Auth<()>, ConfigError>, &str); 4] = [
        (Auth::builder(ring()).build(), "issuer"),
        (Auth::builder(ring()).issuer("i").build(), "audience"),
        (Auth::builder(ring()).issuer("i").audience("a").build(), "store"),
        (Auth::builder(ring()).issuer("i").audience("a").store(MemoryStore::new()).build(), "claims source"),
    ];
    for (built, missing) in cases {
        let error = built.expect_err(missing).to_string();
        assert!(error.contains(missing), "{error}");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_rejected_when_it_is_read() {
    let cases: [(&str, Result<KeyRing, KeyError>, KeyError); 12] = [
        ("an HMAC secret of 31 bytes", KeyRing::hs256([1; 31]), KeyError::ShortSecret),
        (
            "an HS512 secret as long as a SHA-384",
            SigningKey::from_secret(Algorithm::Hs512, [1; 48]).map(KeyRing::new),
            KeyError::ShortSecret,
        ),
        (
            "an empty secret",
            SigningKey::from_secret(Algorithm::Hs384, "").map(KeyRing::new),
            KeyError::ShortSecret,
        ),
        ("not PEM", KeyRing::ed25519_pem("secret"), KeyError::InvalidPem),
        ("nothing", KeyRing::ed25519_pem(""), KeyError::InvalidPem),
        ("bytes that are not text", KeyRing::ed25519_pem([0xff; 64]), KeyError::InvalidPem),
        ("a public key", KeyRing::ed25519_pem(pem!("ed25519.pub")), KeyError::WrongKeyType),
        ("a key of another curve", KeyRing::es256_pem(pem!("es384")), KeyError::WrongKeyType),
        ("a key in the SEC1 form", KeyRing::es256_pem(pem!("es256.sec1")), KeyError::Sec1Key),
        ("an encrypted key", KeyRing::es256_pem(pem!("es256.encrypted")), KeyError::EncryptedKey),
        ("an RSA key of 1024 bits", KeyRing::rs256_pem(pem!("rsa1024")), KeyError::ShortRsaKey),
        (
            "a compressed point",
            VerifyingKey::from_pem(Algorithm::Es256, pem!("es256.compressed.pub"))
                .map(|key| ring().accept(key)),
            KeyError::CompressedPoint,
        ),
    ];
    for (what, read, expected) in cases {
        assert_eq!(read.expect_err(what), expected, "{what}");
    }
}

#[test]
fn conflicting_keys_are_rejected_by_the_builder_and_by_a_rotation() {
    let cases: [WrongRing; 4] = [
        (
            "an empty key id",
            || KeyRing::new(SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap().with_kid("")),
            KeyError::InvalidKeyId,
        ),
        (
            "an overlong key id",
            || {
                ring().accept(
                    VerifyingKey::from_secret(Algorithm::Hs256, [2; 32]).unwrap().with_kid("k".repeat(257)),
                )
            },
            KeyError::InvalidKeyId,
        ),
        (
            "two keys with one id",
            || {
                KeyRing::new(SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap().with_kid("k"))
                    .accept(VerifyingKey::from_secret(Algorithm::Hs256, [2; 32]).unwrap().with_kid("k"))
            },
            KeyError::DuplicateKeyId,
        ),
        (
            "two refresh keys with one id",
            || {
                ring()
                    .refresh_key(RefreshKey::from_bytes([3; 32]).with_id(7))
                    .accept_refresh_key(RefreshKey::from_bytes([4; 32]).with_id(7))
            },
            KeyError::DuplicateRefreshKeyId,
        ),
    ];
    let auth = complete(ring()).build().unwrap();
    for (what, ring, expected) in cases {
        let error = complete(ring()).build().expect_err(what);
        assert!(matches!(error, ConfigError::InvalidKey(key) if key == expected), "{what}: {error:?}");
        let source = error.source().and_then(|source| source.downcast_ref::<KeyError>());
        assert_eq!(source, Some(&expected), "{what}");
        assert!(!error.to_string().contains(&expected.to_string()), "{what}: the message repeats its source");
        assert_eq!(auth.rotate_keys(ring()), Err(expected), "{what}");
    }
}

/// Sends `request` through the layer to a handler that responds with `answer`.
async fn answer(
    world: &World,
    request: Request<()>,
    answer: fn(&http::Extensions) -> Result<(), Rejection>,
) -> Response<Bytes> {
    let handler = move |request: Request<()>| async move {
        let (request, ()) = request.into_parts();
        match answer(&request.extensions) {
            Ok(()) => Response::new(Bytes::new()),
            Err(rejection) => rejection.to_response(&request),
        }
    };
    world.send_to(handler, request).await
}

fn user(extensions: &http::Extensions) -> Result<(), Rejection> {
    Authenticated::<Claims>::required(extensions).map(drop)
}

fn problem(response: &Response<Bytes>) -> Value {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn a_forgotten_layer_is_a_500_that_names_it() {
    let world = World::new();
    let nothing = Request::new(()).into_parts().0;
    let guarded = world
        .auth
        .require_auth()
        .layer(service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) }));
    for response in [
        user(&nothing.extensions).unwrap_err().to_response(&nothing),
        Session::<Claims>::from_extensions(&nothing.extensions).unwrap_err().to_response(&nothing),
        guarded.oneshot(request("/", &[])).await.unwrap(),
    ] {
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let detail = "this route is not behind the authentication layer";
        assert_eq!(problem(&response)["detail"], detail);
        assert!(reason(&response).contains("tower_refresh::RefreshLayer"));
    }
}

/// The reason of a rejection for the application, from its extension.
fn reason(response: &Response<Bytes>) -> String {
    response.extensions().get::<Rejection>().unwrap().to_string()
}

#[tokio::test]
async fn other_claims_than_the_layers_are_a_500_that_names_both_to_the_application_alone() {
    #[derive(Serialize, Deserialize)]
    struct Stranger {}

    let world = World::new();
    for asked in [
        |extensions: &http::Extensions| Authenticated::<Stranger>::required(extensions).map(drop),
        |extensions: &http::Extensions| Authenticated::<Stranger>::from_extensions(extensions).map(drop),
        |extensions: &http::Extensions| Session::<Stranger>::from_extensions(extensions).map(drop),
    ] {
        let response = answer(&world, request("/", &[]), asked).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let detail = problem(&response)["detail"].as_str().unwrap().to_owned();
        assert_eq!(detail, "this route requests other claims than the authentication layer provides");
        let reason = reason(&response);
        assert!(reason.contains("Stranger") && reason.contains("support::users::Claims"), "{reason}");
    }
}

#[tokio::test]
async fn rejections_are_problem_documents_with_the_right_challenge() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let bearer = format!("Bearer {}", browser.access().unwrap());
    let cookies = browser.cookie_header();
    world.clock.advance(Duration::from_secs(600));
    let realm = r#"Bearer realm="https://api.example.com""#;
    let invalid = |why: &str| format!(r#"{realm}, error="invalid_token", error_description="{why}""#);

    let cases: [Rejected<'_>; 5] = [
        ("anonymous", &[], StatusCode::UNAUTHORIZED, Some(realm.to_owned()), None),
        (
            "a forged token",
            &[("authorization", "Bearer a.b.c")],
            StatusCode::UNAUTHORIZED,
            Some(invalid("the access token is invalid")),
            Some("invalid_token"),
        ),
        (
            "an expired token",
            &[("authorization", &bearer)],
            StatusCode::UNAUTHORIZED,
            Some(invalid("the access token has expired")),
            Some("invalid_token"),
        ),
        (
            "two headers",
            &[("authorization", &bearer), ("authorization", &bearer)],
            StatusCode::BAD_REQUEST,
            Some(format!(
                r#"{realm}, error="invalid_request", error_description="more than one Authorization header""#
            )),
            Some("invalid_request"),
        ),
        (
            "another site",
            &[("cookie", &cookies), ("sec-fetch-site", "cross-site")],
            StatusCode::FORBIDDEN,
            None,
            None,
        ),
    ];
    for (what, headers, status, challenge, error) in cases {
        let response = answer(&world, request("/", headers), user).await;
        assert_eq!(response.status(), status, "{what}");
        let header =
            response.headers().get("www-authenticate").map(|header| header.to_str().unwrap().to_owned());
        assert_eq!(header, challenge, "{what}");
        let problem = problem(&response);
        assert_eq!(problem["type"], "about:blank", "{what}");
        assert_eq!(problem["title"], status.canonical_reason().unwrap(), "{what}");
        assert_eq!(problem["status"], status.as_u16(), "{what}");
        assert_eq!(problem.get("error"), error.map(|error| json!(error)).as_ref(), "{what}");
        assert!(problem["detail"].is_string(), "{what}");
        assert!(response.extensions().get::<Rejection>().is_some(), "{what}: not in the extensions");
    }
}

#[tokio::test]
async fn a_missing_scope_is_named_in_the_challenge() {
    let world = World::new();
    let browser = Browser::logged_in(&world, "alice").await;
    let guard = world.auth.require_scope("admin");
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let service = world.auth.layer().layer(guard.layer(handler));

    let response = service.oneshot(browser.request("/")).await.unwrap();

    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.ends_with(r#"scope="admin""#), "{challenge}");
}

#[tokio::test]
async fn an_outage_sets_retry_after_and_no_challenge() {
    let world = World::new();
    let mut browser = Browser::logged_in(&world, "alice").await;
    browser.drop_access();
    world.store.break_op(Op::Load, Fault::Fails);

    let response = answer(&world, browser.request("/"), user).await;

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!response.headers().contains_key("www-authenticate"));
    assert_eq!(problem(&response)["status"], 503);
}

#[tokio::test]
async fn a_quote_in_the_issuer_does_not_end_the_realm() {
    let world = World::with(|builder| builder.issuer(r#"a "quoted\" issuer"#));
    let response = answer(&world, request("/", &[]), user).await;
    assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="a \"quoted\\\" issuer""#);
}

#[tokio::test]
async fn a_closure_replaces_every_rejection_and_the_reason_stays_in_the_extensions() {
    let world = World::with(|builder| {
        builder.on_rejection(|rejection, request| {
            let body = format!("<h1>{} {}: {rejection}</h1>", request.method, request.uri);
            let mut response = Response::new(Bytes::from(body));
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert("location", "/login".parse().unwrap());
            response
        })
    });
    let handler = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    let guarded = world.auth.layer().layer(world.auth.require_auth().layer(handler));

    for response in [
        answer(&world, request("/a?b", &[]), user).await,
        guarded.oneshot(request("/a?b", &[])).await.unwrap(),
    ] {
        assert_eq!(
            (response.status(), response.body().as_ref()),
            (StatusCode::SEE_OTHER, b"<h1>GET /a?b: authentication required</h1>".as_slice())
        );
        assert_eq!(response.headers()["location"], "/login");
        assert!(!response.headers().contains_key("content-type"));
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), &RejectionKind::Unauthenticated);
    }
}
