//! What is known of sessions and tokens, from responses, events and the rows of the store.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use tower_refresh::{Clock, SessionHandle, Subject, Timestamp, event::EventKind, store::SessionRow};

use super::steps::Key;
use crate::support::{
    World, mint,
    probe::{DAMPING, GRACE, HALF_A_DAY},
};

/// Every token that was sent, and every session.
#[derive(Default)]
pub struct Ledger {
    pub tokens: Vec<Token>,
    by_text: HashMap<String, usize>,
    pub sessions: BTreeMap<SessionHandle, Known>,
    /// Sessions whose end was reported, so that their tokens are invalid, with the last time of such a report.
    pub denied: BTreeMap<SessionHandle, Timestamp>,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub text: String,
    pub session: SessionHandle,
    pub subject: Subject,
    pub key: Key,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Access { expires_at: Timestamp, epoch: u32 },
    Refresh { generation: u32 },
}

#[derive(Debug)]
pub struct Known {
    row: SessionRow,
    rotated_at: Timestamp,
    /// Only one browser has used its refresh tokens, each in time.
    pub is_honest: bool,
    /// Rotations whose response may not have reached the browser.
    pub lost: u32,
}

impl Known {
    /// With slow handlers, more than one lost response may use up the late budget.
    pub fn must_be_in_budget(&self) -> bool {
        self.is_honest && self.lost <= 1
    }
}

/// The validity of a single token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    Invalid,
    /// The previous refresh token without late budget, unless a concurrent request spends the last of it.
    Spent,
    /// It depends on concurrent requests.
    Perhaps,
    Valid,
}

impl Ledger {
    pub fn find(&self, text: &str) -> Option<&Token> {
        self.by_text.get(text).map(|index| &self.tokens[*index])
    }

    pub fn any(&self, choice: u8, is_access: bool) -> Option<&Token> {
        let fits = |token: &&Token| matches!(token.kind, Kind::Access { .. }) == is_access;
        let count = self.tokens.iter().filter(fits).count();
        self.tokens.iter().filter(fits).nth(usize::from(choice).checked_rem(count)?)
    }

    /// Records an access token that was sent.
    pub fn add_access(&mut self, text: &str) -> Token {
        let claims = mint::claims(text);
        let header = URL_SAFE_NO_PAD.decode(text.split('.').next().unwrap()).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        let expires_at = Timestamp::from_secs(claims["exp"].as_u64().unwrap());
        let subject = Subject::from(claims["sub"].as_str().unwrap());
        let key = key_named(header["kid"].as_str().unwrap());
        let epoch = u32::try_from(claims["epoch"].as_u64().unwrap_or(0)).unwrap();
        let session = mint::session(text);
        self.add(Token {
            text: text.to_owned(),
            session,
            subject,
            key,
            kind: Kind::Access { expires_at, epoch },
        })
    }

    /// Checks that an access token that goes out does not have outdated claims, unless it has expired on its way.
    pub fn assert_current(&self, token: &Token, now: Timestamp) {
        if let Kind::Access { expires_at, epoch } = token.kind
            && let Some(known) = self.sessions.get(&token.session)
        {
            let is_current = epoch >= known.row.claims_epoch || now >= expires_at;
            assert!(is_current, "outdated claims go out: {token:?} {known:?}");
        }
    }

    /// Records a refresh token that was sent, to this user if the session is new.
    pub fn add_refresh(&mut self, text: &str, new: Option<&str>) -> Token {
        let bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
        let session =
            SessionHandle::from_bytes(*Sha256::digest(&bytes[2..18]).as_slice().first_chunk().unwrap());
        let subject = match (self.tokens.iter().find(|token| token.session == session), new) {
            (Some(token), _) => token.subject.clone(),
            (None, Some(subject)) => subject.into(),
            (None, None) => panic!("a refresh token of an unknown session"),
        };
        let generation = u32::from_be_bytes(bytes[18..22].try_into().unwrap());
        let key = [Key::One, Key::Two, Key::Three][usize::from(bytes[1])];
        self.add(Token { text: text.to_owned(), session, subject, key, kind: Kind::Refresh { generation } })
    }

    fn add(&mut self, token: Token) -> Token {
        let (tokens, next) = (&mut self.tokens, token.clone());
        self.by_text.entry(token.text).or_insert_with(|| {
            tokens.push(next.clone());
            tokens.len() - 1
        });
        next
    }

    /// The validity of `token` with these keys.
    pub async fn validity(&self, world: &World, keys: &[Key], token: &Token) -> Validity {
        let now = world.clock.now();
        if !keys.contains(&token.key) || self.denied.contains_key(&token.session) {
            return Validity::Invalid;
        }
        let row = world.store.row(token.session).await;
        match (token.kind, row) {
            (Kind::Access { expires_at, .. }, _) if now >= expires_at => Validity::Invalid,
            (Kind::Access { epoch, .. }, Some(row)) if epoch < row.claims_epoch => Validity::Invalid,
            // Perhaps the store's feed has already reported it.
            (Kind::Access { .. }, row) if row.as_ref().is_none_or(|row| row.ended.is_some()) => {
                Validity::Perhaps
            }
            (Kind::Access { .. }, _) => Validity::Valid,
            (Kind::Refresh { generation }, Some(row)) if row.is_live(now) => refresh(&row, generation, now),
            (Kind::Refresh { .. }, _) => Validity::Invalid,
        }
    }

    /// Whether an explicit refresh with this valid token gets tokens, if nothing else happens.
    pub async fn gets_tokens(&self, world: &World, token: &Token) -> bool {
        let (Some(row), Kind::Refresh { generation }) = (world.store.row(token.session).await, token.kind)
        else {
            return false;
        };
        let now = world.clock.now();
        let in_grace = now.saturating_since(row.rotated_at) <= GRACE;
        generation == row.generation || in_grace || !row.confirmed && has_budget(&row, now)
    }

    /// Checks the events and the rows after a step.
    pub async fn watch(&mut self, world: &World) {
        let events = std::mem::take(&mut *world.events.lock().unwrap());
        for event in events {
            match (event.kind, event.session) {
                (EventKind::Login | EventKind::Reauthentication, Some(session)) => {
                    // A login may take so long that the session is purged by then.
                    let Some(row) = world.store.row(session).await else { continue };
                    let known = Known { rotated_at: row.rotated_at, row, is_honest: true, lost: 0 };
                    assert!(self.sessions.insert(session, known).is_none(), "a session started twice");
                }
                (EventKind::End(_), Some(session)) => {
                    self.denied.insert(session, event.at);
                }
                (EventKind::Reuse, Some(session)) => {
                    let Some(known) = self.sessions.get(&session) else { continue };
                    assert!(!known.is_honest, "an honest browser is treated as a thief: {known:?}");
                }
                (EventKind::Spent, Some(session)) => {
                    let Some(known) = self.sessions.get(&session) else { continue };
                    assert!(
                        !known.must_be_in_budget(),
                        "an honest browser has no late budget left: {known:?}"
                    );
                    assert!(!known.row.confirmed, "the successor was seen: {known:?}");
                }
                (EventKind::Ahead | EventKind::Impossible, _) => panic!("the store lost nothing: {event:?}"),
                _ => {}
            }
        }
        for (session, known) in &mut self.sessions {
            // Sessions that died long ago are purged.
            let Some(row) = world.store.row(*session).await else { continue };
            known.compare(row, world.clock.now());
        }
    }
}

impl Known {
    fn compare(&mut self, row: SessionRow, now: Timestamp) {
        let before = &self.row;
        assert!(before.ended.is_none() || row.ended == before.ended, "{before:?} {row:?}");
        assert_eq!((&row.subject, row.absolute_expiry), (&before.subject, before.absolute_expiry));
        assert_eq!((row.idle, row.persistent), (before.idle, before.persistent));
        let (idle, latest) = (row.idle.unwrap(), row.idle_expiry);
        assert!(latest <= row.absolute_expiry && latest <= now.saturating_add(idle), "{before:?} {row:?}");
        assert!(row.claims_epoch >= before.claims_epoch, "{before:?} {row:?}");
        match row.generation.checked_sub(before.generation) {
            Some(0) => {}
            Some(1) => {
                assert!(before.ended.is_none(), "{before:?} {row:?}");
                let since = now.saturating_since(self.rotated_at);
                assert!(since > DAMPING, "two rotations within {since:?}");
                self.rotated_at = now;
            }
            _ => panic!("{before:?} {row:?}"),
        }
        self.row = row;
    }
}

fn refresh(row: &SessionRow, generation: u32, now: Timestamp) -> Validity {
    let in_damping = now.saturating_since(row.rotated_at) <= DAMPING;
    match row.generation.checked_sub(generation) {
        Some(0) => Validity::Valid,
        Some(1) if in_damping => Validity::Valid,
        Some(1) if row.confirmed => Validity::Invalid,
        Some(1) if has_budget(row, now) => Validity::Valid,
        Some(1) => Validity::Spent,
        _ => Validity::Invalid,
    }
}

/// Whether one of two late uses is left, of which one is refilled in half a day.
fn has_budget(row: &SessionRow, now: Timestamp) -> bool {
    row.late_budget.saturating_since(now) <= HALF_A_DAY
}

fn key_named(kid: &str) -> Key {
    match kid {
        "one" => Key::One,
        "two" => Key::Two,
        "three" => Key::Three,
        _ => panic!("{kid}"),
    }
}
