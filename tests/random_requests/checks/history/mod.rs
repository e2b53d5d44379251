//! Histories of the whole layer: browsers, scripts, a thief and a forger, time, failures, new keys, logouts, requests that
//! overlap and that are dropped. After each step everything that must hold is looked at.

mod ledger;
mod request;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_refresh::{Clock, Handle, KeyRing, RefreshKey, SessionStore, SigningKey, Timestamp};

use self::{
    ledger::{Kind, Known, Ledger, Token},
    request::{Facts, Response_},
    steps::{Call, Jar, Key, Path, Sent, Step, User},
};
use super::{block_on, response};
use crate::support::{
    Browser, Op, World,
    browser::{REFRESH, generation, set_cookies},
    probe::{ACCESS_LIFETIME, poll_once, settle},
    store::Fault,
    world::routes,
};

pub fn check(data: &[u8]) {
    let story = Story(steps::steps(data));
    block_on(async {
        let mut history = History::new();
        for step in &story.0 {
            history.take(*step).await;
            history.ledger.watch(&history.world).await;
        }
    });
}

/// Is told when it ends badly.
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
    fails: BTreeSet<&'static str>,
    unknown: BTreeSet<User>,
    under_way: Vec<UnderWay>,
    /// A request was dropped, and the end of a session that it began perhaps goes on.
    is_unsettled: bool,
}

struct UnderWay {
    facts: Facts,
    response: Response_,
    stage: Arc<AtomicU8>,
}

/// How far a request is. In its handler it may take as long as it likes.
const IN_HANDLER: u8 = 1;
const AT_WORK: u8 = 2;

impl History {
    fn new() -> Self {
        let world = World::new();
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
                    assert_eq!(self.world.store.take_calls(), [], "a stranger has reached the store");
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
                        // Longer on its way than the grace, perhaps.
                        spoil(&mut self.ledger, &request.facts);
                    }
                }
                self.world.clock.advance(wait.duration());
            }
            Step::EndSession(choice) => {
                let sessions: Vec<_> = self.ledger.sessions.keys().copied().collect();
                if let Some(index) = usize::from(choice).checked_rem(sessions.len()) {
                    let ended = self.world.auth.end_session(sessions[index]).await;
                    assert!(ended.is_ok() || self.fails.contains("end"), "{ended:?}");
                    if ended.is_ok() {
                        self.ended(sessions[index]).await;
                    }
                }
            }
            Step::EndSubject(user) => {
                let ended = self.world.auth.end_subject(user.id()).await;
                assert!(ended.is_ok() || self.fails.contains("end subject"), "{ended:?}");
                if ended.is_ok() {
                    let (store, now) = (&self.world.store.inner, self.world.clock.now());
                    assert_eq!(store.list(&user.id().into(), now).await.unwrap(), []);
                }
            }
            Step::Break(call) => self.fail(call),
            Step::Mend => {
                self.world.store.mend();
                self.world.users.break_loads(None);
                self.fails.clear();
            }
            Step::Known(user, true) => {
                self.world.users.set(user.id(), "Somebody", "user");
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
            Step::Purge => assert!(self.world.auth.purge_expired().await.is_ok()),
        }
    }

    fn fail(&mut self, call: Call) {
        let store = &self.world.store;
        let name = match call {
            Call::Claims => {
                self.world.users.break_loads(Some(Fault::Fails));
                "claims"
            }
            Call::Create => {
                store.break_op(Op::Create, Fault::Fails);
                "create"
            }
            Call::Load => {
                store.break_op(Op::Load, Fault::Fails);
                "load"
            }
            Call::Swap => {
                store.break_op(Op::Swap, Fault::Fails);
                "swap"
            }
            Call::SwapAnyway => {
                store.break_op(Op::Swap, Fault::FailsAfterwards);
                "swap anyway"
            }
            Call::End => {
                store.break_op(Op::End, Fault::Fails);
                "end"
            }
            Call::EndAnyway => {
                store.break_op(Op::End, Fault::FailsAfterwards);
                "end"
            }
            Call::EndSubject => {
                store.break_op(Op::EndSubject, Fault::Fails);
                "end subject"
            }
        };
        self.fails.insert(name);
    }

    /// Sends a request, and does not poll it yet.
    async fn begin(&mut self, sent: Sent, is_whole: bool) -> UnderWay {
        if self.under_way.is_empty() && self.is_unsettled {
            settle().await;
            self.ledger.watch(&self.world).await;
            self.is_unsettled = false;
        }
        let is_quiet = self.under_way.is_empty() && self.fails.is_empty() && self.unknown.is_empty();
        let (facts, request) =
            Facts::new(&self.world, &self.ledger, &self.keys, &self.jars, sent, is_whole && is_quiet).await;
        if facts.jar.is_none() {
            // It may be used by two from now on.
            spoil(&mut self.ledger, &facts);
        }
        self.world.store.take_calls();
        let stage = Arc::new(AtomicU8::new(0));
        let response = Box::pin(answer(self.world.clone(), request, stage.clone()));
        UnderWay { facts, response, stage }
    }

    async fn poll(&mut self, index: usize) {
        let denied = self.ledger.denied.clone();
        if let std::task::Poll::Ready(response) = poll_once(&mut self.under_way[index].response) {
            let request = self.under_way.swap_remove(index);
            self.finish(&request, &response, &denied).await;
        }
        tokio::task::yield_now().await;
    }

    /// A response that its browser never gets.
    fn lose(&mut self, facts: &Facts) {
        for session in facts.sessions() {
            if let Some(known) = self.ledger.sessions.get_mut(&session) {
                known.lost += 1;
            }
        }
    }

    /// Looks at all that the response says, and gives it to its browser. `denied` had ended before it was last polled, and
    /// is refused for as long as an access token lives; later, what goes out is of no use.
    async fn finish(
        &mut self,
        request: &UnderWay,
        response: &Response<Bytes>,
        denied: &BTreeMap<Handle, Timestamp>,
    ) {
        self.ledger.watch(&self.world).await;
        let facts = &request.facts;
        match facts.path {
            Path::Error => assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR),
            Path::Switch => assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS),
            _ => response::is_in_order(response),
        }
        facts.judge(response);
        self.judge_cookies(facts, response).await;
        let sent = self.tokens(facts, response);
        for token in &sent {
            let ended = denied
                .get(&token.session)
                .is_some_and(|at| self.world.clock.now() < at.saturating_add(ACCESS_LIFETIME));
            assert!(!ended, "a token of an ended session goes out: {token:?}");
        }
        if matches!(facts.path, Path::Login(_) | Path::Logout) && response.status() == StatusCode::OK {
            for (session, key) in &facts.named {
                if self.keys.contains(key) {
                    self.ended(*session).await;
                }
            }
        }
        if self.fails.contains("swap anyway") {
            self.lose(facts);
        }
        if let Some(jar) = facts.jar {
            self.deliver(jar, response);
        }
    }

    async fn judge_cookies(&self, facts: &Facts, response: &Response<Bytes>) {
        let cookies = set_cookies(response.headers());
        let removes = cookies.iter().any(|(_, value)| value.is_none());
        let is_logout = matches!(facts.path, Path::Logout | Path::LogoutEverywhere);
        if facts.is_refused {
            assert!(cookies.is_empty(), "{response:?}");
        }
        if facts.path == Path::Switch {
            assert!(cookies.iter().all(|(_, value)| value.is_none()), "{response:?}");
        }
        if removes {
            let is_over = facts.is_navigation && self.is_over(facts.presented.refresh.as_ref()).await;
            assert!(is_over || is_logout && response.status() == StatusCode::OK, "{response:?}");
        }
    }

    async fn is_over(&self, refresh: Option<&Token>) -> bool {
        let Some(refresh) = refresh else { return false };
        let row = self.world.store.row(refresh.session).await;
        row.is_none_or(|row| !row.is_live(self.world.clock.now()))
    }

    /// Notes the tokens of a response, and checks whose they are.
    fn tokens(&mut self, facts: &Facts, response: &Response<Bytes>) -> Vec<Token> {
        let cookies = set_cookies(response.headers());
        let in_header =
            response.headers().get("x-access-token").map(|token| token.to_str().unwrap().to_owned());
        let (refresh, access): (Vec<_>, Vec<_>) = cookies.into_iter().partition(|(name, _)| name == REFRESH);
        let access = access.into_iter().filter_map(|(_, value)| value).chain(in_header).next();
        let refresh = refresh.into_iter().find_map(|(_, value)| value);
        let access = access.map(|text| self.ledger.add_access(&text));
        let refresh = refresh.map(|text| self.ledger.add_refresh(&text, access.as_ref()));
        let sent: Vec<_> = [access, refresh].into_iter().flatten().collect();
        let presented = facts.presented.refresh.as_ref();
        for token in &sent {
            match (facts.path, presented) {
                (Path::Login(user), _) if response.status() == StatusCode::OK => {
                    assert_eq!(token.subject.as_str(), user.id());
                    assert!(!facts.sessions().any(|session| session == token.session));
                    assert!(!matches!(token.kind, Kind::Refresh { generation: 1.. }));
                }
                (_, Some(presented)) => {
                    assert_eq!((&token.subject, token.session), (&presented.subject, presented.session));
                    if let (Kind::Refresh { generation: sent }, Kind::Refresh { generation }) =
                        (token.kind, presented.kind)
                    {
                        assert_eq!(sent, generation + 1);
                    }
                }
                (_, None) => panic!("tokens for whoever has no refresh token: {response:?}"),
            }
        }
        sent
    }

    fn deliver(&mut self, jar: Jar, response: &Response<Bytes>) {
        let jar = &mut self.jars[jar as usize];
        let before = jar.refresh().map(str::to_owned);
        jar.keep(response.headers());
        let (Some(before), Some(after)) = (before, jar.refresh()) else { return };
        let session = |text: &str| self.ledger.find(text).unwrap().session;
        if session(&before) == session(after)
            && self.ledger.sessions.get(&session(after)).is_some_and(Known::must_not_be_reuse)
        {
            assert!(generation(after) >= generation(&before), "the jar goes back");
        }
    }

    /// Once an end was acknowledged, it is in the store.
    async fn ended(&mut self, session: Handle) {
        let row = self.world.store.row(session).await;
        assert!(row.is_none_or(|row| row.ended.is_some()), "it ended, and lives on");
        self.ledger.denied.insert(session, self.world.clock.now());
    }
}

fn spoil(ledger: &mut Ledger, facts: &Facts) {
    for session in facts.sessions() {
        if let Some(known) = ledger.sessions.get_mut(&session) {
            known.is_honest = false;
        }
    }
}

/// The response, by a handler that pauses before it begins.
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
        SigningKey::hs256(secret).unwrap().with_kid(name)
    };
    let refresh = |key: Key| RefreshKey::from_bytes([key as u8; 32]).with_id(key as u8);
    let ring = KeyRing::new(signing(key)).refresh_key(refresh(key));
    match before {
        Some(before) => ring.accept(signing(before).verifying_key()).accept_refresh_key(refresh(before)),
        None => ring,
    }
}
