//! Which tokens each setting accepts.

use std::time::Duration;

use serde_json::{Value, json};
use tower_refresh::{InvalidTokenReason, Verifier, VerifierBuilder, VerifyError};

use super::{
    issuer::{AUDIENCE, ISSUER, Key, NOW, valid_claims},
    service::Service,
};
use crate::support::{Claims, ManualClock};

type Configure = fn(VerifierBuilder<Claims>) -> VerifierBuilder<Claims>;
/// What it is, the changes to the header and to the claims, and the verdict.
type Case = (&'static str, Value, Value, &'static str);

fn own(builder: VerifierBuilder<Claims>) -> VerifierBuilder<Claims> {
    builder
}

async fn verdict(service: &Service, token: &str) -> &'static str {
    match service.verifier.verify(token).await {
        Ok(_) => "valid",
        Err(VerifyError::Invalid(reason)) => reason.as_str(),
        Err(error) => panic!("{error}"),
    }
}

async fn check(configure: Configure, cases: &[Case]) {
    let service = Service::with(configure);
    for (what, header, claims, expected) in cases {
        let token = Key::Ed.token(header, claims);
        assert_eq!(verdict(&service, &token).await, *expected, "{what}");
        // Another time, from the cache if it is valid.
        assert_eq!(verdict(&service, &token).await, *expected, "{what} again");
    }
}

#[tokio::test]
async fn without_settings_the_tokens_of_this_library_are_accepted() {
    let cases = [
        ("a valid one", json!({}), json!({}), "valid"),
        ("typ with a prefix", json!({"typ": "application/AT+JWT"}), json!({}), "valid"),
        ("typ JWT", json!({"typ": "JWT"}), json!({}), "wrong_type"),
        ("no typ", json!({"typ": null}), json!({}), "wrong_type"),
        ("typ of a logout token", json!({"typ": "logout+jwt"}), json!({}), "wrong_type"),
        ("no kid: there is one key", json!({"kid": null}), json!({}), "valid"),
        ("another kid", json!({"kid": "x"}), json!({}), "unknown_key"),
        ("the newer name of the algorithm (RFC 9864)", json!({"alg": "Ed25519"}), json!({}), "valid"),
        ("no alg", json!({"alg": null}), json!({}), "wrong_algorithm"),
        ("another alg", json!({"alg": "ES256"}), json!({}), "wrong_algorithm"),
        ("no kid, another alg", json!({"kid": null, "alg": "ES256"}), json!({}), "unknown_key"),
        ("crit", json!({"crit": ["exp"]}), json!({}), "unsupported_header"),
        ("no jti", json!({}), json!({"jti": null}), "valid"),
        ("an empty jti", json!({}), json!({"jti": ""}), "bad_claims"),
        ("no sid", json!({}), json!({"sid": null}), "bad_claims"),
        ("another kind of sid", json!({}), json!({"sid": "f2e1"}), "bad_claims"),
        ("no iat", json!({}), json!({"iat": null}), "bad_claims"),
        ("no exp", json!({}), json!({"exp": null}), "bad_claims"),
        ("no sub", json!({}), json!({"sub": null}), "bad_claims"),
        ("no iss", json!({}), json!({"iss": null}), "bad_claims"),
        ("no aud", json!({}), json!({"aud": null}), "bad_claims"),
        ("iss with a slash", json!({}), json!({"iss": format!("{ISSUER}/")}), "wrong_issuer"),
        ("another aud", json!({}), json!({"aud": "billing"}), "wrong_audience"),
        ("one aud of several", json!({}), json!({"aud": ["billing", "orders"]}), "valid"),
        ("the scope as an array", json!({}), json!({"scope": ["read"]}), "bad_claims"),
        ("expired now", json!({}), json!({"exp": NOW}), "expired"),
        ("not valid yet", json!({}), json!({"nbf": NOW + 1}), "not_yet_valid"),
        ("issued a minute ahead", json!({}), json!({"iat": NOW + 60}), "valid"),
        ("issued more than a minute ahead", json!({}), json!({"iat": NOW + 61}), "expired"),
        ("a long life", json!({}), json!({"iat": 1, "exp": 4_000_000_000u64}), "valid"),
        ("a custom claim of another type", json!({}), json!({"name": 7}), "bad_custom_claims"),
    ];
    check(own, &cases).await;
}

#[tokio::test]
async fn what_is_no_access_token_is_rejected_with_every_setting() {
    let profiles: [Configure; 3] = [
        own,
        |builder| builder.accept_typ("JWT").accept_missing_typ(),
        |builder| builder.accept_typ("JWT").without_session_id().scope_claims(["scp"]),
    ];
    let cases = [
        ("an ID token of the implicit flow", json!({}), json!({"at_hash": "x"}), "wrong_type"),
        ("an ID token of the hybrid flow", json!({}), json!({"c_hash": "x"}), "wrong_type"),
        (
            "a logout token",
            json!({}),
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            "wrong_type",
        ),
        ("a token that is bound to a key", json!({}), json!({"cnf": {"jkt": "x"}}), "wrong_type"),
        ("whatever its value", json!({}), json!({"at_hash": false}), "wrong_type"),
        ("Keycloak's ID token", json!({}), json!({"typ": "ID"}), "wrong_type"),
        ("Keycloak's refresh token", json!({}), json!({"typ": "Refresh"}), "wrong_type"),
        ("Keycloak's offline token", json!({}), json!({"typ": "Offline"}), "wrong_type"),
        ("Keycloak's logout token", json!({}), json!({"typ": "Logout"}), "wrong_type"),
        ("in another case", json!({}), json!({"typ": "refresh"}), "wrong_type"),
        ("Keycloak's access token", json!({}), json!({"typ": "Bearer"}), "valid"),
    ];
    for configure in profiles {
        let service = Service::with(configure);
        for (what, header, claims, expected) in &cases {
            let token = Key::Ed.token(header, claims);
            assert_eq!(verdict(&service, &token).await, *expected, "{what}");
        }
    }
}

#[tokio::test]
async fn another_typ_is_accepted_only_where_it_is_set() {
    let cases = [
        ("typ JWT", json!({"typ": "JWT"}), json!({}), "valid"),
        ("in another case", json!({"typ": "jwt"}), json!({}), "valid"),
        ("with a prefix", json!({"typ": "application/jwt"}), json!({}), "valid"),
        ("at+jwt", json!({}), json!({}), "valid"),
        ("no typ", json!({"typ": null}), json!({}), "wrong_type"),
        ("another typ", json!({"typ": "logout+jwt"}), json!({}), "wrong_type"),
    ];
    check(|builder| builder.accept_typ("JWT"), &cases).await;
    let cases = [
        ("no typ", json!({"typ": null}), json!({}), "valid"),
        ("at+jwt", json!({}), json!({}), "valid"),
        ("typ JWT", json!({"typ": "JWT"}), json!({}), "wrong_type"),
    ];
    check(VerifierBuilder::accept_missing_typ, &cases).await;
}

#[tokio::test]
async fn each_of_several_audiences_is_accepted() {
    let cases = [
        ("the first", json!({}), json!({}), "valid"),
        ("the second", json!({}), json!({"aud": "invoices"}), "valid"),
        ("in an array", json!({}), json!({"aud": ["x", "invoices"]}), "valid"),
        ("another", json!({}), json!({"aud": ["x"]}), "wrong_audience"),
        ("none", json!({}), json!({"aud": []}), "bad_claims"),
        ("a number", json!({}), json!({"aud": 7}), "bad_claims"),
    ];
    check(|builder| builder.audience("invoices"), &cases).await;
}

#[tokio::test]
async fn the_leeway_is_for_exp_and_nbf() {
    let cases = [
        ("expired within it", json!({}), json!({"exp": NOW - 59}), "valid"),
        ("expired at its end", json!({}), json!({"exp": NOW - 60}), "expired"),
        ("not valid yet within it", json!({}), json!({"nbf": NOW + 60}), "valid"),
        ("not valid yet beyond it", json!({}), json!({"nbf": NOW + 61}), "not_yet_valid"),
        ("issued more than a minute ahead", json!({}), json!({"iat": NOW + 61}), "expired"),
    ];
    check(|builder| builder.leeway(Duration::from_secs(60)), &cases).await;

    let service = Service::with(|builder| builder.leeway(Duration::from_secs(60)));
    let token = Key::Ed.valid();
    let user = service.verifier.verify(&token).await.unwrap();
    assert_eq!(user.expires_at().as_secs(), NOW + 360);
    service.clock.advance(Duration::from_secs(359));
    assert_eq!(verdict(&service, &token).await, "valid");
    service.clock.advance(Duration::from_secs(1));
    assert_eq!(verdict(&service, &token).await, "expired", "in the cache");
}

#[tokio::test]
async fn a_limit_for_the_life_of_tokens_overrides_their_exp() {
    let cases = [
        ("as old as the limit", json!({}), json!({"iat": NOW - 60}), "expired"),
        ("younger", json!({}), json!({"iat": NOW - 59}), "valid"),
    ];
    check(|builder| builder.access_lifetime(Duration::from_secs(60)), &cases).await;
}

/// The scope claims, the claims of the token, and the scope of the user or the reason why it is invalid.
#[tokio::test]
async fn scope_tokens_are_read_from_the_claims_that_are_named() {
    let cases: [(&[&str], Value, &str); 14] = [
        (&["scp"], json!({"scp": "a b"}), "a b"),
        (&["scp"], json!({"scp": ["a", "b"]}), "a b"),
        (&["scp"], json!({"scp": []}), ""),
        (&["scp"], json!({}), ""),
        (&["scp"], json!({"scp": ["a b", "c", "", "d\"", "é"]}), "c"),
        (&["scp"], json!({"scp": 7}), "bad_claims"),
        (&["scp"], json!({"scp": ["a", 7]}), "bad_claims"),
        (&["scp"], json!({"scp": {"a": true}}), "bad_claims"),
        (&["scope"], json!({"scp": "b"}), "read"),
        (&["scope"], json!({"scope": ["a"]}), "a"),
        (&["scope", "permissions"], json!({"permissions": ["write"]}), "write read"),
        (&["permissions", "scope"], json!({"permissions": []}), "read"),
        (&["scope", "roles"], json!({"scope": "", "roles": ["admin"]}), "admin"),
        (&["name"], json!({}), "bad_custom_claims"),
    ];
    for (names, claims, expected) in cases {
        let service = Service::with(|builder| builder.scope_claims(names.iter().copied()));
        let token = Key::Ed.token(&json!({}), &claims);
        match service.verifier.verify(&token).await {
            Ok(user) => assert_eq!(user.scope(), expected, "{names:?} {claims}"),
            Err(VerifyError::Invalid(reason)) => assert_eq!(reason.as_str(), expected, "{names:?} {claims}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn without_a_session_id_the_user_has_no_session() {
    let service = Service::with(VerifierBuilder::without_session_id);
    for claims in [
        json!({"sid": null}),
        json!({"sid": "f2e1c9d0-3c1d-4a0f-9b3c-9a6e0f4c8d21"}),
        json!({"sid": 7, "epoch": "first", "dbsc": []}),
    ] {
        let user = service.verifier.verify(&Key::Ed.token(&json!({}), &claims)).await.unwrap();
        assert_eq!(user.session(), None, "{claims}");
    }
    let service = Service::new();
    let user = service.verifier.verify(&Key::Ed.valid()).await.unwrap();
    assert_eq!(user.session().unwrap().to_string(), valid_claims()["sid"]);
}

#[tokio::test]
async fn the_claims_see_the_session_id_of_another_issuer() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Keycloak {
        sid: String,
    }
    let verifier = Verifier::<Keycloak>::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .keys([Key::Ed.verifying()])
        .without_session_id()
        .clock(ManualClock::new())
        .build()
        .unwrap();
    let user = verifier.verify(&Key::Ed.token(&json!({}), &json!({"sid": "f2e1"}))).await.unwrap();
    assert_eq!(user.claims().sid, "f2e1");
}

#[tokio::test]
async fn a_token_without_a_key_id_has_the_only_key_that_fits() {
    let without = |key: Key| key.token(&json!({"kid": null}), &json!({}));
    let service = Service::new();
    service.endpoint.publish(&[Key::Ed, Key::Es256, Key::Rs256]);
    for key in [Key::Ed, Key::Es256, Key::Rs256] {
        assert_eq!(verdict(&service, &without(key)).await, "valid", "{key:?}");
    }
    let service = Service::new();
    service.endpoint.publish(&[Key::Ed, Key::Ed2, Key::Es256]);
    assert_eq!(verdict(&service, &without(Key::Ed)).await, "unknown_key", "two fit");
    assert_eq!(verdict(&service, &without(Key::Es256)).await, "valid");
    assert_eq!(verdict(&service, &Key::Ed2.valid()).await, "valid");
}

#[tokio::test]
async fn each_algorithm_verifies_its_own_tokens_only() {
    let all = [Key::Ed, Key::Es256, Key::Es384, Key::Rs256, Key::Ps256];
    let service = Service::new();
    service.endpoint.publish(&all);
    for signer in all {
        for named in all {
            let token = signer.token(&json!({"kid": named.kid()}), &json!({}));
            let expected = if signer == named { "valid" } else { "wrong_algorithm" };
            assert_eq!(verdict(&service, &token).await, expected, "{signer:?} as {named:?}");
            let token =
                signer.token(&json!({"kid": named.kid(), "alg": named.algorithm().as_str()}), &json!({}));
            let expected = if signer == named { "valid" } else { "bad_signature" };
            assert_eq!(verdict(&service, &token).await, expected, "{signer:?} as {named:?}");
        }
    }
}

#[tokio::test]
async fn fixed_keys_need_no_fetch() {
    let verifier = Verifier::<Claims>::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .keys([Key::Ed.verifying(), Key::Es256.verifying()])
        .clock(ManualClock::new())
        .build()
        .unwrap();
    assert!(verifier.is_ready());
    verifier.load().await.unwrap();
    assert!(verifier.verify(&Key::Ed.valid()).await.is_ok());
    assert!(verifier.verify(&Key::Es256.valid()).await.is_ok());
    let unknown = VerifyError::Invalid(InvalidTokenReason::UnknownKey);
    assert_eq!(verifier.verify(&Key::Rs256.valid()).await.unwrap_err(), unknown);
}
