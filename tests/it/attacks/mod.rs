//! Forged, malformed and unusual tokens: `tests/attacks` lists them, each with its reason.

pub(crate) mod forge;
mod refresh;

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use forge::{Forgery, OF_THE_RING, valid_header};
use http::{HeaderValue, Request, StatusCode, header::WWW_AUTHENTICATE};
use tower_refresh::{Clock, Rejection, RejectionKind, event::EventKind};

use crate::support::{World, browser::ACCESS, request};

pub(crate) const FILES: [(&str, &str); 7] = [
    ("algorithms", include_str!("../../attacks/algorithms.json")),
    ("header", include_str!("../../attacks/header.json")),
    ("claims", include_str!("../../attacks/claims.json")),
    ("dates", include_str!("../../attacks/dates.json")),
    ("json", include_str!("../../attacks/json.json")),
    ("shape", include_str!("../../attacks/shape.json")),
    ("signature", include_str!("../../attacks/signature.json")),
];

/// A token, and the name of the reason why it is rejected, or `ok`.
struct Attack {
    name: String,
    token: Vec<u8>,
    expect: String,
}

fn world() -> World {
    let world = World::new();
    world.auth.rotate_keys(forge::ring()).unwrap();
    world
}

fn attacks(world: &World) -> Vec<Attack> {
    let now = world.clock.now().as_secs();
    FILES
        .into_iter()
        .flat_map(|(file, json)| {
            let rows: Vec<Forgery> =
                serde_json::from_str(json).unwrap_or_else(|error| panic!("{file}: {error}"));
            rows.into_iter().map(move |row| Attack {
                name: format!("{file}: {}", row.reason),
                token: row.token(&OF_THE_RING, now),
                expect: row.expect,
            })
        })
        .collect()
}

fn with_header(path: &str, name: &'static str, before: &str, token: &[u8]) -> Request<()> {
    let mut request = request(path, &[]);
    let value = HeaderValue::from_bytes(&[before.as_bytes(), token].concat()).unwrap();
    request.headers_mut().insert(name, value);
    request
}

#[tokio::test]
async fn a_forged_bearer_token_is_rejected_for_its_own_reason_and_a_valid_one_is_accepted() {
    let world = world();
    let (mut wrong, mut names, mut texts) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for Attack { name, token, expect } in attacks(&world) {
        let me = world.send(with_header("/me", "authorization", "Bearer ", &token)).await;
        let found = match me.extensions().get::<Rejection>().map(Rejection::kind) {
            None if me.body() == "alice" => "ok",
            Some(RejectionKind::InvalidToken(reason)) => {
                names.insert(reason.as_str());
                texts.insert(reason.to_string());
                reason.as_str()
            }
            other => panic!("{name}: {me:?} {other:?}"),
        };
        if found != expect {
            wrong.push(format!("{name}: {found}, not {expect}"));
            continue;
        }
        if found == "ok" {
            assert_eq!(me.status(), StatusCode::OK, "{name}");
        } else {
            assert_eq!(me.status(), StatusCode::UNAUTHORIZED, "{name}");
            let challenge = me.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{name}: {challenge}");
            let optional = world.send(with_header("/optional", "authorization", "Bearer ", &token)).await;
            assert_eq!(optional.status(), StatusCode::UNAUTHORIZED, "{name}");
        }
        let public = world.send(with_header("/public", "authorization", "Bearer ", &token)).await;
        assert_eq!(public.status(), StatusCode::OK, "{name}");
        assert_eq!(public.body(), if expect == "ok" { "alice" } else { "-" }, "{name}");
        assert!(!public.headers().contains_key("set-cookie"), "{name}");
        assert_eq!(world.store.take_calls(), [], "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(texts.len(), names.len(), "each reason has its own text: {texts:?}");
    let events = world.take_events();
    assert!(events.iter().all(|kind| matches!(kind, EventKind::Rejected(_))), "{events:?}");
}

#[tokio::test]
async fn a_forged_access_cookie_is_anonymous_and_no_error() {
    let world = world();
    let cookie = format!("{ACCESS}=");
    for Attack { name, token, expect } in attacks(&world) {
        let (valid, who) = if expect == "ok" { (true, "alice") } else { (false, "-") };
        for path in ["/optional", "/public"] {
            let response = world.send(with_header(path, "cookie", &cookie, &token)).await;
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            assert_eq!(response.body(), who, "{name}");
            assert!(!response.headers().contains_key("set-cookie"), "{name}");
        }
        let me = world.send(with_header("/me", "cookie", &cookie, &token)).await;
        let kind = me.extensions().get::<Rejection>().map(|rejection| rejection.kind().clone());
        assert_eq!(kind, (!valid).then_some(RejectionKind::Unauthenticated), "{name}");
        assert_eq!(world.store.take_calls(), [], "{name}");
    }
    assert_eq!(world.take_events(), []);
}

#[tokio::test]
async fn a_token_of_the_real_issuer_is_like_the_valid_one_of_the_attacks() {
    let world = world();
    let login = world.send(request("/login/alice", &[])).await;
    let header = login.body().split(|byte| *byte == b'.').next().unwrap();
    assert_eq!(header, URL_SAFE_NO_PAD.encode(valid_header(&OF_THE_RING)).as_bytes());
}

#[test]
fn every_attack_is_listed_once() {
    let attacks = attacks(&world());
    let names: BTreeSet<_> = attacks.iter().map(|attack| &attack.name).collect();
    let tokens: BTreeSet<_> = attacks.iter().map(|attack| &attack.token).collect();
    assert_eq!(names.len(), attacks.len());
    // ECDSA and PSS signatures are randomised, so this finds only duplicates with HMAC, RSA PKCS#1 and Ed25519.
    assert_eq!(tokens.len(), attacks.len());
    let rejected = attacks.iter().filter(|attack| attack.expect != "ok").count();
    assert!(rejected >= 150, "{rejected}");
}
