//! Forged refresh tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use tower_refresh::{Clock, KeyRing, Rejection, RejectionKind, keys::RefreshKey};

use super::with_header;
use crate::support::{
    Browser, Op, World,
    browser::{ACCESS, REFRESH, set_cookies},
    hmac::hmac_sha256,
    probe::INVALID_REFRESH_TOKEN,
    world::{ISSUER, SECRET},
};

/// One refresh token, as differences to the one that a login sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgery {
    reason: String,
    version: Option<u8>,
    key_id: Option<u8>,
    session: Option<String>,
    generation: Option<u32>,
    /// Seconds.
    expires_in: Option<i64>,
    /// The key that computes a new MAC: 32 times this byte. Otherwise the MAC is kept.
    mac_by: Option<u8>,
    #[serde(default = "issuer")]
    issuer: String,
    #[serde(default = "magic")]
    magic: String,
    mac: Option<String>,
    #[serde(default = "token")]
    token: String,
    expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expect {
    Ok,
    /// Anonymous, and the store is not called.
    Anonymous,
    /// The same, but the token is an expired one of ours, so a navigation removes it.
    Over,
}

fn issuer() -> String {
    ISSUER.to_owned()
}

fn magic() -> String {
    "tower-refresh/1".to_owned()
}

fn token() -> String {
    "{token}".to_owned()
}

/// Refresh keys of known bytes: 9 is active, 8 is accepted.
fn world() -> World {
    let world = World::new();
    let key = |byte| RefreshKey::from_bytes([byte; 32]).with_id(byte);
    let ring = KeyRing::hs256(SECRET).unwrap().refresh_key(key(9)).accept_refresh_key(key(8));
    world.auth.rotate_keys(ring).unwrap();
    world
}

/// The HMAC over the context and the body. A token contains its first 16 bytes.
fn mac(key: u8, magic: &str, issuer: &str, body: &[u8]) -> [u8; 32] {
    let len = u16::try_from(issuer.len()).unwrap().to_be_bytes();
    let message = [magic.as_bytes(), &len, issuer.as_bytes(), body].concat();
    hmac_sha256(&[key; 32], &message).try_into().unwrap()
}

struct Valid {
    browser: Browser,
    bytes: Vec<u8>,
    other: Vec<u8>,
    handle: String,
    now: u64,
}

impl Valid {
    async fn new(world: &World) -> Self {
        let bytes = |browser: &Browser| URL_SAFE_NO_PAD.decode(browser.refresh().unwrap()).unwrap();
        let browser = Browser::logged_in(world, "alice").await;
        let other = bytes(&Browser::logged_in(world, "bob").await);
        let handle = world.auth.sessions("alice", None).await.unwrap()[0].handle().to_string();
        world.store.take_calls();
        world.take_events();
        Self { bytes: bytes(&browser), browser, other, handle, now: world.clock.now().as_secs() }
    }

    fn token(&self, row: &Forgery) -> String {
        let mut bytes = self.bytes.clone();
        let (body, sent_mac) = bytes.split_at_mut(27);
        body[0] = row.version.unwrap_or(body[0]);
        body[1] = row.key_id.unwrap_or(body[1]);
        match row.session.as_deref() {
            None => {}
            Some("of another login") => body[2..18].copy_from_slice(&self.other[2..18]),
            Some("zero") => body[2..18].fill(0),
            Some(other) => panic!("{other}"),
        }
        if let Some(generation) = row.generation {
            body[18..22].copy_from_slice(&generation.to_be_bytes());
        }
        if let Some(seconds) = row.expires_in {
            let expiry = self.now.checked_add_signed(seconds).unwrap();
            body[22..].copy_from_slice(&expiry.to_be_bytes()[3..]);
        }
        if let Some(key) = row.mac_by {
            sent_mac.copy_from_slice(&mac(key, &row.magic, &row.issuer, body)[..16]);
        }
        let full = mac(9, &row.magic, &row.issuer, body);
        match row.mac.as_deref() {
            None => {}
            Some("zeros") => sent_mac.fill(0),
            Some("ones") => sent_mac.fill(0xff),
            Some("reversed") => sent_mac.reverse(),
            Some("of generation 1") => {
                let mut body = body.to_vec();
                body[21] = 1;
                sent_mac.copy_from_slice(&mac(9, &row.magic, &row.issuer, &body)[..16]);
            }
            Some("last 16 bytes") => sent_mac.copy_from_slice(&full[16..]),
            Some("whole") => bytes.extend_from_slice(&full[16..]),
            Some("8 bytes") => bytes.truncate(27 + 8),
            Some("none") => bytes.truncate(27),
            Some(other) => panic!("{other}"),
        }
        let token = URL_SAFE_NO_PAD.encode(&bytes);
        let (head, tail) = token.split_at(token.len() / 2);
        row.token
            .replace("{token}", &token)
            .replace("{head}", head)
            .replace("{tail}", tail)
            .replace("{all but one}", &token[..token.len() - 1])
            .replace("{all but the first}", &token[1..])
            .replace("{capitals}", &token.to_uppercase())
            .replace("{access}", self.browser.access().unwrap())
            .replace("{handle}", &self.handle)
            .replace("{session id}", &URL_SAFE_NO_PAD.encode(&self.bytes[2..18]))
            .replace("{huge}", &token.repeat(1000))
    }
}

async fn check(world: &World, name: &str, token: &[u8], expect: Expect) {
    let cookie = format!("{REFRESH}=");
    let (status, who) = if expect == Expect::Ok { (200, "alice") } else { (200, "-") };
    let response = world.send(with_header("/optional", "cookie", &cookie, token)).await;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (status, who.as_bytes()), "{name}");
    if expect == Expect::Ok {
        assert!(matches!(world.store.take_calls()[..], [(Op::Load, _), ..]), "{name}");
        world.take_events();
        return;
    }
    assert!(!response.headers().contains_key("set-cookie"), "{name}");

    let me = world.send(with_header("/me", "cookie", &cookie, token)).await;
    assert_eq!(me.status(), StatusCode::UNAUTHORIZED, "{name}");
    let kind = me.extensions().get::<Rejection>().unwrap().kind();
    assert_eq!(kind, &RejectionKind::Unauthenticated, "{name}");

    let mut navigation = with_header("/public", "cookie", &cookie, token);
    for (name, value) in [("site", "none"), ("mode", "navigate"), ("dest", "document")] {
        navigation.headers_mut().insert(
            http::HeaderName::try_from(format!("sec-fetch-{name}")).unwrap(),
            value.try_into().unwrap(),
        );
    }
    let response = world.send(navigation).await;
    assert_eq!(response.status(), StatusCode::OK, "{name}");
    assert_eq!(removed(response.headers()), expect == Expect::Over, "{name}");
    assert_eq!(world.store.take_calls(), [], "{name}");
    let reported = if expect == Expect::Over { 0 } else { 3 };
    assert_eq!(world.take_events(), vec![INVALID_REFRESH_TOKEN; reported], "{name}");
}

fn removed(headers: &HeaderMap) -> bool {
    let cookies = set_cookies(headers);
    assert!(cookies.iter().all(|(_, value)| value.is_none()), "{cookies:?}");
    !cookies.is_empty()
}

#[tokio::test]
async fn a_forged_refresh_token_is_anonymous_and_never_reaches_the_store() {
    let world = world();
    let valid = Valid::new(&world).await;
    let rows: Vec<Forgery> = serde_json::from_str(include_str!("../../attacks/refresh.json")).unwrap();
    for row in &rows {
        check(&world, &row.reason, valid.token(row).as_bytes(), row.expect).await;
    }
}

#[tokio::test]
async fn the_mac_of_these_tests_is_the_one_of_the_library() {
    let world = world();
    let valid = Valid::new(&world).await;
    assert_eq!(valid.bytes[..2], [1, 9]);
    assert_eq!(valid.bytes[27..], mac(9, "tower-refresh/1", ISSUER, &valid.bytes[..27])[..16]);
}

#[tokio::test]
async fn no_bit_of_a_refresh_token_can_be_flipped() {
    let world = world();
    let valid = Valid::new(&world).await;
    for bit in 0..8 * valid.bytes.len() {
        let mut bytes = valid.bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let token = URL_SAFE_NO_PAD.encode(bytes);
        check(&world, &format!("bit {bit}"), token.as_bytes(), Expect::Anonymous).await;
    }
    check(&world, "unchanged", valid.browser.refresh().unwrap().as_bytes(), Expect::Ok).await;
}

#[tokio::test]
async fn a_refresh_token_has_one_encoding() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let world = world();
    let valid = Valid::new(&world).await;
    let token = valid.browser.refresh().unwrap().as_bytes();
    // The last of 58 characters contains two bits of the 43 bytes, and four unused ones.
    let last = ALPHABET.iter().position(|byte| byte == token.last().unwrap()).unwrap();
    assert_eq!(last % 16, 0);
    for unused in 1..16 {
        let mut token = token.to_vec();
        *token.last_mut().unwrap() = ALPHABET[last + unused];
        check(&world, &format!("unused bits {unused:04b}"), &token, Expect::Anonymous).await;
    }

    let (url_safe, standard) = (0..)
        .map(|generation| {
            let mut body = valid.bytes[..27].to_vec();
            body[18..22].copy_from_slice(&u32::to_be_bytes(generation));
            let mac = mac(9, "tower-refresh/1", ISSUER, &body);
            let token = URL_SAFE_NO_PAD.encode([&body, &mac[..16]].concat());
            let standard = token.replace('-', "+").replace('_', "/");
            (token, standard)
        })
        .find(|(url_safe, standard)| url_safe != standard)
        .unwrap();
    check(&world, &url_safe, standard.as_bytes(), Expect::Anonymous).await;
}

#[tokio::test]
async fn neither_token_is_valid_in_the_place_of_the_other() {
    let world = world();
    let valid = Valid::new(&world).await;
    let (access, refresh) = (valid.browser.access().unwrap(), valid.browser.refresh().unwrap());

    let swapped = format!("{REFRESH}={access}; {ACCESS}={refresh}");
    let response = world.send(with_header("/optional", "cookie", &swapped, b"")).await;
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, b"-".as_slice()));

    let response = world.send(with_header("/me", "authorization", "Bearer ", refresh.as_bytes())).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let kind = response.extensions().get::<Rejection>().unwrap().kind().clone();
    assert_eq!(kind, RejectionKind::InvalidToken(tower_refresh::InvalidTokenReason::Malformed));
    assert_eq!(world.store.take_calls(), []);
}

#[tokio::test]
async fn a_refresh_token_of_a_removed_key_is_anonymous() {
    let world = world();
    let valid = Valid::new(&world).await;
    let token = valid.browser.refresh().unwrap().as_bytes();
    check(&world, "before", token, Expect::Ok).await;
    world.auth.rotate_keys(KeyRing::hs256(SECRET).unwrap()).unwrap();
    check(&world, "after", token, Expect::Anonymous).await;
}
