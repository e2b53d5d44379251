//! A service that verifies the access tokens of issuers that others wrote: npm's `oidc-provider`, and PyPI's Authlib.

mod issuer;
mod service;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tower_refresh::InvalidTokenReason;

use self::{
    issuer::{AUTHLIB, Issuer, OIDC_PROVIDER, Provider},
    service::Service,
};

const COOLDOWN: Duration = Duration::from_secs(30);
const REFRESH_EVERY: Duration = Duration::from_secs(10 * 60);
/// Of both issuers' tokens.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs oidc-provider"]
async fn each_token_of_oidc_provider_is_valid_and_a_changed_one_is_not() {
    each_token_is_valid_and_a_changed_one_is_not(&OIDC_PROVIDER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Authlib"]
async fn each_token_of_authlib_is_valid_and_a_changed_one_is_not() {
    each_token_is_valid_and_a_changed_one_is_not(&AUTHLIB).await;
}

async fn each_token_is_valid_and_a_changed_one_is_not(provider: &'static Provider) {
    let issuer = Issuer::start(provider, "a");
    let service = Service::of(&issuer);
    let tokens = issuer.tokens().await;
    assert_eq!(service.valid(&tokens).await, provider.algorithms.len());
    assert_eq!(service.fetches(), 1);
    for token in tokens {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let (header, payload) = message.split_once('.').unwrap();
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let changed = payload.replace("\"scope\":\"orders\"", "\"scope\":\"orders admin\"");
        assert_ne!(changed, payload);
        let changed = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(service.reason(&changed).await, InvalidTokenReason::BadSignature);
    }
    // The same tokens are none of another service, nor of another issuer.
    let token = issuer.token("ES256").await;
    for (name, audience, reason) in [
        (issuer.url.clone(), "billing", InvalidTokenReason::WrongAudience),
        (format!("{}/", issuer.url), "orders", InvalidTokenReason::WrongIssuer),
    ] {
        let other = Service::expecting(&issuer, &name, audience);
        assert_eq!(other.reason(&token).await, reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs oidc-provider"]
async fn a_token_of_oidc_provider_expires() {
    a_token_expires(&OIDC_PROVIDER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Authlib"]
async fn a_token_of_authlib_expires() {
    a_token_expires(&AUTHLIB).await;
}

async fn a_token_expires(provider: &'static Provider) {
    let issuer = Issuer::start(provider, "a");
    let service = Service::of(&issuer);
    let tokens = issuer.tokens().await;
    service.clock.advance(LIFETIME - Duration::from_secs(60));
    assert_eq!(service.valid(&tokens).await, tokens.len());
    service.clock.advance(Duration::from_secs(60));
    for token in &tokens {
        assert_eq!(service.reason(token).await, InvalidTokenReason::Expired);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs oidc-provider"]
async fn the_keys_of_oidc_provider_change_while_requests_run() {
    keys_change_while_requests_run(&OIDC_PROVIDER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Authlib"]
async fn the_keys_of_authlib_change_while_requests_run() {
    keys_change_while_requests_run(&AUTHLIB).await;
}

async fn keys_change_while_requests_run(provider: &'static Provider) {
    let mut issuer = Issuer::start(provider, "a");
    let service = Service::of(&issuer);
    let mut former = issuer.tokens().await;
    assert_eq!(service.valid(&former).await, former.len());
    // Each time the new keys sign at once, and the former ones stay in the set.
    for (count, (keys, withdrawn)) in [("b a", "b"), ("c b", "c"), ("d c", "d")].into_iter().enumerate() {
        issuer.publish(keys);
        let new = issuer.tokens().await;
        assert_eq!(service.valid(&new).await, 0, "a fetch is less than 30 s ago");
        service.clock.advance(COOLDOWN);
        let both: Vec<_> = (0..25).flat_map(|_| new.iter().chain(&former).cloned()).collect();
        assert_eq!(service.valid(&both).await, both.len());
        assert_eq!(service.fetches(), 2 * count + 2, "all share one fetch");

        // The former keys are withdrawn, which the service learns by itself.
        issuer.publish(withdrawn);
        service.clock.advance(REFRESH_EVERY);
        assert_eq!(service.valid(&new).await, new.len(), "no request waits for the fetch");
        // One with an unknown key does.
        assert_eq!(service.valid(&[invented(&new[0], 0)]).await, 0);
        assert_eq!(service.valid(&former).await, 0, "the former keys are withdrawn");
        assert_eq!(service.valid(&new).await, new.len());
        assert_eq!(service.fetches(), 2 * count + 3);
        former = new;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs oidc-provider"]
async fn a_flood_of_keys_unknown_to_oidc_provider_is_one_fetch_in_thirty_seconds() {
    a_flood_of_unknown_keys_is_one_fetch_in_thirty_seconds(&OIDC_PROVIDER).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Authlib"]
async fn a_flood_of_keys_unknown_to_authlib_is_one_fetch_in_thirty_seconds() {
    a_flood_of_unknown_keys_is_one_fetch_in_thirty_seconds(&AUTHLIB).await;
}

async fn a_flood_of_unknown_keys_is_one_fetch_in_thirty_seconds(provider: &'static Provider) {
    let issuer = Issuer::start(provider, "a");
    let service = Service::of(&issuer);
    let valid = issuer.tokens().await;
    let flood: Vec<_> = (0..2000).map(|number| invented(&valid[0], number)).collect();
    for round in 1..=4 {
        for _ in 0..3 {
            assert_eq!(service.valid(&flood).await, 0);
            assert_eq!(service.valid(&valid).await, valid.len());
        }
        assert_eq!(service.fetches(), round);
        service.clock.advance(COOLDOWN);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Authlib"]
async fn a_token_of_authlib_for_a_user_has_the_user_and_the_time_of_the_login() {
    let issuer = Issuer::start(&AUTHLIB, "a");
    let service = Service::of(&issuer);
    let grant = [("grant_type", "password"), ("username", "alice"), ("password", "alice-password")];
    let user = service.verifier.verify(&issuer.granted("RS256", &grant).await).await.unwrap();
    assert_eq!((user.subject().as_str(), user.scope()), ("alice", "orders"));
    assert_eq!(user.session(), None);
    assert!(user.is_recent(Duration::from_secs(120)));
    assert!(!user.is_recent(Duration::from_secs(50)), "its login was a minute before");
}

/// Authlib names the key in the header only if the application gives it a set.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Authlib"]
async fn a_token_of_authlib_that_names_no_key_is_valid_while_one_key_fits() {
    let mut issuer = Issuer::start(&AUTHLIB, "a");
    let unnamed = [("grant_type", "client_credentials"), ("key", "unnamed")];
    let service = Service::of(&issuer);
    let mut tokens = Vec::new();
    for algorithm in AUTHLIB.algorithms {
        tokens.push(issuer.granted(algorithm, &unnamed).await);
    }
    assert_eq!(service.valid(&tokens).await, tokens.len());
    issuer.publish("b a");
    let service = Service::of(&issuer);
    assert_eq!(service.valid(&tokens).await, 0, "two keys fit");
    assert_eq!(service.valid(&issuer.tokens().await).await, AUTHLIB.algorithms.len());
}

/// The token with the id of a key that does not exist.
fn invented(token: &str, number: usize) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"invented-{number}"}}"#);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
}
