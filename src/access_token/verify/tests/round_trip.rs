//! Minted tokens are valid, and tokens that would be invalid are not minted.

use std::collections::BTreeMap;

use super::*;
use crate::access_token::mint::{MintError, custom_members};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    tags: Option<Vec<String>>,
}

fn new_access<'a, C>(subject: &'a Subject, scope: &'a str, custom: &'a C) -> NewAccessToken<'a, C> {
    NewAccessToken {
        issuer: EXPECTED.issuer,
        audience: EXPECTED.audience,
        subject,
        session: SessionHandle::from_bytes([7; 16]),
        scope,
        issued_at: Timestamp::from_millis(NOW * 1000 + 999),
        expires_at: Timestamp::from_millis((NOW + 300) * 1000 + 999),
        custom,
    }
}

#[test]
fn what_is_minted_verifies() {
    let subject = Subject::from("a \"quoted\" subject");
    let user = User { name: "Zoë\u{0}".into(), tags: Some(vec!["a".into()]) };
    let token = mint(&keys(), &new_access(&subject, "user admin", &user)).unwrap();
    let verdict = verify::<User>(token.as_bytes(), &keys(), &EXPECTED, at(NOW));
    let read = valid(verdict);
    assert_eq!(read.subject, subject);
    assert_eq!(read.session, SessionHandle::from_bytes([7; 16]));
    assert_eq!(read.scope, "user admin");
    assert_eq!((read.issued_at, read.expires_at), (at(NOW), at(NOW + 300)));
    assert_eq!(read.custom, user);

    let again = mint(&keys(), &new_access(&subject, "user admin", &user)).unwrap();
    assert_ne!(token, again, "the token id is fresh");
}

#[test]
fn a_minted_token_has_the_claims_of_rfc_9068() {
    let token = mint(&keys(), &new_access(&"alice".into(), "", &())).unwrap();
    let part = |index: usize| -> Value {
        let segment = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
    };
    assert_eq!(part(0), serde_json::from_str::<Value>(&header()).unwrap());
    let mut payload = part(1);
    let token_id = payload["jti"].take();
    assert_eq!(URL_SAFE_NO_PAD.decode(token_id.as_str().unwrap()).unwrap().len(), 16);
    let expected = claims_but(&json!({"exp": NOW + 300}));
    payload["jti"] = json!("1");
    assert_eq!(payload, serde_json::from_str::<Value>(&expected).unwrap());
}

#[test]
fn every_algorithm_mints_and_verifies() {
    macro_rules! pem {
        ($name:literal) => {
            include_str!(concat!("../../../../tests/keys/", $name, ".pem"))
        };
    }
    let secret = [1; 64];
    let rings = [
        KeyRing::ed25519_pem(pem!("ed25519")),
        KeyRing::es256_pem(pem!("es256")),
        SigningKey::from_pem(Algorithm::Es384, pem!("es384")).map(KeyRing::new),
        KeyRing::rs256_pem(pem!("rsa")),
        SigningKey::from_pem(Algorithm::Ps256, pem!("rsa")).map(KeyRing::new),
        KeyRing::hs256(secret),
        SigningKey::from_secret(Algorithm::Hs384, secret).map(KeyRing::new),
        SigningKey::from_secret(Algorithm::Hs512, secret).map(KeyRing::new),
    ];
    for ring in rings {
        let keys = ring.unwrap().prepare().unwrap();
        let token = mint(&keys, &new_access(&"alice".into(), "", &())).unwrap();
        let verdict = verify::<()>(token.as_bytes(), &keys, &EXPECTED, at(NOW));
        assert_eq!(word(&verdict), "valid");
    }
}

#[test]
fn custom_claims_are_a_map_or_nothing_and_none_of_ours() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Flattened {
        name: &'static str,
        #[serde(flatten)]
        rest: BTreeMap<&'static str, u8>,
    }
    let flattened = |name: &'static str| Flattened { name: "a", rest: BTreeMap::from([(name, 1)]) };

    assert_eq!(check_custom(&()), Ok(()));
    assert_eq!(check_custom(&Unit), Ok(()));
    assert_eq!(check_custom(&None::<User>), Ok(()));
    assert_eq!(check_custom(&json!({})), Ok(()));
    assert_eq!(check_custom(&User { name: "a".into(), tags: None }), Ok(()));
    assert_eq!(check_custom(&Some(BTreeMap::from([(1, "a")]))), Ok(()));
    assert_eq!(check_custom(&flattened("other")), Ok(()));
    for name in
        ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "scope", "auth_time", "epoch", "dbsc"]
    {
        assert_eq!(check_custom(&BTreeMap::from([(name, 1)])), Err(MintError::ReservedClaim), "{name}");
        assert_eq!(check_custom(&flattened(name)), Err(MintError::ReservedClaim), "{name}");
    }
    assert_eq!(check_custom(&json!({"inner": {"sub": 1}})), Ok(()));
    assert_eq!(check_custom(&flattened("name")), Err(MintError::DuplicateMember));
    assert_eq!(check_custom(&json!([1])), Err(MintError::NotAMap));
    assert_eq!(check_custom(&"text"), Err(MintError::NotAMap));
    assert_eq!(check_custom(&1), Err(MintError::NotAMap));
    assert_eq!(check_custom(&(1, 2)), Err(MintError::NotAMap));
    assert_eq!(check_custom(&BTreeMap::from([((1, 2), 1)])), Err(MintError::Serialize));
}

#[test]
fn an_invalid_token_is_not_minted() {
    let alice = Subject::from("alice");
    let minted = |scope: &str| mint(&keys(), &new_access(&alice, scope, &())).map(drop);
    assert_eq!(minted("user:read a/b"), Ok(()));
    for scope in [" ", "a ", " a", "a  b", "a\tb", "a\"b", "a\\b", "ä"] {
        assert_eq!(minted(scope), Err(MintError::InvalidScope), "{scope:?}");
    }
    let empty = Subject::from("");
    assert_eq!(mint(&keys(), &new_access(&empty, "", &())).err(), Some(MintError::EmptySubject));
    let long = |length| BTreeMap::from([("a", "x".repeat(length))]);
    assert_eq!(mint(&keys(), &new_access(&alice, "", &long(8192))).err(), Some(MintError::TooLarge));
    let token = mint(&keys(), &new_access(&alice, "", &long(5000))).unwrap();
    assert_eq!(word(&verify::<()>(token.as_bytes(), &keys(), &EXPECTED, at(NOW))), "valid");
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    assert_eq!(
        mint(&keys(), &new_access(&alice, "", &json!({"a": deep}))).err(),
        Some(MintError::DuplicateMember)
    );
}

fn check_custom<C: Serialize>(custom: &C) -> Result<(), MintError> {
    custom_members(custom).map(drop)
}
