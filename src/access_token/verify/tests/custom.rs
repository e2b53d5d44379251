//! Custom claims of every shape that serde reads.

use serde_json::Map;

use super::*;

fn custom<C: DeserializeOwned>(changes: &Value) -> Result<C, &'static str> {
    match verify_payload(&claims_but(changes), at(NOW)) {
        Verdict::Valid(token) => Ok(token.custom),
        other => Err(word(&other)),
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct User {
    name: String,
    #[serde(default)]
    team: Option<Team>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Team {
    id: u64,
    lead: Option<Box<User>>,
}

#[test]
fn a_struct_is_read_from_the_members_that_are_not_ours() {
    let user = custom::<User>(&json!({"name": "Alice", "more": [1, {"a": 2}]})).unwrap();
    assert_eq!(user, User { name: "Alice".into(), team: None });
    let user = custom::<User>(&json!({"name": "Alice", "team": {"id": 1, "lead": {"name": "Bob"}}})).unwrap();
    assert_eq!(user.team.unwrap().lead.unwrap().name, "Bob");
    assert_eq!(custom::<User>(&json!({})).unwrap_err(), "bad_custom_claims");
    assert_eq!(
        custom::<User>(&json!({"name": "Alice", "team": {"id": "1"}})).unwrap_err(),
        "bad_custom_claims"
    );
}

#[test]
fn a_map_has_the_custom_members_only() {
    let map = custom::<Map<String, Value>>(&json!({"name": "Alice", "n": [1, 2], "scope": "user"})).unwrap();
    assert_eq!(Value::Object(map), json!({"name": "Alice", "n": [1, 2]}));
    assert_eq!(custom::<Value>(&json!({"name": "Alice"})).unwrap(), json!({"name": "Alice"}));
    assert_eq!(custom::<HashMap<String, Value>>(&json!({})).unwrap(), HashMap::new());
}

#[test]
fn the_keys_of_a_map_may_be_what_serde_json_writes_as_names() {
    #[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
    struct Id(String);
    #[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
    enum Color {
        Red,
    }
    assert_eq!(custom::<HashMap<u32, u8>>(&json!({"7": 1})).unwrap(), HashMap::from([(7, 1)]));
    assert_eq!(custom::<HashMap<Id, u8>>(&json!({"a": 1})).unwrap(), HashMap::from([(Id("a".into()), 1)]));
    assert_eq!(custom::<HashMap<Color, u8>>(&json!({"Red": 1})).unwrap(), HashMap::from([(Color::Red, 1)]));
    assert_eq!(custom::<HashMap<u32, u8>>(&json!({"seven": 1})).unwrap_err(), "bad_custom_claims");
}

#[test]
fn a_unit_ignores_them() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Deserialize)]
    struct Empty {}
    let some = json!({"name": "Alice", "n": [1, 2]});
    assert_eq!(custom::<()>(&some), Ok(()));
    assert_eq!(custom::<Unit>(&some), Ok(Unit));
    assert_eq!(custom::<Empty>(&some), Ok(Empty {}));
    assert_eq!(custom::<Empty>(&json!({})), Ok(Empty {}));
}

#[test]
fn deny_unknown_fields_does_not_see_ours() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(rename = "name")]
        _name: String,
    }
    assert!(custom::<Strict>(&json!({"name": "Alice", "scope": "user", "nbf": 0})).is_ok());
    assert_eq!(custom::<Strict>(&json!({"name": "Alice", "extra": 1})).unwrap_err(), "bad_custom_claims");
}

#[test]
fn an_option_is_none_where_there_is_nothing() {
    assert_eq!(custom::<Option<User>>(&json!({})).unwrap(), None);
    assert_eq!(custom::<Option<User>>(&json!({"name": "Alice"})).unwrap().unwrap().name, "Alice");
    assert_eq!(custom::<Option<User>>(&json!({"other": 1})).unwrap_err(), "bad_custom_claims");
}

#[test]
fn other_shapes_of_serde_work() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapper(User);
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Person { name: String },
        Robot,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum External {
        Person { name: String },
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Flattened {
        name: String,
        #[serde(flatten)]
        rest: HashMap<String, u8>,
    }
    assert_eq!(custom::<Wrapper>(&json!({"name": "Alice"})).unwrap().0.name, "Alice");
    assert_eq!(custom::<Tagged>(&json!({"kind": "Robot"})).unwrap(), Tagged::Robot);
    assert_eq!(
        custom::<Tagged>(&json!({"kind": "Person", "name": "Alice"})).unwrap(),
        Tagged::Person { name: "Alice".into() }
    );
    assert_eq!(
        custom::<External>(&json!({"Person": {"name": "Alice"}})).unwrap(),
        External::Person { name: "Alice".into() }
    );
    assert_eq!(
        custom::<Flattened>(&json!({"name": "Alice", "level": 3})).unwrap(),
        Flattened { name: "Alice".into(), rest: HashMap::from([("level".into(), 3)]) }
    );
    assert_eq!(custom::<String>(&json!({})).unwrap_err(), "bad_custom_claims");
    assert_eq!(custom::<Vec<u8>>(&json!({})).unwrap_err(), "bad_custom_claims");
}

#[test]
fn claims_of_a_type_that_stops_early_are_still_read() {
    use serde::{Deserializer, de::Visitor};
    struct Lazy;
    impl<'de> Deserialize<'de> for Lazy {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct LazyVisitor;
            impl<'de> Visitor<'de> for LazyVisitor {
                type Value = Lazy;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("anything")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, _: A) -> Result<Lazy, A::Error> {
                    Ok(Lazy)
                }
            }
            deserializer.deserialize_map(LazyVisitor)
        }
    }
    assert!(custom::<Lazy>(&json!({"a": 1})).is_ok());
    assert_eq!(custom::<Lazy>(&json!({"a": 1, "iss": "other"})).err(), Some("wrong_issuer"));
}

#[test]
fn no_type_sees_the_standard_claims_that_a_token_may_lack() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        #[serde(rename = "name")]
        _name: String,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    for claims in [json!({"auth_time": NOW, "epoch": 3, "dbsc": true}), json!({"dbsc": false})] {
        let reason = claims.to_string();
        assert_eq!(custom::<Map<String, Value>>(&claims), Ok(Map::new()), "{reason}");
        assert!(custom::<Nothing>(&claims).is_ok(), "{reason}");
        assert_eq!(custom::<()>(&claims), Ok(()), "{reason}");
        assert_eq!(custom::<Option<User>>(&claims), Ok(None), "{reason}");
        let mut named = claims;
        named["name"] = json!("Alice");
        assert!(custom::<Strict>(&named).is_ok(), "{reason}");
        assert_eq!(custom::<User>(&named).unwrap().name, "Alice", "{reason}");
        // These may be the application's own, so its type decides.
        (named["client_id"], named["colour"]) = (json!("web"), json!({"of": "later"}));
        assert_eq!(custom::<User>(&named).unwrap().name, "Alice", "{reason}");
        assert_eq!(custom::<()>(&named), Ok(()), "{reason}");
        assert_eq!(custom::<Strict>(&named).unwrap_err(), "bad_custom_claims", "{reason}");
    }
}

#[test]
fn the_standard_claims_that_a_token_may_lack_are_read_once() {
    for name in ["auth_time", "epoch", "dbsc"] {
        let payload = claims_but(&json!({ name: 1 }));
        let twice = format!("{},\"{name}\":1}}", payload.strip_suffix('}').unwrap());
        assert_eq!(word(&verify_payload::<()>(&twice, at(NOW))), "duplicate_member", "{name}");
    }
}
