//! `Authorization` headers of any bytes, with and without cookies: only an exact, valid bearer token authenticates a user.

use http::{StatusCode, header::AUTHORIZATION};

use super::{
    response,
    scene::{Left, Person, Scene, within},
    template,
};
use crate::support::{
    browser::{ACCESS, REFRESH},
    mint::forged_access,
    request,
};

/// The first byte selects the cookies; the rest is a template of headers. An empty rest stands for no header.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    within(async |scene| {
        let (alice, bob) = (&scene.alice, &scene.bob);
        let forged = forged_access(&alice.access);
        let tokens =
            [&alice.access, &alice.old_access, &bob.access, &bob.old_access, &forged, &alice.refresh];
        let headers =
            if rest.is_empty() { Vec::new() } else { template::headers(rest, &tokens.map(String::as_str)) };
        let (cookies, by_cookies) = match first % 4 {
            0 => (String::new(), None),
            1 => (format!("{REFRESH}={}", alice.refresh), Some(alice)),
            2 => (format!("{ACCESS}={}; {REFRESH}={}", bob.access, bob.refresh), Some(bob)),
            _ => (format!("{ACCESS}={}; {REFRESH}={}", bob.old_access, bob.old_refresh), Some(bob)),
        };

        let mut request = request("/optional", &[("cookie", &cookies)]);
        if template::add(request.headers_mut(), &AUTHORIZATION, &headers).is_none() {
            return Left::AsItWas;
        }
        let expected = expected(scene, &headers, by_cookies);
        let response = scene.world.send(request).await;
        response::assert_consistent(&response);
        let in_header = response.headers().contains_key("x-access-token");
        match expected {
            Expected::InvalidRequest => assert_eq!(response.status(), StatusCode::BAD_REQUEST),
            Expected::InvalidToken => assert_eq!(response.status(), StatusCode::UNAUTHORIZED),
            Expected::ByCookies | Expected::User(_) | Expected::Refreshed(_) => {
                assert_eq!(response.status(), StatusCode::OK);
            }
        }
        match expected {
            Expected::InvalidRequest | Expected::InvalidToken => {
                assert!(!in_header && !response.headers().contains_key("set-cookie"), "{response:?}");
                assert_eq!(scene.world.store.take_calls(), []);
            }
            Expected::ByCookies => {
                assert_eq!(response.body(), by_cookies.map_or("-", |person| person.subject));
                assert!(!in_header, "{response:?}");
            }
            Expected::User(person) => {
                assert_eq!(response.body(), person.subject);
                assert!(!in_header, "{response:?}");
                assert_eq!(scene.world.store.take_calls(), []);
            }
            Expected::Refreshed(person) => {
                assert_eq!(response.body(), person.subject);
                assert!(in_header, "{response:?}");
            }
        }
        Left::AsItWas
    });
}

enum Expected<'a> {
    InvalidRequest,
    InvalidToken,
    /// No access token in the header.
    ByCookies,
    User(&'a Person),
    /// The token in the header has expired, and the refresh cookie is of its session.
    Refreshed(&'a Person),
}

fn expected<'a>(scene: &'a Scene, headers: &[Vec<u8>], by_cookies: Option<&Person>) -> Expected<'a> {
    let header = match headers {
        [] => return Expected::ByCookies,
        [header] => header,
        _ => return Expected::InvalidRequest,
    };
    let mut words = header.splitn(2, |byte| b" \t".contains(byte));
    if !words.next().unwrap().eq_ignore_ascii_case(b"bearer") {
        return Expected::ByCookies;
    }
    let token = words.next().unwrap_or_default().trim_ascii();
    for person in scene.people() {
        if token == person.access.as_bytes() {
            return Expected::User(person);
        }
        if token == person.old_access.as_bytes()
            && by_cookies.is_some_and(|by_cookies| by_cookies.session == person.session)
        {
            return Expected::Refreshed(person);
        }
    }
    Expected::InvalidToken
}
