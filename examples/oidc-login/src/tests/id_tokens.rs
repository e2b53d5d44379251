//! ID tokens that are not for this login.

use axum::http::StatusCode;
use openidconnect::core::{CoreHmacKey, CoreJwsSigningAlgorithm};
use serde_json::{Value, json};

use super::{
    op::{CLIENT, SECRET, sign, unsigned},
    world::{World, account, location},
};

/// Makes the provider's answer from valid claims.
type Change = fn(&World, Value) -> String;

fn with(claims: Value, name: &str, value: Value) -> Value {
    let mut claims = claims;
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn hmac(claims: &Value, secret: &[u8], header: &Value) -> String {
    sign(header, claims, &CoreHmacKey::new(secret.to_vec()), &CoreJwsSigningAlgorithm::HmacSha256)
}

const INVALID: &[(&str, Change)] = &[
    ("another nonce: an ID token of another login", |world, claims| {
        world.one.sign(&with(claims, "nonce", json!("other")))
    }),
    ("an empty nonce", |world, claims| world.one.sign(&with(claims, "nonce", json!("")))),
    ("no nonce", |world, claims| world.one.sign(&without(claims, "nonce"))),
    ("the other provider's issuer", |world, claims| {
        world.one.sign(&with(claims, "iss", json!(world.two.issuer)))
    }),
    ("the issuer with a slash", |world, claims| {
        world.one.sign(&with(claims, "iss", json!(format!("{}/", world.one.issuer))))
    }),
    ("no issuer", |world, claims| world.one.sign(&without(claims, "iss"))),
    ("signed by the other provider", |world, claims| world.two.sign(&claims)),
    ("signed by the other provider, with this one's key identifier", |world, claims| {
        world.two.sign_as(&world.one.header(), &claims)
    }),
    ("an ID token of the other provider", |world, claims| {
        world.two.sign(&with(claims, "iss", json!(world.two.issuer)))
    }),
    ("another audience", |world, claims| world.one.sign(&with(claims, "aud", json!("other")))),
    ("no audience", |world, claims| world.one.sign(&without(claims, "aud"))),
    ("an empty list of audiences", |world, claims| world.one.sign(&with(claims, "aud", json!([])))),
    ("two audiences without azp", |world, claims| {
        world.one.sign(&with(claims, "aud", json!([CLIENT, "other"])))
    }),
    ("two audiences with azp", |world, claims| {
        world.one.sign(&with(with(claims, "aud", json!([CLIENT, "other"])), "azp", json!(CLIENT)))
    }),
    ("issued to another client", |world, claims| world.one.sign(&with(claims, "azp", json!("other")))),
    ("expired", |world, claims| world.one.sign(&with(claims, "exp", json!(world.now().as_secs())))),
    ("expired long ago", |world, claims| world.one.sign(&with(claims, "exp", json!(1)))),
    ("no expiry", |world, claims| world.one.sign(&without(claims, "exp"))),
    ("issued in the future", |world, claims| {
        world.one.sign(&with(claims, "iat", json!(world.now().as_secs() + 61)))
    }),
    ("no iat", |world, claims| world.one.sign(&without(claims, "iat"))),
    ("no sub", |world, claims| world.one.sign(&without(claims, "sub"))),
    ("an empty sub", |world, claims| world.one.sign(&with(claims, "sub", json!("")))),
    ("a sub that is too long", |world, claims| world.one.sign(&with(claims, "sub", json!("a".repeat(256))))),
    ("a sub that is not ASCII", |world, claims| world.one.sign(&with(claims, "sub", json!("alicé")))),
    ("a sub that is a number", |world, claims| world.one.sign(&with(claims, "sub", json!(1)))),
    ("auth_time is a text", |world, claims| world.one.sign(&with(claims, "auth_time", json!("now")))),
    ("no signature", |world, claims| format!("{}.", unsigned(&world.one.header(), &claims))),
    ("alg none", |_, claims| format!("{}.", unsigned(&json!({ "alg": "none" }), &claims))),
    ("alg None", |_, claims| format!("{}.", unsigned(&json!({ "alg": "None" }), &claims))),
    ("signed with the client secret", |_, claims| {
        hmac(&claims, SECRET.as_bytes(), &json!({ "alg": "HS256" }))
    }),
    ("signed with the public key as a secret", |world, claims| {
        hmac(&claims, &world.one.public_key(), &json!({ "alg": "HS256", "kid": world.one.header()["kid"] }))
    }),
    ("another algorithm in the header", |world, claims| {
        world.one.sign_as(&json!({ "alg": "ES256", "kid": world.one.header()["kid"] }), &claims)
    }),
    ("an unknown key identifier", |world, claims| {
        world.one.sign_as(&json!({ "alg": "EdDSA", "kid": "other" }), &claims)
    }),
    ("a critical extension", |world, claims| {
        world.one.sign_as(
            &json!({ "alg": "EdDSA", "kid": world.one.header()["kid"], "crit": ["b64"], "b64": true }),
            &claims,
        )
    }),
    ("an access token", |world, claims| {
        world
            .one
            .sign_as(&json!({ "alg": "EdDSA", "kid": world.one.header()["kid"], "typ": "at+jwt" }), &claims)
    }),
    ("a logout token", |world, claims| world.one.logout_token(&claims)),
    ("claims that were changed", |world, claims| {
        let token = world.one.sign(&with(claims.clone(), "sub", json!("bob")));
        let (_, signature) = token.rsplit_once('.').unwrap();
        format!("{}.{signature}", unsigned(&world.one.header(), &claims))
    }),
    ("not a token", |_, _| "a.b.c".to_owned()),
    ("nothing", |_, _| String::new()),
];

#[tokio::test]
async fn an_id_token_that_is_not_for_this_login_starts_no_session() {
    for (reason, change) in INVALID {
        let world = World::new().await;
        let mut browser = world.browser();
        let request = world.start(&mut browser, "one", "/account").await;
        let claims = world.one.claims(&request, world.now());
        let code = world.one.code(&request, change(&world, claims));
        let response = browser.get(&world.callback_with("one", &request, &code)).await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{reason}: {response:?}");
        assert!(browser.cookie("__Host-refresh").is_none(), "{reason}");
        assert!(account(&mut browser).await.is_none(), "{reason}");
    }
}

#[tokio::test]
async fn id_tokens_that_differ_in_what_does_not_matter_are_valid() {
    let table: &[(&str, Change)] = &[
        ("as the others are made", |world, claims| world.one.sign(&claims)),
        ("the audience in a list", |world, claims| world.one.sign(&with(claims, "aud", json!([CLIENT])))),
        ("issued to this client", |world, claims| world.one.sign(&with(claims, "azp", json!(CLIENT)))),
        ("the provider's clock is ahead", |world, claims| {
            world.one.sign(&with(claims, "iat", json!(world.now().as_secs() + 60)))
        }),
        ("the longest sub", |world, claims| world.one.sign(&with(claims, "sub", json!("a".repeat(255))))),
        ("no key identifier", |world, claims| world.one.sign_as(&json!({ "alg": "EdDSA" }), &claims)),
        ("a type", |world, claims| {
            world
                .one
                .sign_as(&json!({ "alg": "EdDSA", "kid": world.one.header()["kid"], "typ": "JWT" }), &claims)
        }),
        ("auth_time in the future", |world, claims| {
            world.one.sign(&with(claims, "auth_time", json!(world.now().as_secs() + 60)))
        }),
        ("auth_time before 1970", |world, claims| world.one.sign(&with(claims, "auth_time", json!(-1)))),
    ];
    for (reason, change) in table {
        let world = World::new().await;
        let mut browser = world.browser();
        let request = world.start(&mut browser, "one", "/account").await;
        let claims = world.one.claims(&request, world.now());
        let code = world.one.code(&request, change(&world, claims));
        let response = browser.get(&world.callback_with("one", &request, &code)).await;
        assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, "/account"), "{reason}");
        assert!(account(&mut browser).await.is_some(), "{reason}");
    }
}
