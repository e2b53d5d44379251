//! Refresh tokens of any bytes, and of any fields with a valid MAC: which ones authenticate, which ones end the session,
//! and which ones never reach the store.

use arbitrary::{Arbitrary, Unstructured};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Response, StatusCode, header::COOKIE};
use tower_refresh::{Clock, event::EndReason};

use super::{
    response,
    scene::{KEY_ID, Left, OLDER_KEY_ID, OLDER_REFRESH_SECRET, Person, REFRESH_SECRET, Scene, within},
    template,
};
use crate::support::{
    browser::{REFRESH, generation, set_cookie, set_cookies},
    hmac::hmac_sha256,
    probe::{DAMPING, HALF_A_DAY, INVALID_REFRESH_TOKEN, MILLISECOND, alter_row, carries_nothing},
    request,
    world::ISSUER,
};

/// The current generation of alice's session.
const NEWEST: u32 = 5;

/// One request.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    row: RowState,
    token: Token<'a>,
    is_navigation: bool,
}

/// The state of the session since its last rotation.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum RowState {
    JustRotated,
    Confirmed,
    AfterTheGrace,
    ConfirmedAfterTheGrace,
    LongAgo,
    ConfirmedLongAgo,
    /// Long ago, and the late budget is spent.
    Spent,
    Ended,
    Idle,
}

#[derive(Arbitrary, Debug)]
enum Token<'a> {
    Text(&'a [u8]),
    Fields(Fields<'a>),
}

#[derive(Arbitrary, Debug)]
struct Fields<'a> {
    /// That of a real token of alice, unless it is given.
    version: Option<u8>,
    session_id: Option<[u8; 16]>,
    generation: Generation,
    expiry: Expiry,
    key: Key,
    issuer: Option<&'a str>,
    /// A change to the token after it got its MAC.
    change: Option<Change>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Generation {
    Near(i8),
    Any(u32),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Expiry {
    AsItIs,
    /// Seconds from now.
    In(i16),
    Any([u8; 5]),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Key {
    Active,
    Older,
    /// The secret of the active key with the id of another.
    Misnamed(u8),
    Unknown([u8; 32]),
    /// A MAC without a secret.
    Mac([u8; 16]),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Change {
    Flip(u16),
    Cut(u8),
    Append(u8),
    Character(u8, u8),
}

/// The expected result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A valid token of alice.
    In,
    /// Anonymous, and nothing happens.
    Anonymous,
    /// Anonymous, and the session ends.
    Reuse,
    /// Anonymous, and the session is over: a navigation removes the cookie.
    Over,
}

pub fn check(data: &[u8]) {
    let Ok(input) = Input::arbitrary(&mut Unstructured::new(data)) else { return };
    within(async |scene| {
        let alice = &scene.alice;
        let now = scene.world.clock.now().as_secs();
        let token = match &input.token {
            Token::Text(text) => Made { text: template::fill(text, &[]), valid: None },
            Token::Fields(fields) => fields.token(alice, now),
        };
        let headers = if input.is_navigation {
            [("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
                .as_slice()
        } else {
            &[]
        };
        let mut request = request("/optional", headers);
        let header = [REFRESH.as_bytes(), b"=", &token.text].concat();
        // A text that contains `;` is not one token but several cookies.
        if token.text.contains(&b';') || template::add(request.headers_mut(), &COOKIE, &[header]).is_none() {
            return Left::AsItWas;
        }
        let Some(valid) = token.valid else {
            let response = scene.world.send(request).await;
            assert_eq!(scene.world.store.take_calls(), [], "a forged token has reached the store");
            // A header without one of our cookies is not reported.
            let events = scene.world.take_events();
            assert!(events.is_empty() || events == [INVALID_REFRESH_TOKEN], "{events:?}");
            assert_outcome(&response, Expected::Anonymous, alice);
            return Left::AsItWas;
        };
        input.row.apply(scene).await;
        let now = scene.world.clock.now().as_secs();
        let response = scene.world.send(request).await;
        let expected = match () {
            () if valid.expiry <= now => Expected::Over,
            () if !valid.is_alices => Expected::Anonymous,
            () => input.row.expected(valid.generation),
        };
        let expected = match expected {
            Expected::Over if !input.is_navigation => Expected::Anonymous,
            expected => expected,
        };
        if valid.expiry <= now {
            assert_eq!(scene.world.store.take_calls(), []);
        }
        assert_outcome(&response, expected, alice);
        let row = scene.world.store.row(alice.session).await.unwrap();
        let reason = row.ended.map(|ended| ended.reason);
        assert_eq!(reason == Some(EndReason::Reuse), expected == Expected::Reuse, "{reason:?}");
        if expected == Expected::In {
            let sent = set_cookie(&response, REFRESH).map(|token| generation(&token));
            assert!(sent.is_none_or(|sent| Some(sent) == valid.generation.checked_add(1)), "{sent:?}");
            assert!([NEWEST, NEWEST + 1].contains(&row.generation), "{row:?}");
        } else {
            assert_eq!(row.generation, NEWEST);
        }
        Left::Spoilt
    });
}

impl RowState {
    async fn apply(self, scene: &Scene) {
        let now = scene.world.clock.now();
        let confirmed =
            matches!(self, Self::Confirmed | Self::ConfirmedAfterTheGrace | Self::ConfirmedLongAgo);
        alter_row(&scene.world, scene.alice.session, |row| {
            row.generation = NEWEST;
            row.rotated_at = now;
            row.confirmed = confirmed;
            if self == Self::Spent {
                row.late_budget = now.saturating_add(2 * HALF_A_DAY);
            }
            if self == Self::Idle {
                row.idle_expiry = now;
            }
        })
        .await;
        match self {
            Self::AfterTheGrace | Self::ConfirmedAfterTheGrace => scene.world.clock.advance(DAMPING),
            Self::LongAgo | Self::ConfirmedLongAgo | Self::Spent => {
                scene.world.clock.advance(DAMPING + MILLISECOND);
            }
            Self::Ended => assert!(scene.world.auth.end_session(scene.alice.session).await.unwrap()),
            Self::JustRotated | Self::Confirmed | Self::Idle => {}
        }
        scene.forget_calls();
    }

    fn expected(self, generation: u32) -> Expected {
        match (self, i64::from(generation) - i64::from(NEWEST)) {
            (Self::Ended | Self::Idle, _) => Expected::Over,
            (Self::ConfirmedLongAgo, -1) | (_, ..=-2) => Expected::Reuse,
            (Self::Spent, -1) => Expected::Anonymous,
            (_, -1..=1) => Expected::In,
            _ => Expected::Anonymous,
        }
    }
}

fn assert_outcome(response: &Response<Bytes>, expected: Expected, alice: &Person) {
    response::assert_consistent(response);
    assert_eq!(response.status(), StatusCode::OK);
    let who = if expected == Expected::In { alice.subject } else { "-" };
    assert_eq!(response.body(), who);
    match expected {
        Expected::In => assert!(set_cookies(response.headers()).iter().all(|(_, value)| value.is_some())),
        Expected::Over => {
            let cookies = set_cookies(response.headers());
            assert!(!cookies.is_empty() && cookies.iter().all(|(_, value)| value.is_none()), "{cookies:?}");
        }
        Expected::Anonymous | Expected::Reuse => assert!(carries_nothing(response), "{response:?}"),
    }
}

/// A token as it is sent, and its content if it is valid.
struct Made {
    text: Vec<u8>,
    valid: Option<Valid>,
}

struct Valid {
    is_alices: bool,
    generation: u32,
    /// Seconds.
    expiry: u64,
}

impl Fields<'_> {
    fn token(&self, alice: &Person, now: u64) -> Made {
        let real = URL_SAFE_NO_PAD.decode(&alice.refresh).unwrap();
        let mut bytes = real[..27].to_vec();
        let (named, secret) = match self.key {
            Key::Active => (KEY_ID, Some(REFRESH_SECRET)),
            Key::Older => (OLDER_KEY_ID, Some(OLDER_REFRESH_SECRET)),
            Key::Misnamed(id) => (id, Some(REFRESH_SECRET)),
            Key::Unknown(secret) => (KEY_ID, Some(secret)),
            Key::Mac(_) => (KEY_ID, None),
        };
        bytes[0] = self.version.unwrap_or(bytes[0]);
        bytes[1] = named;
        if let Some(session_id) = self.session_id {
            bytes[2..18].copy_from_slice(&session_id);
        }
        let generation = match self.generation {
            Generation::Near(offset) => NEWEST.wrapping_add_signed(offset.into()),
            Generation::Any(generation) => generation,
        };
        bytes[18..22].copy_from_slice(&generation.to_be_bytes());
        match self.expiry {
            Expiry::AsItIs => {}
            Expiry::In(seconds) => {
                let expiry = now.wrapping_add_signed(seconds.into());
                bytes[22..].copy_from_slice(&expiry.to_be_bytes()[3..]);
            }
            Expiry::Any(expiry) => bytes[22..].copy_from_slice(&expiry),
        }
        let mac = |secret: &[u8; 32], issuer: &str| {
            let len = u16::try_from(issuer.len()).unwrap_or(u16::MAX).to_be_bytes();
            let message = [b"tower-refresh/1".as_slice(), &len, issuer.as_bytes(), &bytes].concat();
            hmac_sha256(secret, &message)[..16].to_vec()
        };
        let sent_mac = match (self.key, secret) {
            (Key::Mac(mac), _) => mac.to_vec(),
            (_, Some(secret)) => mac(&secret, self.issuer.unwrap_or(ISSUER)),
            (_, None) => unreachable!("only a raw MAC has no secret"),
        };
        let right_mac = match named {
            KEY_ID => Some(mac(&REFRESH_SECRET, ISSUER)),
            OLDER_KEY_ID => Some(mac(&OLDER_REFRESH_SECRET, ISSUER)),
            _ => None,
        };
        let right_text = right_mac
            .filter(|_| bytes[0] == 1)
            .map(|right| URL_SAFE_NO_PAD.encode([bytes.as_slice(), &right].concat()));
        let text = changed([bytes.as_slice(), &sent_mac].concat(), self.change);
        let expiry = bytes[22..].iter().fold(0, |expiry, byte| expiry << 8 | u64::from(*byte));
        // Blanks around a cookie are not part of it.
        let valid = right_text.filter(|right| right.as_bytes() == text.trim_ascii()).map(|_| Valid {
            is_alices: bytes[2..18] == real[2..18],
            generation,
            expiry,
        });
        Made { text, valid }
    }
}

fn changed(mut bytes: Vec<u8>, change: Option<Change>) -> Vec<u8> {
    if let Some(Change::Flip(bit)) = change {
        let bit = usize::from(bit) % (8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    let mut text = URL_SAFE_NO_PAD.encode(&bytes).into_bytes();
    match change {
        Some(Change::Cut(len)) => text.truncate(len.into()),
        Some(Change::Append(byte)) => text.push(byte),
        Some(Change::Character(place, byte)) => {
            let place = usize::from(place) % text.len();
            text[place] = byte;
        }
        Some(Change::Flip(_)) | None => {}
    }
    text
}
