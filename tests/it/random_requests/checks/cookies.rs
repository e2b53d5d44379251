//! `Cookie` headers of any bytes: the user is the one that a parser following RFC 6265 finds, and otherwise none.

use http::{StatusCode, header::COOKIE};

use super::{
    response,
    scene::{Left, Person, Scene, within},
    template,
};
use crate::support::{
    browser::{ACCESS, REFRESH},
    mint::{forged_access, forged_refresh},
    probe::carries_nothing,
    request,
};

/// The site that a request comes from, in the lowest bits of the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    Own,
    Unknown,
    /// Of another site, where a user follows a link.
    Navigation,
    Other,
}

impl Site {
    fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Own => &[("sec-fetch-site", "same-origin")],
            Self::Unknown => &[],
            Self::Navigation => &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            Self::Other => &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")],
        }
    }
}

/// The maximum number of cookies of one name with the prefix `__Host-` that are read.
const MOST: usize = 2;

/// The first byte selects the site; the rest is a template of headers.
pub fn check(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let site = [Site::Own, Site::Unknown, Site::Navigation, Site::Other][usize::from(first % 4)];
    within(async |scene| {
        let (alice, bob) = (&scene.alice, &scene.bob);
        let forged = [forged_access(&alice.access), forged_refresh(&alice.refresh)];
        let tokens =
            [&alice.access, &alice.refresh, &alice.old_access, &alice.old_refresh, &bob.access, &bob.refresh];
        let tokens: Vec<_> = tokens.into_iter().chain(&forged).map(String::as_str).collect();
        let headers = template::headers(rest, &tokens);

        let mut request = request("/optional", site.headers());
        if template::add(request.headers_mut(), &COOKIE, &headers).is_none() {
            return Left::AsItWas;
        }
        let rejected = site == Site::Other;
        let response = scene.world.send(request).await;
        response::assert_consistent(&response);
        let found = if rejected { Found::Anonymous } else { found(scene, &headers) };
        if rejected {
            let ours = [ACCESS, REFRESH].iter().any(|name| !values(&headers, name).is_empty());
            let status = if ours { StatusCode::FORBIDDEN } else { StatusCode::OK };
            assert_eq!(response.status(), status);
        } else {
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.body(), found.subject().as_bytes());
        }
        let asked = !scene.world.store.take_calls().is_empty();
        assert_eq!(asked, matches!(found, Found::ByRefresh(_)));
        assert_eq!(carries_nothing(&response), !asked || site == Site::Navigation, "{response:?}");
        Left::AsItWas
    });
}

enum Found<'a> {
    Anonymous,
    ByAccess(&'a Person),
    ByRefresh(&'a Person),
}

impl Found<'_> {
    fn subject(&self) -> &str {
        match self {
            Self::Anonymous => "-",
            Self::ByAccess(person) | Self::ByRefresh(person) => person.subject,
        }
    }
}

/// Several tokens of one session are that session; tokens of two sessions are no user.
fn found<'a>(scene: &'a Scene, headers: &[Vec<u8>]) -> Found<'a> {
    let owner = |values: &[&[u8]], texts: fn(&Person) -> Vec<&str>| {
        let owners = scene.people().map(|person| {
            values.iter().any(|value| texts(person).iter().any(|text| text.as_bytes() == *value))
        });
        match owners {
            [true, false] => Some(&scene.alice),
            [false, true] => Some(&scene.bob),
            [false, false] | [true, true] => None,
        }
    };
    if let Some(person) = owner(&values(headers, ACCESS), |person| vec![&person.access]) {
        return Found::ByAccess(person);
    }
    match owner(&values(headers, REFRESH), |person| vec![&person.refresh, &person.old_refresh]) {
        Some(person) => Found::ByRefresh(person),
        None => Found::Anonymous,
    }
}

/// The values of a cookie: the text from the first `=` of a pair to its end, without the blanks around the pair.
fn values<'a>(headers: &'a [Vec<u8>], name: &str) -> Vec<&'a [u8]> {
    let is_blank = |byte: &u8| b" \t".contains(byte);
    let mut values = Vec::new();
    for pair in headers.iter().flat_map(|header| header.split(|byte| *byte == b';')) {
        let Some(start) = pair.iter().position(|byte| !is_blank(byte)) else { continue };
        let end = pair.iter().rposition(|byte| !is_blank(byte)).unwrap();
        let pair = &pair[start..=end];
        let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
        if &pair[..equals] == name.as_bytes() {
            values.push(&pair[equals + 1..]);
        }
    }
    values.truncate(MOST);
    values
}
