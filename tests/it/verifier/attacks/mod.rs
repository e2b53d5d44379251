//! Forged, malformed and unusual tokens, and tokens of other kinds, at a verifier: for each kind of issuer that it can be configured
//! for.

mod issuers;

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Request, StatusCode, header::WWW_AUTHENTICATE};
use issuers::{ISSUERS, Issuer, OWN};
use serde::Deserialize;
use tower_refresh::{
    KeyRing, Rejection, RejectionKind, Verifier, VerifyError,
    event::{EventKind, RejectionReason},
};

use super::{issuer::NOW, service::Service};
use crate::{
    attacks::{
        FILES,
        forge::{self, Forgery},
    },
    support::{World, browser::ACCESS, request, world},
};

const ALL: &str = include_str!("../../../attacks/verifier/all.json");

const INSTEAD: &str = include_str!("../../../attacks/verifier/instead.json");

/// Rows whose tokens end otherwise at a service for these issuers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instead {
    issuers: Vec<String>,
    because: String,
    expect: String,
    rows: Vec<String>,
}

/// A token, and the name of the reason why it is rejected, or `ok`.
struct Attack {
    name: String,
    token: Vec<u8>,
    expect: String,
}

fn attacks(issuer: &Issuer) -> Vec<Attack> {
    let mut instead = instead(issuer);
    let mut attacks = Vec::new();
    for (file, json) in FILES.into_iter().chain([("verifier", ALL), (issuer.name, issuer.json)]) {
        let rows: Vec<Forgery> = serde_json::from_str(json).unwrap_or_else(|error| panic!("{file}: {error}"));
        for row in rows {
            let name = format!("{file}: {}", row.reason);
            let token = row.token(&issuer.valid, NOW);
            let expect = instead.remove(&name);
            assert_ne!(expect.as_ref(), Some(&row.expect), "{}: {name} does not differ", issuer.name);
            attacks.push(Attack { name, token, expect: expect.unwrap_or(row.expect) });
        }
    }
    assert!(instead.is_empty(), "{}: no such rows: {instead:?}", issuer.name);
    attacks
}

/// The names of the rows that differ for this issuer, with their ends.
fn instead(issuer: &Issuer) -> BTreeMap<String, String> {
    let all: Vec<Instead> = serde_json::from_str(INSTEAD).unwrap();
    let mut instead = BTreeMap::new();
    for Instead { issuers, because, expect, rows } in all {
        assert!(!because.is_empty());
        assert!(issuers.iter().all(|name| ISSUERS.iter().any(|issuer| issuer.name == name)), "{issuers:?}");
        for row in rows.into_iter().filter(|_| issuers.iter().any(|name| name == issuer.name)) {
            assert_eq!(instead.insert(row.clone(), expect.clone()), None, "{row} twice");
        }
    }
    instead
}

/// A service that has the keys of the issuer, which are those of an `Auth` and its older ones.
async fn service(issuer: &Issuer) -> Service {
    let builder = Verifier::builder().issuer(world::ISSUER).audience(world::AUDIENCE).access_cookie(ACCESS);
    let service = Service::of((issuer.configure)(builder));
    service.endpoint.publish_document(jwks(&auth(forge::ring())));
    service.verifier.load().await.unwrap();
    service
}

fn auth(keys: KeyRing) -> World {
    let world = World::new();
    world.auth.rotate_keys(keys).unwrap();
    world
}

fn jwks(world: &World) -> String {
    serde_json::to_string(&world.auth.jwks()).unwrap()
}

fn with(name: &'static str, before: &str, token: &[u8]) -> Request<()> {
    let mut request = request("/optional", &[]);
    let value = HeaderValue::from_bytes(&[before.as_bytes(), token].concat()).unwrap();
    request.headers_mut().insert(name, value);
    request
}

/// What becomes of a token in each place where one can be: `ok`, or the name of the reason.
async fn verdict(service: &Service, Attack { name, token, .. }: &Attack) -> String {
    let response = service.send(with("authorization", "Bearer ", token)).await;
    let verdict = match response.extensions().get::<Rejection>().map(Rejection::kind) {
        None if response.body() == "alice" => "ok",
        Some(RejectionKind::InvalidToken(reason)) => {
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{name}: {challenge}");
            reason.as_str()
        }
        other => panic!("{name}: {response:?} {other:?}"),
    };
    let response = service.send(with("cookie", &format!("{ACCESS}="), token)).await;
    let user = if verdict == "ok" { "alice" } else { "-" };
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, user.as_bytes()), "{name}");
    // The header's own blanks are no part of the token.
    if let Ok(token) = str::from_utf8(token.trim_ascii_end()) {
        let here = match service.verifier.verify(token).await {
            Ok(user) => {
                assert_eq!(user.subject().as_str(), "alice", "{name}");
                "ok"
            }
            Err(VerifyError::Invalid(reason)) => reason.as_str(),
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!(here, verdict, "{name}");
    }
    verdict.to_owned()
}

async fn check(issuer: &Issuer) {
    let service = service(issuer).await;
    let attacks = attacks(issuer);
    let (mut wrong, mut rejected, mut accepted) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for attack in &attacks {
        let found = verdict(&service, attack).await;
        if found != attack.expect {
            wrong.push(format!("{}: {found}, not {}", attack.name, attack.expect));
        }
        if found == "ok" { &mut accepted } else { &mut rejected }.insert(&attack.token);
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", issuer.name);
    assert!(rejected.len() >= 300, "{}: {} rejected", issuer.name, rejected.len());
    assert!(accepted.len() >= 30, "{}: {} accepted", issuer.name, accepted.len());
    let names: BTreeSet<_> = attacks.iter().map(|attack| &attack.name).collect();
    assert_eq!(names.len(), attacks.len(), "{}: each row has a name of its own", issuer.name);
    assert_eq!(service.endpoint.calls(), 1, "{}: no token makes it fetch the keys again", issuer.name);
    let is_rejection =
        |kind: &EventKind| matches!(kind, EventKind::Rejected(RejectionReason::InvalidToken(_)));
    assert!(service.take_events().iter().all(is_rejection), "{}", issuer.name);
    // Nothing of all that is in its way.
    assert_eq!(verdict(&service, &attacks[0]).await, "ok");
}

macro_rules! issuers {
    ($($name:ident)*) => {$(
        #[tokio::test]
        async fn $name() {
            let name = stringify!($name).strip_prefix("tokens_of_").unwrap();
            check(ISSUERS.iter().find(|issuer| issuer.name == name).unwrap()).await;
        }
    )*};
}

issuers! { tokens_of_own tokens_of_rfc9068 tokens_of_keycloak tokens_of_auth0 tokens_of_entra tokens_of_untyped }

#[tokio::test]
async fn the_tokens_of_a_real_auth_are_those_of_the_own_issuer() {
    let auth = auth(forge::ring_of_ed());
    let login = auth.send(request("/login/alice", &[])).await;
    let token = str::from_utf8(login.body()).unwrap();
    let header = token.split('.').next().unwrap();
    assert_eq!(header, URL_SAFE_NO_PAD.encode(forge::valid_header(&OWN.valid)));
    let service = service(&OWN).await;
    assert_eq!(service.verifier.verify(token).await.unwrap().subject().as_str(), "alice");
}
