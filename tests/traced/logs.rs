//! All output through `tracing`, at every level.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Response, StatusCode};
use tower_refresh::{
    InvalidClaimsReason, KeyRing, Session, Timestamp,
    event::{EndReason, EventKind},
    keys::RefreshKey,
    store::SessionStore,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{
    search::{Secrets, noise},
    support::{
        Browser, Claims, ManualClock, Op, TestStore, World,
        probe::{alter_row, session_of},
        request,
        store::Fault,
    },
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    /// The lines of level ERROR since the last call.
    fn take_errors(&self) -> Vec<String> {
        let text = std::mem::take(&mut *self.0.lock().unwrap());
        text.lines().filter(|line| line.starts_with("ERROR")).map(str::to_owned).collect()
    }

    fn line(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{} {} {}", metadata.level(), metadata.target(), metadata.name()));
        record(&mut line);
        self.0.lock().unwrap().push_str(&(line.0 + "\n"));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let _ = write!(self.0, " {field}={value} {value:?}");
        let mut source = value.source();
        while let Some(error) = source {
            let _ = write!(self.0, " {error} {error:?}");
            source = error.source();
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.line(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.0.lock().unwrap().push_str(&line.0);
    }

    fn event(&self, event: &Event<'_>) {
        self.line(event.metadata(), |line| event.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Sends a GET as `browser`, and records the secrets of the request and of the response.
async fn get(
    world: &World,
    browser: &mut Browser,
    secrets: &mut Secrets,
    path: &str,
) -> Response<bytes::Bytes> {
    let response = browser.get(world, path).await;
    secrets.cookies(browser);
    response
}

/// Moves the session one generation on, and lets the access token expire.
async fn rotate(world: &World, browser: &mut Browser, secrets: &mut Secrets) {
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(get(world, browser, secrets, "/me").await.status(), StatusCode::OK);
    world.clock.advance(Duration::from_secs(600));
}

/// The refresh token of a native client that has logged in.
async fn native_login(world: &World, secrets: &mut Secrets) -> String {
    let handler = |request: http::Request<()>| async move {
        let session = Session::<Claims>::from_extensions(request.extensions()).unwrap();
        session.login_native("alice").await.unwrap().to_response()
    };
    let response = world.send_to(handler, request("/", &[])).await;
    let tokens: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    secrets.access_token(tokens["access_token"].as_str().unwrap());
    let refresh = tokens["refresh_token"].as_str().unwrap();
    secrets.refresh_token(refresh);
    refresh.to_owned()
}

#[tokio::test]
async fn a_mistake_of_the_application_is_one_error_that_names_it() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let world = World::new();
    let handler = |request: http::Request<()>| async move {
        let (request, ()) = request.into_parts();
        let Err(rejection) = Session::<()>::from_extensions(&request.extensions) else { unreachable!() };
        rejection.to_response(&request)
    };
    let agent = [("user-agent", "an agent")];
    world.send_to(handler, request("/", &agent)).await;
    let other_claims = log.take_errors();
    let [line] = &*other_claims else { panic!("{other_claims:?}") };
    for part in ["misconfigured", "claims_type_mismatch", "support::users::Claims", "user_agent=\"an agent\""]
    {
        assert!(line.contains(part), "{part}: {line}");
    }

    handler(request("/", &agent)).await;
    let missing_layer = log.take_errors();
    let [line] = &*missing_layer else { panic!("{missing_layer:?}") };
    assert!(line.contains("missing_layer") && line.contains("RefreshLayer"), "{line}");
}

#[tokio::test]
async fn no_secret_is_logged_whatever_happens_to_a_session() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut secrets = Secrets::default();
    let world = World::new();
    secrets.bytes("the HMAC secret", noise(1));
    world.auth.rotate_keys(KeyRing::hs256(noise(1)).unwrap()).unwrap();

    // A login, a valid token, a refresh by cookie and one by header, and one on demand.
    let mut browser = Browser::new();
    get(&world, &mut browser, &mut secrets, "/login/alice").await;
    get(&world, &mut browser, &mut secrets, "/me").await;
    rotate(&world, &mut browser, &mut secrets).await;
    let bearer = format!("Bearer {}", browser.access().unwrap());
    let headers = [("authorization", bearer.as_str()), ("cookie", &browser.cookie_header())];
    let response = world.send(request("/me", &headers)).await;
    secrets.access_token(response.headers()["x-access-token"].to_str().unwrap());
    browser.keep(response.headers());
    get(&world, &mut browser, &mut secrets, "/refresh").await;

    // Invalid requests: forged tokens, tokens of other shapes, another site.
    for bearer in ["Bearer", "Bearer a.b.c", &format!("{bearer}x"), &bearer.replace('.', "..")] {
        world.send(request("/me", &[("authorization", bearer)])).await;
    }
    let refresh = browser.refresh().unwrap();
    for cookie in [format!("__Host-refresh={refresh}x"), format!("__Host-refresh={}", &refresh[1..])] {
        world.send(request("/me", &[("cookie", &cookie)])).await;
    }
    let cross_site = [("cookie", browser.cookie_header()), ("sec-fetch-site", "cross-site".to_owned())];
    let cross_site = cross_site.each_ref().map(|(name, value)| (*name, value.as_str()));
    world.send(request("/logout", &cross_site)).await;

    // Every call of the store and of the claims source fails in every way, except that none hangs.
    for fault in [Fault::Fails, Fault::FailsAfterwards, Fault::Panics] {
        for op in [Op::Create, Op::Load, Op::Swap, Op::End, Op::EndSubject, Op::List] {
            let mut victim = Browser::logged_in(&world, "alice").await;
            secrets.cookies(&victim);
            world.clock.advance(Duration::from_secs(600));
            world.store.break_op(op, fault);
            for path in ["/login/bob", "/me", "/refresh", "/logout-others", "/logout-everywhere", "/logout"] {
                get(&world, &mut victim, &mut secrets, path).await;
            }
            world.store.fix();
        }
        let mut victim = Browser::logged_in(&world, "alice").await;
        secrets.cookies(&victim);
        world.clock.advance(Duration::from_secs(600));
        world.users.break_loads(Some(fault));
        for path in ["/me", "/refresh", "/login/bob"] {
            get(&world, &mut victim, &mut secrets, path).await;
        }
        world.users.break_loads(None);
    }

    // Claims that fit into no access token.
    let mut victim = Browser::logged_in(&world, "alice").await;
    secrets.cookies(&victim);
    world.clock.advance(Duration::from_secs(600));
    let claim = "Alice's private name";
    secrets.bytes("a claim", claim);
    world.users.set("alice", &claim.repeat(500), "user");
    for path in ["/me", "/refresh", "/login/alice"] {
        get(&world, &mut victim, &mut secrets, path).await;
    }
    world.users.set("alice", "Alice", "user");

    // A lost response, a copy, and stores that lost one write and several.
    let mut browser = Browser::logged_in(&world, "alice").await;
    let session = world.auth.sessions("alice", None).await.unwrap()[0].handle();
    let first_row = world.store.row(session).await.unwrap();
    let (mut lost, mut thief) = (browser.clone(), browser.clone());
    rotate(&world, &mut browser, &mut secrets).await;
    let once = browser.clone();
    lost.drop_access();
    get(&world, &mut lost, &mut secrets, "/me").await;
    rotate(&world, &mut browser, &mut secrets).await;
    for mut ahead in [once, browser.clone()] {
        let store = TestStore::default();
        store.inner.create(&first_row).await.unwrap();
        let other = World::on(world.clock.clone(), store, |builder| builder);
        other.auth.rotate_keys(KeyRing::hs256(noise(1)).unwrap()).unwrap();
        ahead.drop_access();
        get(&other, &mut ahead, &mut secrets, "/me").await;
        world.events.lock().unwrap().append(&mut other.events.lock().unwrap());
    }
    thief.drop_access();
    get(&world, &mut thief, &mut secrets, "/me").await;

    // A lost response, when the late budget is spent.
    let mut browser = Browser::logged_in(&world, "alice").await;
    let mut lost = browser.clone();
    rotate(&world, &mut browser, &mut secrets).await;
    alter_row(&world, session_of(&browser), |row| row.late_budget = Timestamp::from_millis(u64::MAX)).await;
    get(&world, &mut lost, &mut secrets, "/me").await;

    // A native client, whose token is refreshed, lost, copied, forged and ended.
    let native = native_login(&world, &mut secrets).await;
    for (advance, token) in [(600, &native), (31, &native), (600, &native), (0, &native[1..].to_owned())] {
        world.clock.advance(Duration::from_secs(advance));
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        if let Ok(tokens) = world.auth.refresh_token_grant(form.as_bytes()).await {
            secrets.access_token(tokens.access_token());
            secrets.refresh_token(tokens.refresh_token().unwrap());
        }
    }

    // New keys, and sessions that the application ends.
    let pem = include_str!("../keys/ed25519.pem");
    secrets.private_key("the Ed25519 key", pem, include_str!("../keys/ed25519.pub.pem"));
    let refresh_key: [u8; 32] = *noise(2).first_chunk().unwrap();
    secrets.bytes("the refresh key", refresh_key);
    let ring = KeyRing::ed25519_pem(pem).unwrap().refresh_key(RefreshKey::from_bytes(refresh_key));
    world.auth.rotate_keys(ring).unwrap();
    let mut browser = Browser::new();
    get(&world, &mut browser, &mut secrets, "/login/alice").await;
    rotate(&world, &mut browser, &mut secrets).await;
    world.users.remove("alice");
    get(&world, &mut browser, &mut secrets, "/me").await;
    let mut browser = Browser::new();
    get(&world, &mut browser, &mut secrets, "/login/bob").await;
    world.auth.end_subject("bob").await.unwrap();
    get(&world, &mut browser, &mut secrets, "/me").await;
    get(&world, &mut browser, &mut secrets, "/logout").await;
    world.auth.purge_dead().await.unwrap();

    let events = world.events.lock().unwrap().clone();
    for kind in [
        EventKind::Login,
        EventKind::Late,
        EventKind::Spent,
        EventKind::Reuse,
        EventKind::Ahead,
        EventKind::Impossible,
        EventKind::End(EndReason::Logout),
        EventKind::End(EndReason::Disabled),
        EventKind::StoreFailed,
        EventKind::ClaimsFailed,
        EventKind::InvalidClaims(InvalidClaimsReason::TooLarge),
    ] {
        assert!(events.iter().any(|event| event.kind == kind), "no {kind:?} happened");
        assert!(log.text().contains(&format!("event={:?}", kind.as_str())), "{kind:?} is not in the log");
    }
    secrets.assert_absent("the log", &log.text());
    secrets.assert_absent("an event", &format!("{events:?} {events:#?}"));
}

#[tokio::test]
async fn the_reason_why_the_feed_is_lost_is_logged() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let store = TestStore::default();
    store.lose_feed();
    let world = World::on(ManualClock::new(), store, |builder| builder);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.take_events(), [EventKind::FeedLost]);
    let text = log.text();
    let reason = text.lines().find(|line| line.starts_with("ERROR tower_refresh "));
    assert!(reason.is_some_and(|line| line.contains("the session store is unavailable")), "{text}");
}
