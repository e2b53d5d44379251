//! Logouts that start at the provider.

use std::time::Duration;

use axum::http::StatusCode;
use openidconnect::core::{CoreHmacKey, CoreJwsSigningAlgorithm};
use serde_json::{Value, json};
use tower_refresh::{Clock, SessionHandle, Subject, testing::Client};

use super::{
    op::{CLIENT, SECRET, sign, unsigned},
    world::{World, account, location},
};
use crate::logins::{Ends, Login, Logins, Logout};

/// Makes a logout token from valid claims.
type Change = fn(&World, Value) -> String;

fn with(world: &World, mut claims: Value, name: &str, value: Value) -> String {
    claims[name] = value;
    world.one.logout_token(&claims)
}

fn without(world: &World, mut claims: Value, name: &str) -> String {
    claims.as_object_mut().unwrap().remove(name);
    world.one.logout_token(&claims)
}

fn with_header(world: &World, claims: &Value, name: &str, value: Value) -> String {
    let mut header = world.one.header();
    header[name] = value;
    world.one.sign_as(&header, claims)
}

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

const INVALID: &[(&str, Change)] = &[
    ("another issuer", |world, claims| with(world, claims, "iss", json!(world.two.issuer))),
    ("no issuer", |world, claims| without(world, claims, "iss")),
    ("signed by the other provider", |world, claims| world.two.logout_token(&claims)),
    ("the other provider's token", |world, _| {
        world.two.logout_token(&world.two.logout_claims(world.now(), "1"))
    }),
    ("another audience", |world, claims| with(world, claims, "aud", json!("other"))),
    ("audiences of others", |world, claims| with(world, claims, "aud", json!(["other", "another"]))),
    ("no audience", |world, claims| without(world, claims, "aud")),
    ("expired", |world, claims| with(world, claims, "exp", json!(world.now().as_secs()))),
    ("no expiry", |world, claims| without(world, claims, "exp")),
    ("a negative expiry", |world, claims| with(world, claims, "exp", json!(-1))),
    ("no iat", |world, claims| without(world, claims, "iat")),
    ("issued in the future", |world, claims| with(world, claims, "iat", json!(world.now().as_secs() + 61))),
    ("issued long ago, with a long expiry", |world, claims| {
        with(world, claims, "iat", json!(world.now().as_secs() - 600))
    }),
    ("no jti", |world, claims| without(world, claims, "jti")),
    ("an empty jti", |world, claims| with(world, claims, "jti", json!(""))),
    ("no events: an access token", |world, claims| without(world, claims, "events")),
    ("another event", |world, claims| {
        with(world, claims, "events", json!({ "http://schemas.openid.net/event/other": {} }))
    }),
    ("an event that is no object", |world, claims| with(world, claims, "events", json!({ EVENT: true }))),
    ("events in a list", |world, claims| with(world, claims, "events", json!([EVENT]))),
    ("a nonce: an ID token", |world, claims| with(world, claims, "nonce", json!("n"))),
    ("a nonce that is null", |world, claims| with(world, claims, "nonce", Value::Null)),
    ("neither sub nor sid", |world, claims| without(world, claims, "sub")),
    ("an empty sub", |world, claims| with(world, claims, "sub", json!(""))),
    ("a sub that is a number", |world, claims| with(world, claims, "sub", json!(1))),
    ("an empty sid", |world, claims| with(world, claims, "sid", json!(""))),
    ("a type of other tokens", |world, claims| with_header(world, &claims, "typ", json!("at+jwt"))),
    ("the type JWT, which ID tokens have", |world, claims| with_header(world, &claims, "typ", json!("JWT"))),
    ("a critical extension", |world, claims| with_header(world, &claims, "crit", json!(["exp"]))),
    ("a critical extension that is null", |world, claims| with_header(world, &claims, "crit", Value::Null)),
    ("an unknown key identifier", |world, claims| with_header(world, &claims, "kid", json!("other"))),
    ("another algorithm in the header", |world, claims| with_header(world, &claims, "alg", json!("ES256"))),
    ("an unknown algorithm", |world, claims| with_header(world, &claims, "alg", json!("XX"))),
    ("alg none", |_, claims| format!("{}.", unsigned(&json!({ "alg": "none" }), &claims))),
    ("no signature", |world, claims| format!("{}.", unsigned(&world.one.header(), &claims))),
    ("signed with the client secret", |_, claims| {
        let key = CoreHmacKey::new(SECRET.as_bytes().to_vec());
        sign(&json!({ "alg": "HS256" }), &claims, &key, &CoreJwsSigningAlgorithm::HmacSha256)
    }),
    ("signed with the public key as a secret", |world, claims| {
        let header = json!({ "alg": "HS256", "kid": world.one.header()["kid"] });
        sign(
            &header,
            &claims,
            &CoreHmacKey::new(world.one.public_key()),
            &CoreJwsSigningAlgorithm::HmacSha256,
        )
    }),
    ("claims that were changed", |world, claims| {
        let mut other = claims.clone();
        other["sub"] = json!("bob");
        let token = world.one.sign(&other);
        format!("{}.{}", unsigned(&world.one.header(), &claims), token.rsplit_once('.').unwrap().1)
    }),
    ("a claim twice", |world, claims| {
        let text = claims.to_string().replacen('{', "{\"sub\":\"bob\",", 1);
        let raw: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(raw["sub"], "alice");
        world.one.sign_text(&text)
    }),
    ("four parts", |world, claims| format!("{}.x", world.one.logout_token(&claims))),
    ("two parts", |world, claims| unsigned(&world.one.header(), &claims)),
    ("not a token", |_, _| "logout".to_owned()),
    ("nothing", |_, _| String::new()),
];

#[tokio::test]
async fn an_invalid_logout_token_ends_nothing() {
    let world = World::new().await;
    let mut browser = world.logged_in("one", |_| {}).await;
    for (reason, change) in INVALID {
        let claims = world.one.logout_claims(world.now(), "1");
        let response = world.backchannel("one", &change(&world, claims)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{reason}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{reason}");
        let error: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(error["error"], "invalid_request", "{reason}");
        assert!(account(&mut browser).await.is_some(), "{reason}");
    }
    let claims = world.one.logout_claims(world.now(), "1");
    let response = world.backchannel("one", &world.one.logout_token(&claims)).await;
    assert_eq!(
        (response.status(), response.headers()["cache-control"].as_bytes()),
        (StatusCode::OK, b"no-store".as_slice())
    );
    assert!(account(&mut browser).await.is_none(), "unchanged, it does");
}

#[tokio::test]
async fn requests_that_are_no_logout_get_400_and_are_not_cached() {
    let world = World::new().await;
    let token = world.one.logout_token(&world.one.logout_claims(world.now(), "1"));
    let mut server = world.browser();
    for (path, fields, reason) in [
        ("/backchannel-logout/three", vec![("logout_token", token.as_str())], "no such provider"),
        ("/backchannel-logout/one", vec![], "no token"),
        (
            "/backchannel-logout/one",
            vec![("logout_token", token.as_str()), ("logout_token", "b")],
            "two tokens",
        ),
        ("/backchannel-logout/one", vec![("logout_token", &"a".repeat(20_000))], "more than any token"),
    ] {
        let response = server.post_form(path, &fields).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{reason}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{reason}");
    }
    let response = server.post("/backchannel-logout/one", format!("logout_token={token}")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "not a form");
    world.one.set_down(true);
    let world = World { one: super::op::Op::start(30, false).await, ..World::new().await };
    let response = world.backchannel("one", &token).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST, "another provider's key set");
}

#[tokio::test]
async fn tokens_that_differ_in_what_does_not_matter_are_accepted() {
    let table: &[(&str, Change)] = &[
        ("no type", |world, claims| world.one.sign(&claims)),
        ("the type as a media type", |world, claims| {
            with_header(world, &claims, "typ", json!("application/Logout+JWT"))
        }),
        ("no key identifier", |world, claims| world.one.sign_as(&json!({ "alg": "EdDSA" }), &claims)),
        ("the audience in a list", |world, claims| with(world, claims, "aud", json!(["other", CLIENT]))),
        ("the provider's clock is ahead", |world, claims| {
            with(world, claims, "iat", json!(world.now().as_secs() + 60))
        }),
        ("a minute old", |world, claims| with(world, claims, "iat", json!(world.now().as_secs() - 60))),
        ("sub and sid", |world, claims| with(world, claims, "sid", json!("sid-of-alice"))),
        ("sid alone", |world, mut claims| {
            claims["sid"] = json!("sid-of-alice");
            without(world, claims, "sub")
        }),
        ("unknown members", |world, mut claims| {
            claims["events"]["urn:other"] = json!(1);
            with(world, claims, "other", json!([]))
        }),
    ];
    for (reason, change) in table {
        let world = World::new().await;
        let mut browser = world
            .logged_in("one", |claims| claims["iat"] = json!(claims["iat"].as_u64().unwrap() - 61))
            .await;
        let claims = world.one.logout_claims(world.now(), "1");
        let response = world.backchannel("one", &change(&world, claims)).await;
        assert_eq!(response.status(), StatusCode::OK, "{reason}: {response:?}");
        assert!(account(&mut browser).await.is_none(), "{reason}");
    }
}

/// Two sessions of alice at the provider, one of bob, and one of an alice elsewhere with the same sid.
async fn four_browsers(world: &World) -> [Client; 4] {
    let session = |sub: &'static str, sid: &'static str| {
        move |claims: &mut Value| {
            claims["sub"] = json!(sub);
            claims["sid"] = json!(sid);
        }
    };
    [
        world.logged_in("one", session("alice", "a")).await,
        world.logged_in("one", session("alice", "b")).await,
        world.logged_in("one", session("bob", "c")).await,
        world.logged_in("two", session("alice", "a")).await,
    ]
}

#[tokio::test]
async fn a_logout_token_ends_the_session_or_the_user_that_it_names_and_no_other() {
    for (sub, sid, live, reason) in [
        (Some("alice"), None, [false, false, true, true], "all sessions of the user, at this provider"),
        (Some("alice"), Some("a"), [false, true, true, true], "this session"),
        (None, Some("a"), [false, true, true, true], "this session, found by the table"),
        (None, Some("unknown"), [true; 4], "a session that never came here"),
        (Some("bob"), Some("a"), [true; 4], "a session of somebody else"),
        (Some("carol"), None, [true; 4], "a user who never came here"),
    ] {
        let world = World::new().await;
        let mut browsers = four_browsers(&world).await;
        let mut claims = world.one.logout_claims(world.now(), "1");
        claims.as_object_mut().unwrap().remove("sub");
        for (name, value) in [("sub", sub), ("sid", sid)] {
            if let Some(value) = value {
                claims[name] = json!(value);
            }
        }
        let response = world.backchannel("one", &world.one.logout_token(&claims)).await;
        assert_eq!(response.status(), StatusCode::OK, "{reason}");
        let mut seen = Vec::new();
        for browser in &mut browsers {
            seen.push(account(browser).await.is_some());
        }
        assert_eq!(seen, live, "{reason}");
    }
}

#[tokio::test]
async fn a_logout_token_is_accepted_once() {
    let world = World::new().await;
    world.logged_in("one", |_| {}).await;
    let token = world.one.logout_token(&world.one.logout_claims(world.now(), "1"));
    assert_eq!(world.backchannel("one", &token).await.status(), StatusCode::OK);
    world.clock.advance(Duration::from_secs(1));
    let mut browser = world.logged_in("one", |_| {}).await;
    // The other provider may use the same identifier.
    let token = world.two.logout_token(&world.two.logout_claims(world.now(), "1"));
    assert_eq!(world.backchannel("two", &token).await.status(), StatusCode::OK);
    for wait in [0, 100, 20, 3600] {
        world.clock.advance(Duration::from_secs(wait));
        assert_eq!(world.backchannel("one", &token).await.status(), StatusCode::BAD_REQUEST, "{wait}");
    }
    assert!(account(&mut browser).await.is_some(), "the replay has ended nothing");
}

#[tokio::test]
async fn a_logout_that_fails_can_be_repeated() {
    for sid in [None, Some("sid-of-alice")] {
        let world = World::new().await;
        let mut browser = world.logged_in("one", |_| {}).await;
        world.clock.advance(Duration::from_secs(1));
        let mut claims = world.one.logout_claims(world.now(), "1");
        if let Some(sid) = sid {
            claims["sid"] = json!(sid);
        }
        let token = world.one.logout_token(&claims);
        world.store.set_ends_fail(true);
        for _ in 0..2 {
            let response = world.backchannel("one", &token).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{sid:?}");
            assert!(account(&mut browser).await.is_some(), "{sid:?}");
        }
        world.store.set_ends_fail(false);
        assert_eq!(world.backchannel("one", &token).await.status(), StatusCode::OK, "{sid:?}");
        assert!(account(&mut browser).await.is_none(), "{sid:?}");
    }
}

/// The user logs in, the browser is on its way back, and meanwhile the user logs out at the provider.
#[tokio::test]
async fn a_logout_that_comes_before_its_login_refuses_the_login() {
    for (name, value, later, refused, reason) in [
        ("sid", "sid-of-alice", 0, true, "the session at the provider has ended"),
        ("sid", "sid-of-alice", 300, true, "some minutes later"),
        ("sid", "another", 0, false, "another session"),
        ("sub", "alice", 0, true, "all sessions of the user have ended"),
        ("sub", "bob", 0, false, "those of another user"),
    ] {
        let world = World::new().await;
        let mut browser = world.browser();
        let request = world.start(&mut browser, "one", "/account").await;
        let id_token = world.one.claims(&request, world.now());
        let mut claims = world.one.logout_claims(world.now(), "1");
        claims.as_object_mut().unwrap().remove("sub");
        claims[name] = json!(value);
        assert_eq!(world.backchannel("one", &world.one.logout_token(&claims)).await.status(), StatusCode::OK);
        world.clock.advance(Duration::from_secs(later));

        let mut id_token = id_token;
        id_token["exp"] = json!(world.now().as_secs() + 300);
        // A login that is refused creates no session, which could fail to end.
        world.store.set_ends_fail(true);
        let response = browser.get(&world.callback("one", &request, &id_token)).await;
        world.store.set_ends_fail(false);

        let expected = if refused { StatusCode::FORBIDDEN } else { StatusCode::SEE_OTHER };
        assert_eq!(response.status(), expected, "{reason}");
        assert_eq!(account(&mut browser).await.is_none(), refused, "{reason}");
        assert_eq!(browser.cookie("__Host-refresh").is_none(), refused, "{reason}");
    }
}

#[tokio::test]
async fn a_logout_that_comes_while_its_session_is_created_refuses_the_login() {
    let world = World::new().await;
    let mut browser = world.browser();
    let request = world.start(&mut browser, "one", "/account").await;
    let token = world.one.logout_token(&world.one.logout_claims(world.now(), "1"));
    let mut provider = world.browser();
    world.store.before_create(async move {
        let response = provider.post_form("/backchannel-logout/one", &[("logout_token", &token)]).await;
        assert_eq!(response.status(), StatusCode::OK);
    });
    let claims = world.one.claims(&request, world.now());
    let response = browser.get(&world.callback("one", &request, &claims)).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(account(&mut browser).await.is_none());
    assert!(browser.cookie("__Host-refresh").is_none());
}

#[tokio::test]
async fn a_user_who_logs_in_again_after_a_logout_stays_logged_in() {
    let world = World::new().await;
    let claims = world.one.logout_claims(world.now(), "1");
    assert_eq!(world.backchannel("one", &world.one.logout_token(&claims)).await.status(), StatusCode::OK);
    world.clock.advance(Duration::from_secs(1));
    let mut browser = world.browser();
    let request = world.start(&mut browser, "one", "/account").await;
    let mut claims = world.one.claims(&request, world.now());
    claims["sid"] = json!("a new one");
    let response = browser.get(&world.callback("one", &request, &claims)).await;
    assert_eq!(location(&response), "/account");
    assert!(account(&mut browser).await.is_some());
}

/// Whichever comes first, one of the two sees the other.
#[test]
fn a_login_and_its_logout_at_the_same_moment_leave_no_session() {
    let now = tower_refresh::testing::ManualClock::new().now();
    let session = SessionHandle::from_bytes([1; 16]);
    let login = || Login {
        subject: Subject::new("alice"),
        issuer: "op".to_owned(),
        sid: Some("a".to_owned()),
        id_token: String::new(),
        issued_at: now,
        expires_at: now.saturating_add(Duration::from_secs(60)),
    };
    let logout = || Logout {
        issuer: "op".to_owned(),
        jti: "1".to_owned(),
        ends: Ends::Session { sid: "a".to_owned(), subject: None },
        issued_at: now,
    };
    let logins = Logins::default();
    assert!(logins.insert(session, login(), now).is_ok());
    assert_eq!(logins.record(logout(), now).ok(), Some(vec![session]));

    let logins = Logins::default();
    assert_eq!(logins.record(logout(), now).ok(), Some(Vec::new()));
    assert!(logins.insert(session, login(), now).is_err());

    // A logout that failed may come again, and leaves nothing behind.
    logins.forget("op", "1", now);
    assert!(logins.insert(session, login(), now).is_ok());
    assert_eq!(logins.record(logout(), now).ok(), Some(vec![session]));
    let later = now.saturating_add(Duration::from_secs(60));
    assert!(logins.remove(session, later).is_none(), "the session cannot be live any more");
}
