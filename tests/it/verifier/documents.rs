//! Documents in the place of the issuer's keys: `tests/attacks/jwks.json` lists them, each with its reason. A service that has keys
//! fetches them.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_refresh::{InvalidTokenReason, VerifyError, event::EventKind};

use super::{
    issuer::Key,
    service::{Service, with_bearer},
};
use crate::{
    attacks::forge::{latin1, repeated},
    support::probe::settle,
};

/// A document, or a key as it differs from a valid one: `tests/attacks/README` describes the fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    reason: String,
    document: Option<String>,
    #[serde(default)]
    latin1: bool,
    pad_to: Option<usize>,
    key: Option<String>,
    #[serde(default)]
    change: Map<String, Value>,
    expect: String,
}

const REFRESH_EVERY: Duration = Duration::from_secs(10 * 60);
const COOLDOWN: Duration = Duration::from_secs(30);

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("../../attacks/jwks.json")).unwrap()
}

impl Row {
    /// The whole document of a row that is about one.
    fn bytes(&self, template: &str) -> Vec<u8> {
        let text = if template.contains('*') { repeated(template) } else { template.to_owned() };
        let mut text = text.replace('\'', "\"");
        for (place, key) in [("{ed2}", Key::Ed2), ("{es256}", Key::Es256)] {
            text = text.replace(place, &key.jwk().to_string());
        }
        let mut bytes = if self.latin1 { latin1(&text) } else { text.into_bytes() };
        bytes.resize(self.pad_to.unwrap_or(bytes.len()), b' ');
        bytes
    }

    /// The key of a row that is about one, and a token that names it and that it would verify if it were not changed.
    fn changed(&self, name: &str) -> (Value, String) {
        let key = [Key::Ed, Key::Es256, Key::Es384, Key::Rs256].into_iter().find(|key| key.kid() == name);
        let key = key.unwrap_or_else(|| panic!("{name}"));
        let mut jwk = key.jwk();
        // Not that of the key that the service has.
        jwk["kid"] = "attacked".into();
        let members = jwk.as_object_mut().unwrap();
        for (name, value) in &self.change {
            match value {
                Value::Null => drop(members.remove(name)),
                value => drop(members.insert(name.clone(), value.clone())),
            }
        }
        let token = lasting(key, jwk["kid"].as_str().unwrap_or("attacked"));
        (jwk, token)
    }
}

/// A token that is valid for a very long time.
fn lasting(key: Key, kid: &str) -> String {
    key.token(&json!({"kid": kid}), &json!({"exp": 4_000_000_000u64}))
}

/// A service whose keys are due to be fetched again, as this document.
async fn fetching(document: Vec<u8>) -> Service {
    let service = Service::new();
    service.verifier.load().await.unwrap();
    service.clock.advance(REFRESH_EVERY);
    service.endpoint.publish_document(document);
    assert_eq!(service.send(with_bearer(&lasting(Key::Ed, "ed"))).await.status(), 200);
    settle().await;
    assert_eq!(service.endpoint.calls(), 2);
    service
}

async fn verdict(service: &Service, token: &str) -> &'static str {
    match service.verifier.verify(token).await {
        Ok(_) => "valid",
        Err(VerifyError::Invalid(reason)) => reason.as_str(),
        Err(error) => panic!("{error}"),
    }
}

/// The document is no usable set: an event reports it, the former keys go on, and so does the service with the next set.
async fn check_failure(what: &str, document: Vec<u8>, expected: &str) {
    let service = fetching(document).await;
    let events = service.take_events();
    let [EventKind::JwksFailed(reason)] = events.as_slice() else { panic!("{what}: {events:?}") };
    assert_eq!(reason.as_str(), expected, "{what}");
    for _ in 0..2 {
        assert_eq!(verdict(&service, &lasting(Key::Ed, "ed")).await, "valid", "{what}");
        for (key, kid) in [(Key::Ed2, "ed2"), (Key::Es256, "es256"), (Key::Es256, "attacked")] {
            assert_eq!(verdict(&service, &lasting(key, kid)).await, "unknown_key", "{what}: {kid}");
        }
    }
    assert_eq!(service.take_events(), [], "{what}");
    assert_eq!(service.endpoint.calls(), 2, "{what}");

    service.endpoint.publish(&[Key::Ed2]);
    service.clock.advance(COOLDOWN);
    assert_eq!(verdict(&service, &lasting(Key::Ed2, "ed2")).await, "valid", "{what}: the next set");
    assert_eq!(service.take_events(), [EventKind::JwksRestored], "{what}");
    assert_eq!(verdict(&service, &lasting(Key::Ed, "ed")).await, "unknown_key", "{what}: the next set");
}

#[tokio::test]
async fn a_document_that_is_no_usable_set_is_reported_and_the_former_keys_go_on() {
    for row in rows() {
        let Some(document) = &row.document else { continue };
        let document = row.bytes(document);
        if row.expect != "used" {
            check_failure(&row.reason, document, &row.expect).await;
            continue;
        }
        let service = fetching(document).await;
        assert_eq!(service.take_events(), [], "{}", row.reason);
        assert_eq!(verdict(&service, &lasting(Key::Ed2, "ed2")).await, "valid", "{}", row.reason);
        assert_eq!(verdict(&service, &lasting(Key::Ed, "ed")).await, "unknown_key", "{}", row.reason);
    }
}

#[tokio::test]
async fn a_key_that_is_not_usable_is_passed_over() {
    let mut wrong = Vec::new();
    for row in rows() {
        let Some(name) = &row.key else { continue };
        let (jwk, token) = row.changed(name);
        let service = fetching(json!({"keys": [jwk, Key::Ed2.jwk()]}).to_string().into_bytes()).await;
        assert_eq!(service.take_events(), [], "{}", row.reason);
        assert_eq!(verdict(&service, &lasting(Key::Ed2, "ed2")).await, "valid", "{}", row.reason);
        let expected = if row.expect == "used" { "valid" } else { "unknown_key" };
        let found = verdict(&service, &token).await;
        if found != expected {
            wrong.push(format!("{}: {found}, not {expected}", row.reason));
        }
        if row.expect != "used" && found == expected {
            let alone = json!({"keys": [jwk]}).to_string().into_bytes();
            check_failure(&row.reason, alone, "no_usable_key").await;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_first_document_that_is_no_usable_set_leaves_the_service_without_keys() {
    for row in rows() {
        let Some(document) = row.document.as_ref().filter(|_| row.expect != "used") else { continue };
        let service = Service::new();
        service.endpoint.publish_document(row.bytes(document));
        let what = &row.reason;
        assert_eq!(service.status(&lasting(Key::Ed2, "ed2")).await, 503, "{what}");
        assert_eq!(service.take_events().len(), 1, "{what}");
        assert!(!service.verifier.is_ready(), "{what}");
        // What needs no key is judged all the same.
        let malformed = VerifyError::Invalid(InvalidTokenReason::Malformed);
        assert_eq!(service.verifier.verify("x").await.unwrap_err(), malformed, "{what}");
        service.endpoint.publish(&[Key::Ed2]);
        service.clock.advance(Duration::from_secs(1));
        assert_eq!(service.status(&lasting(Key::Ed2, "ed2")).await, 200, "{what}");
    }
}

#[test]
fn every_document_is_listed_once() {
    let rows = rows();
    let names: BTreeSet<_> = rows.iter().map(|row| &row.reason).collect();
    assert_eq!(names.len(), rows.len());
    let contents: BTreeSet<_> = rows
        .iter()
        .map(|row| match (&row.document, &row.key) {
            (Some(document), None) => row.bytes(document),
            (None, Some(key)) => row.changed(key).0.to_string().into_bytes(),
            _ => panic!("{}: either a document or a key", row.reason),
        })
        .collect();
    assert_eq!(contents.len(), rows.len());
    assert!(rows.iter().filter(|row| row.expect != "used").count() >= 140);
}
