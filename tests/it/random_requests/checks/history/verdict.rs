//! Checks a response, and delivers it to its browser.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, StatusCode};
use tower_refresh::{Clock, SessionHandle, Timestamp, event::EndReason};

use super::super::response;
use super::{
    History, UnderWay,
    ledger::{Kind, Known, Token},
    request::{Facts, Who},
    steps::{Call, Jar, Path},
};
use crate::support::{
    browser::{REFRESH, generation, set_cookies},
    probe::{ACCESS_LIFETIME, carries_nothing},
    world::BRIEF_ABSOLUTE,
};

impl History {
    /// Records a response that its browser never gets.
    pub(super) fn lose(&mut self, facts: &Facts) {
        for session in facts.sessions() {
            if let Some(known) = self.ledger.sessions.get_mut(&session) {
                known.lost += 1;
            }
        }
    }

    /// A response that switches protocols may have spent late budget, and carries no token. A loss is the cause of it.
    fn lose_late_use(&mut self, facts: &Facts) {
        for session in facts.sessions() {
            if let Some(known) = self.ledger.sessions.get_mut(&session).filter(|known| known.lost > 0) {
                known.lost += 1;
            }
        }
    }

    /// Checks the response, and delivers it to its browser. The sessions in `denied` had ended before the request was last
    /// polled, and are rejected for the lifetime of an access token. Later, tokens that go out are of no use.
    pub(super) async fn finish(
        &mut self,
        request: &UnderWay,
        response: &Response<Bytes>,
        denied: &BTreeMap<SessionHandle, Timestamp>,
    ) {
        self.ledger.watch(&self.world).await;
        let facts = &request.facts;
        match facts.path {
            Path::Error => assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR),
            Path::Switch => assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS),
            _ => response::assert_consistent(response),
        }
        facts.check(response);
        if facts.path == Path::Switch {
            self.lose_late_use(facts);
        }
        self.check_cookies(facts, response).await;
        let sent = self.tokens(facts, response);
        self.check_lifetimes(response, &sent).await;
        for token in &sent {
            let ended = denied
                .get(&token.session)
                .is_some_and(|at| self.world.clock.now() < at.saturating_add(ACCESS_LIFETIME));
            assert!(!ended, "a token of an ended session goes out: {token:?}");
            self.ledger.assert_current(token, self.world.clock.now());
        }
        if (facts.path.login().is_some() || matches!(facts.path, Path::Reauthenticate | Path::Logout))
            && response.status() == StatusCode::OK
        {
            for (session, key) in &facts.named {
                if self.keys.contains(key) {
                    self.ended(*session).await;
                }
            }
        }
        if self.fails.contains(&Call::SwapAnyway) {
            self.lose(facts);
        }
        if let Some(jar) = facts.jar {
            self.deliver(jar, response);
        }
    }

    async fn check_cookies(&self, facts: &Facts, response: &Response<Bytes>) {
        let cookies = set_cookies(response.headers());
        let removes = cookies.iter().any(|(_, value)| value.is_none());
        let is_logout = matches!(facts.path, Path::Logout | Path::LogoutEverywhere);
        if facts.is_rejected {
            assert!(cookies.is_empty(), "{response:?}");
        }
        let is_changed = is_logout || facts.path.login().is_some() || facts.path == Path::Reauthenticate;
        // An objection of the application concerns refresh tokens: an access token may still replace the data of its session.
        let sets_data = facts.path == Path::SetData && facts.presented.access.is_some();
        if (facts.is_elsewhere || facts.is_refused && !sets_data) && !is_changed {
            let is_removal = facts.is_navigation && cookies.iter().all(|(_, value)| value.is_none());
            assert!(carries_nothing(response) || facts.is_refused && is_removal, "{response:?}");
        }
        if facts.is_elsewhere && !is_changed {
            assert!(carries_nothing(response), "{response:?}");
        }
        if facts.path == Path::Switch {
            assert!(cookies.iter().all(|(_, value)| value.is_none()), "{response:?}");
        }
        if removes {
            let is_over = facts.is_navigation && self.is_over(facts.presented.refresh.as_ref()).await;
            assert!(is_over || is_logout && response.status() == StatusCode::OK, "{response:?}");
        }
    }

    /// No token outlives its session, and its cookies have a `Max-Age` unless the login chose otherwise.
    async fn check_lifetimes(&self, response: &Response<Bytes>, sent: &[Token]) {
        let cookies = response.headers().get_all("set-cookie").iter();
        let cookies = cookies.map(|header| cookie::Cookie::parse(header.to_str().unwrap()).unwrap());
        let cookies: Vec<_> = cookies.collect();
        for token in sent {
            let Some(row) = self.world.store.row(token.session).await else { continue };
            if let Kind::Access { expires_at, .. } = token.kind {
                assert!(expires_at <= row.absolute_expiry, "{row:?} {response:?}");
            }
            let life = row.absolute_expiry.saturating_since(row.created_at);
            let is_brief = life <= BRIEF_ABSOLUTE;
            assert_eq!(row.persistent, !is_brief, "{row:?}");
            for cookie in cookies.iter().filter(|cookie| cookie.value() == token.text) {
                assert_eq!(cookie.max_age().is_some(), row.persistent, "{cookie} {row:?}");
                assert!(cookie.expires().is_none(), "{cookie}");
            }
        }
    }

    async fn is_over(&self, refresh: Option<&Token>) -> bool {
        let Some(refresh) = refresh else { return false };
        let row = self.world.store.row(refresh.session).await;
        let now = self.world.clock.now();
        row.is_none_or(|row| {
            // The login that replaced it may have reached the browser before this response does.
            let is_replaced = row.ended.is_some_and(|ended| ended.reason == EndReason::Superseded);
            now >= row.absolute_expiry || !row.is_live(now) && !is_replaced
        })
    }

    /// Records the tokens of a response, and checks their owners.
    fn tokens(&mut self, facts: &Facts, response: &Response<Bytes>) -> Vec<Token> {
        let cookies = set_cookies(response.headers());
        let in_header =
            response.headers().get("x-access-token").map(|token| token.to_str().unwrap().to_owned());
        let (refresh, access): (Vec<_>, Vec<_>) = cookies.into_iter().partition(|(name, _)| name == REFRESH);
        let access = access.into_iter().filter_map(|(_, value)| value).chain(in_header).next();
        let refresh = refresh.into_iter().find_map(|(_, value)| value);
        let access = access.map(|text| self.ledger.add_access(&text));
        let new = match (facts.path.login(), &facts.who) {
            (Some(user), _) => Some(user.id()),
            (None, Who::Surely(user) | Who::Perhaps(user)) if facts.path == Path::Reauthenticate => {
                Some(&**user)
            }
            _ => None,
        };
        let refresh = refresh.map(|text| self.ledger.add_refresh(&text, new));
        let sent: Vec<_> = [access, refresh].into_iter().flatten().collect();
        let presented = facts.presented.refresh.as_ref();
        for token in &sent {
            match (facts.path.login(), presented) {
                (Some(user), _) if response.status() == StatusCode::OK => {
                    assert_eq!(token.subject.as_str(), user.id());
                    assert!(!facts.sessions().any(|session| session == token.session));
                    assert!(!matches!(token.kind, Kind::Refresh { generation: 1.. }));
                }
                (None, _) if facts.path == Path::Reauthenticate && response.status() == StatusCode::OK => {
                    let (Who::Surely(subject) | Who::Perhaps(subject)) = &facts.who else {
                        panic!("a stranger is reauthenticated: {response:?}")
                    };
                    assert_eq!(token.subject.as_str(), subject);
                    assert!(!facts.sessions().any(|session| session == token.session));
                    assert!(!matches!(token.kind, Kind::Refresh { generation: 1.. }));
                }
                (_, Some(presented)) if facts.path != Path::SetData || presented.session == token.session => {
                    assert_eq!((&token.subject, token.session), (&presented.subject, presented.session));
                    if let (Kind::Refresh { generation: sent }, Kind::Refresh { generation }) =
                        (token.kind, presented.kind)
                    {
                        assert_eq!(sent, generation + 1);
                    }
                }
                // Without the refresh token of its session, it is no longer valid than the one that was presented.
                (_, _) if facts.path == Path::SetData => {
                    let before = facts.presented.access.as_ref().expect("an access token");
                    let (Kind::Access { expires_at, .. }, Kind::Access { expires_at: before_at, .. }) =
                        (token.kind, before.kind)
                    else {
                        panic!("a refresh token goes out: {response:?}")
                    };
                    assert_eq!((&token.subject, token.session), (&before.subject, before.session));
                    assert!(expires_at <= before_at, "{response:?}");
                }
                _ => panic!("tokens without a presented refresh token: {response:?}"),
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
            && self.ledger.sessions.get(&session(after)).is_some_and(Known::must_be_in_budget)
        {
            assert!(generation(after) >= generation(&before), "the jar goes back to an older generation");
        }
    }

    /// A session end that was acknowledged is in the store.
    pub(super) async fn ended(&mut self, session: SessionHandle) {
        let row = self.world.store.row(session).await;
        assert!(row.is_none_or(|row| row.ended.is_some()), "an acknowledged session end is not in the store");
        self.ledger.denied.insert(session, self.world.clock.now());
    }
}
