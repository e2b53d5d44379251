//! Minted tokens are valid, and tokens that would be invalid are not minted.

use std::collections::BTreeMap;

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    tags: Option<Vec<String>>,
}

fn no_members() -> CustomMembers {
    CustomMembers::of(&()).unwrap()
}

fn new_access<'a>(subject: &'a Subject, scope: &'a str, custom: &'a CustomMembers) -> NewAccessToken<'a> {
    NewAccessToken {
        issuer: "https://issuer",
        audience: "web",
        subject,
        session: SessionHandle::from_bytes([7; 16]),
        scope,
        auth_time: None,
        epoch: 0,
        is_device_bound: false,
        issued_at: Timestamp::from_millis(NOW * 1000 + 999),
        expires_at: Timestamp::from_millis((NOW + 300) * 1000 + 999),
        custom,
    }
}

#[test]
fn what_is_minted_verifies() {
    let subject = Subject::from("a \"quoted\" subject");
    let user = User { name: "Zoë\u{0}".into(), tags: Some(vec!["a".into()]) };
    let members = CustomMembers::of(&user).unwrap();
    let claims = NewAccessToken {
        auth_time: Some(at(NOW - 7)),
        epoch: 3,
        is_device_bound: true,
        ..new_access(&subject, "user admin", &members)
    };
    let token = mint(&keys(), &claims).unwrap();
    let verdict = verify_text::<User>(&token, at(NOW));
    let read = valid(verdict);
    assert_eq!(read.subject, subject);
    assert_eq!(read.session, SessionHandle::from_bytes([7; 16]));
    assert_eq!(read.scope, "user admin");
    assert_eq!((read.issued_at, read.expires_at), (at(NOW), at(NOW + 300)));
    assert_eq!((read.auth_time, read.epoch, read.is_device_bound), (Some(at(NOW - 7)), 3, true));
    assert_eq!(read.custom, user);

    let again = mint(&keys(), &new_access(&subject, "user admin", &members)).unwrap();
    assert_ne!(token, again, "the token id is fresh");
}

#[test]
fn a_minted_token_has_the_claims_of_rfc_9068() {
    let token = mint(&keys(), &new_access(&"alice".into(), "", &no_members())).unwrap();
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
fn the_payload_is_the_json_of_its_claims_whatever_their_characters() {
    let keys = keys();
    let texts = [
        "alice",
        "a \"quoted\" back\\slash",
        "line\nfeed, tab\t, return\r, form\u{c}, back\u{8}, null\u{0}, escape\u{1b}, delete\u{7f}",
        "Zoë \u{1f980} \u{2028}",
    ];
    let members = CustomMembers::of(&json!({ "name": texts[2] })).unwrap();
    let numbers = [(0, 0), (1, 9), (10, 10), (u32::MAX, u64::MAX / 1000)];
    for (text, (epoch, exp)) in texts.into_iter().zip(numbers) {
        let subject = Subject::from(text);
        let access = NewAccessToken {
            issuer: text,
            audience: text,
            epoch,
            expires_at: at(exp),
            ..new_access(&subject, "a b", &members)
        };
        let token = mint(&keys, &access).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let payload = String::from_utf8(payload).unwrap();
        let read: Value = serde_json::from_str(&payload).unwrap();
        let string = |text: &str| serde_json::to_string(text).unwrap();
        let epoch = if epoch == 0 { String::new() } else { format!(r#","epoch":{epoch}"#) };
        let expected = format!(
            r#"{{"iss":{0},"sub":{0},"aud":{0},"exp":{exp},"iat":{NOW},"jti":{1},"sid":"{2}","scope":"a b"{epoch},"name":{3}}}"#,
            string(text),
            read["jti"],
            access.session,
            string(texts[2]),
        );
        assert_eq!(payload, expected);
        assert_eq!(token.len(), token_len(&keys, access.payload_len()), "{text}");
    }
}

#[test]
fn every_algorithm_mints_tokens_of_a_known_length_that_verify() {
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
        // Base64 rounds up, in three ways.
        for scope in ["", "a", "ab", "abc"] {
            let (alice, members) = ("alice".into(), no_members());
            let access = new_access(&alice, scope, &members);
            let token = mint(&keys, &access).unwrap();
            let verdict = verify_with::<()>(token.as_bytes(), &keys, at(NOW));
            assert_eq!(word(&verdict), "valid");
            assert_eq!(token.len(), token_len(&keys, access.payload_len()));
        }
    }
}

#[test]
fn custom_claims_are_a_map_or_nothing_and_none_of_ours() {
    use InvalidClaimsReason::{DuplicateMember, NotAMap, NotSerializable, ReservedName};

    #[derive(Serialize, Deserialize)]
    struct Unit;
    #[derive(Serialize, Deserialize)]
    struct Flattened {
        name: String,
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }
    let flattened = |name: &str| Flattened { name: "a".into(), rest: BTreeMap::from([(name.to_owned(), 1)]) };

    assert_eq!(check_custom(&()), Ok(()));
    assert_eq!(check_custom(&Unit), Ok(()));
    assert_eq!(check_custom(&None::<User>), Ok(()));
    assert_eq!(check_custom(&json!({})), Ok(()));
    assert_eq!(check_custom(&User { name: "a".into(), tags: None }), Ok(()));
    assert_eq!(check_custom(&Some(BTreeMap::from([(1, "a".to_owned())]))), Ok(()));
    assert_eq!(check_custom(&flattened("other")), Ok(()));
    for name in
        ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "sid", "scope", "auth_time", "epoch", "dbsc"]
    {
        let map = BTreeMap::from([(name.to_owned(), 1)]);
        assert_eq!(check_custom(&map), Err(ReservedName), "{name}");
        assert_eq!(check_custom(&flattened(name)), Err(ReservedName), "{name}");
        let message = CustomMembers::of(&map).unwrap_err().to_string();
        assert!(message.ends_with(&format!("`{name}`")), "{message}");
    }
    assert_eq!(check_custom(&json!({"inner": {"sub": 1}})), Ok(()));
    assert_eq!(check_custom(&flattened("name")), Err(DuplicateMember));
    assert_eq!(check_custom(&json!([1])), Err(NotAMap));
    assert_eq!(check_custom(&"text".to_owned()), Err(NotAMap));
    assert_eq!(check_custom(&1), Err(NotAMap));
    assert_eq!(check_custom(&(1, 2)), Err(NotAMap));
    assert_eq!(check_custom(&BTreeMap::from([((1, 2), 1)])), Err(NotSerializable));
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    assert_eq!(check_custom(&json!({"a": deep})), Err(DuplicateMember));
}

#[test]
fn custom_claims_that_cannot_be_read_back_are_no_members_of_a_token() {
    /// Writes one type, and reads another.
    #[derive(Serialize, Deserialize)]
    struct Changed {
        #[serde(rename(serialize = "plan", deserialize = "tariff"))]
        plan: u8,
    }
    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nested {
        inner: Changed,
    }
    assert_eq!(check_custom(&Changed { plan: 1 }), Err(InvalidClaimsReason::NotDeserializable));
    let nested = CustomMembers::of(&Nested { inner: Changed { plan: 1 } }).unwrap_err();
    assert_eq!(nested.reason, InvalidClaimsReason::NotDeserializable);
    assert!(nested.to_string().contains("missing field `tariff`"), "{nested}");
}

fn check_custom<C: Serialize + DeserializeOwned>(custom: &C) -> Result<(), InvalidClaimsReason> {
    CustomMembers::of(custom).map(drop).map_err(|error| error.reason)
}
