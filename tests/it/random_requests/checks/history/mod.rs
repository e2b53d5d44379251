//! Histories of the whole layer: browsers, scripts, a thief and a forger, time, failures, new keys, logouts, requests that
//! overlap and that are dropped. The invariants are checked after each step.

mod ledger;
mod request;
mod steps;
mod verdict;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use tower_refresh::{
    Assessment, Clock, DeviceBinding, KeyRing,
    keys::{Algorithm, RefreshKey, SigningKey},
    store::{Page, SessionStore},
};

use self::{
    ledger::{Ledger, Token},
    request::{Facts, InFlight, Who},
    steps::{Call, Client, Key, Path, Sent, Step, User},
};
use super::block_on;
use crate::support::{
    Browser, World,
    probe::{ACCESS_LIFETIME, poll_once, settle},
    world::routes,
};

/// With each assessment, so that the application's objection is to the same requests that are served without it; and with each device
/// binding, which changes nothing, since no session is bound.
pub fn check(data: &[u8]) {
    let story = Story(steps::steps(data));
    let settings = [
        (Assessment::Allow, None),
        (Assessment::Allow, Some(DeviceBinding::Enforce)),
        (Assessment::RequireLogin, Some(DeviceBinding::Observe)),
        (Assessment::EndSession, None),
    ];
    for (assessment, binding) in settings {
        block_on(async {
            let mut history = History::new(assessment, binding);
            for step in &story.0 {
                history.take(*step).await;
                history.ledger.watch(&history.world).await;
            }
        });
    }
}

/// Prints its steps when the test panics.
struct Story(Vec<Step>);

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:#?}", self.0);
        }
    }
}

struct History {
    world: World,
    jars: [Browser; 3],
    ledger: Ledger,
    keys: Vec<Key>,
    fails: BTreeSet<Call>,
    unknown: BTreeSet<User>,
    under_way: Vec<UnderWay>,
    /// A request was dropped, and a session end that it started may still be running.
    is_unsettled: bool,
    /// What the application makes of the refreshes of [`COPIER`].
    assessment: Assessment,
}

struct UnderWay {
    facts: Facts,
    response: InFlight,
    stage: Arc<AtomicU8>,
}

/// The user agent of those that present copies of tokens.
const COPIER: &str = "copier";

/// The stage of a request. In its handler it may take any time.
const IN_HANDLER: u8 = 1;
const AT_WORK: u8 = 2;

impl History {
    fn new(assessment: Assessment, binding: Option<DeviceBinding>) -> Self {
        let world = World::with(|builder| {
            let builder = match binding {
                Some(binding) => builder.device_binding(binding),
                None => builder,
            };
            builder.assess(move |attempt| match attempt.user_agent() {
                Some(COPIER) => assessment,
                _ => Assessment::Allow,
            })
        });
        world.auth.rotate_keys(ring(Key::One, None)).unwrap();
        world.store.pause_in_calls();
        Self {
            world,
            jars: Default::default(),
            ledger: Ledger::default(),
            keys: vec![Key::One],
            fails: BTreeSet::new(),
            unknown: BTreeSet::new(),
            under_way: Vec::new(),
            is_unsettled: false,
            assessment,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Send(sent) => {
                let mut request = self.begin(sent, true).await;
                let denied = self.ledger.denied.clone();
                let response = request.response.as_mut().await;
                let is_whole = self.under_way.is_empty();
                if is_whole && request.facts.is_strangers() {
                    assert_eq!(
                        self.world.store.take_calls(),
                        [],
                        "a request without a real token has reached the store"
                    );
                }
                self.finish(&request, &response, &denied).await;
            }
            Step::Begin(sent) => {
                let request = self.begin(sent, false).await;
                self.under_way.push(request);
                self.poll(self.under_way.len() - 1).await;
            }
            Step::Poll(choice) => {
                if let Some(index) = usize::from(choice).checked_rem(self.under_way.len()) {
                    self.poll(index).await;
                }
            }
            Step::Drop(choice) => {
                if let Some(index) = usize::from(choice).checked_rem(self.under_way.len()) {
                    let dropped = self.under_way.swap_remove(index);
                    self.is_unsettled = true;
                    if dropped.stage.load(Ordering::SeqCst) >= AT_WORK {
                        self.lose(&dropped.facts);
                    }
                }
            }
            Step::Wait(wait) => {
                for request in &self.under_way {
                    if request.stage.load(Ordering::SeqCst) != IN_HANDLER {
                        // It may be under way for longer than the grace period.
                        spoil(&mut self.ledger, &request.facts);
                    }
                }
                self.world.clock.advance(wait.duration());
            }
            Step::EndSession(choice) => {
                let sessions: Vec<_> = self.ledger.sessions.keys().copied().collect();
                if let Some(index) = usize::from(choice).checked_rem(sessions.len()) {
                    let ended = self.world.auth.end_session(sessions[index]).await;
                    let may_fail = [Call::End, Call::EndAnyway].iter().any(|call| self.fails.contains(call));
                    assert!(ended.is_ok() || may_fail, "{ended:?}");
                    if ended.is_ok() {
                        self.ended(sessions[index]).await;
                    }
                }
            }
            Step::EndSubject(user) => {
                let ended = self.world.auth.end_subject(user.id()).await;
                assert!(ended.is_ok() || self.fails.contains(&Call::EndSubject), "{ended:?}");
                if ended.is_ok() {
                    let (store, now) = (&self.world.store.inner, self.world.clock.now());
                    assert_eq!(store.list(&user.id().into(), now, Page::first(10_000)).await.unwrap(), []);
                }
            }
            // A login in progress may still have the former claims, and is then sent no access token.
            Step::ReloadClaims(_)
                if self.under_way.iter().any(|request| matches!(request.facts.path, Path::Login(_))) => {}
            Step::ReloadClaims(user) => {
                assert!(self.world.auth.reload_claims(user.id()).await.is_ok());
            }
            Step::Break(call) => self.fail(call),
            Step::Fix => {
                self.world.store.fix();
                self.world.users.break_loads(None);
                self.fails.clear();
            }
            Step::Known(user, true) => {
                self.world.users.set(user.id(), "Someone", "user");
                self.unknown.remove(&user);
            }
            Step::Known(user, false) => {
                self.world.users.remove(user.id());
                self.unknown.insert(user);
            }
            Step::Keys(key, keeps) => {
                let before = self.keys.first().copied().filter(|before| keeps && *before != key);
                self.world.auth.rotate_keys(ring(key, before)).unwrap();
                self.keys = [Some(key), before].into_iter().flatten().collect();
            }
            Step::Purge => assert!(self.world.auth.purge_dead().await.is_ok()),
        }
    }

    fn fail(&mut self, call: Call) {
        match call.fault() {
            Some((op, fault)) => self.world.store.break_op(op, fault),
            None => self.world.users.break_loads_and_claims(),
        }
        self.fails.insert(call);
    }

    /// Sends a request, and does not poll it yet.
    async fn begin(&mut self, sent: Sent, is_whole: bool) -> UnderWay {
        if self.under_way.is_empty() && self.is_unsettled {
            settle().await;
            self.ledger.watch(&self.world).await;
            self.is_unsettled = false;
        }
        let is_quiet = self.under_way.is_empty() && self.fails.is_empty() && self.unknown.is_empty();
        let is_refused = self.assessment != Assessment::Allow && matches!(sent.client, Client::Copy { .. });
        let (mut facts, mut request) =
            Facts::new(&self.world, &self.ledger, &self.keys, &self.jars, sent, is_whole && is_quiet).await;
        if matches!(sent.client, Client::Copy { .. }) {
            request.headers_mut().insert("user-agent", HeaderValue::from_static(COPIER));
        }
        if is_refused {
            facts.refuse();
        }
        if facts.who == Who::Anonymous && !is_refused {
            facts.who = self.user_of_an_older_load(&facts);
        }
        if facts.jar.is_none() {
            // From now on two clients may use the token.
            spoil(&mut self.ledger, &facts);
        }
        self.world.store.take_calls();
        let stage = Arc::new(AtomicU8::new(0));
        let response = Box::pin(answer(self.world.clone(), request, stage.clone()));
        UnderWay { facts, response, stage }
    }

    /// A request shares the load that is under way for its refresh token, whose result dates from when it began. A server
    /// limits this time; here hours may pass meanwhile, until no server remembers that the session was denied.
    fn user_of_an_older_load(&self, facts: &Facts) -> Who {
        let same = |token: &&Token| {
            let of =
                |other: &UnderWay| other.facts.presented.refresh.as_ref().map(|other| other.text.clone());
            self.under_way.iter().any(|other| of(other).as_ref() == Some(&token.text))
        };
        let is_forgotten = |token: &Token| {
            let denied_at = self.ledger.denied.get(&token.session);
            denied_at.is_some_and(|at| self.world.clock.now() >= at.saturating_add(ACCESS_LIFETIME))
        };
        match facts.presented.refresh.as_ref().filter(same) {
            Some(token) if is_forgotten(token) => Who::Perhaps(token.subject.to_string()),
            _ => Who::Anonymous,
        }
    }

    async fn poll(&mut self, index: usize) {
        let denied = self.ledger.denied.clone();
        if let Poll::Ready(response) = poll_once(&mut self.under_way[index].response) {
            let request = self.under_way.swap_remove(index);
            self.finish(&request, &response, &denied).await;
        }
        tokio::task::yield_now().await;
    }
}

fn spoil(ledger: &mut Ledger, facts: &Facts) {
    for session in facts.sessions() {
        if let Some(known) = ledger.sessions.get_mut(&session) {
            known.is_honest = false;
        }
    }
}

/// The response of a handler that pauses before it begins.
async fn answer(world: World, request: Request<()>, stage: Arc<AtomicU8>) -> Response<Bytes> {
    let handler = move |request| {
        let stage = stage.clone();
        async move {
            stage.store(IN_HANDLER, Ordering::SeqCst);
            tokio::task::yield_now().await;
            stage.store(AT_WORK, Ordering::SeqCst);
            routes(request).await
        }
    };
    world.send_to(handler, request).await
}

fn ring(key: Key, before: Option<Key>) -> KeyRing {
    let signing = |key: Key| {
        let (name, secret) = match key {
            Key::One => ("one", [1; 32]),
            Key::Two => ("two", [2; 32]),
            Key::Three => ("three", [3; 32]),
        };
        SigningKey::from_secret(Algorithm::Hs256, secret).unwrap().with_kid(name)
    };
    let refresh = |key: Key| RefreshKey::from_bytes([key as u8; 32]).with_id(key as u8);
    let ring = KeyRing::new(signing(key)).refresh_key(refresh(key));
    match before {
        Some(before) => ring.accept(signing(before).verifying_key()).accept_refresh_key(refresh(before)),
        None => ring,
    }
}
