//! Finds secrets in a text, in any encoding.

use std::{collections::HashSet, fmt::Write};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};

use crate::support::{Browser, browser::REFRESH};

/// The secrets that must not show, in windows of [`LEAK`] bytes.
#[derive(Default)]
pub(crate) struct Secrets(Vec<(String, Vec<u8>)>);

/// This many bytes in a row are a leak; fewer can be a coincidence.
const LEAK: usize = 8;

impl Secrets {
    /// Arbitrary bytes, in any encoding.
    pub(crate) fn bytes(&mut self, what: &str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        assert!(secret.len() >= LEAK, "{what} is too short to be distinguished from other text");
        self.0.extend(secret.windows(LEAK).map(|window| (what.to_owned(), window.to_vec())));
    }

    /// A private key, except its bytes that are in the public key too.
    pub(crate) fn private_key(&mut self, what: &str, private: &str, public: &str) {
        let public = der(public);
        let windows = der(private);
        let windows =
            windows.windows(LEAK).filter(|window| !public.windows(LEAK).any(|open| open == *window));
        self.0.extend(windows.map(|window| (what.to_owned(), window.to_vec())));
    }

    /// An access token and its signature. Its claims may be shown.
    pub(crate) fn access_token(&mut self, token: &str) {
        let [_, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
            panic!("not a JWT: {token}")
        };
        self.bytes("an access token's text", payload);
        self.bytes("an access token's signature", signature);
        self.bytes("an access token's signature", URL_SAFE_NO_PAD.decode(signature).unwrap());
    }

    /// A refresh token, the session id in it, and its MAC.
    pub(crate) fn refresh_token(&mut self, token: &str) {
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap();
        self.bytes("a refresh token's session id", &bytes[2..18]);
        self.bytes("a refresh token's MAC", &bytes[bytes.len() - 16..]);
        self.bytes("a refresh token", token);
    }

    /// The cookies of a browser.
    pub(crate) fn cookies(&mut self, browser: &Browser) {
        for (name, value) in &browser.cookies {
            if name == REFRESH { self.refresh_token(value) } else { self.access_token(value) }
        }
    }

    /// Panics if `text` contains eight consecutive bytes of a secret.
    pub(crate) fn assert_absent(&self, place: &str, text: &str) {
        assert!(!self.0.is_empty(), "no secret to look for");
        let text = without_blanks(text);
        let (text, lower) = (Text::new(&text), Text::new(&text.to_lowercase()));
        for (what, window) in &self.0 {
            for form in forms(window) {
                assert!(!text.contains(&form), "{place} shows {what}, as {form:?}: {}", text.text);
            }
            let hex = hex(window);
            assert!(!lower.contains(&hex), "{place} shows {what}, as {hex:?}: {}", text.text);
        }
    }
}

/// A text that is searched for many thousand forms. Their first bytes rule out nearly all of them.
struct Text {
    text: String,
    beginnings: HashSet<[u8; LEAK]>,
}

impl Text {
    fn new(text: &str) -> Self {
        let beginnings = text.as_bytes().windows(LEAK).filter_map(|window| window.try_into().ok()).collect();
        Self { text: text.to_owned(), beginnings }
    }

    fn contains(&self, form: &str) -> bool {
        let beginning = form.as_bytes().first_chunk().expect("no form is shorter than the secret");
        self.beginnings.contains(beginning) && self.text.contains(form)
    }
}

/// Bytes that occur nowhere else in a test, different for each seed.
pub(crate) fn noise(seed: u8) -> [u8; 48] {
    let mut state = seed;
    [(); 48].map(|()| {
        state = state.wrapping_mul(141).wrapping_add(71);
        state ^ 0x55
    })
}

fn der(pem: &str) -> Vec<u8> {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// The forms of eight bytes, without blanks. For base64 the first six
/// bytes, which are whole characters; one window in three begins where a character does.
fn forms(part: &[u8]) -> Vec<String> {
    let list = |show: fn(&u8) -> String| part.iter().map(show).collect::<Vec<_>>().join(",");
    let lists = [list(u8::to_string), list(|byte| format!("{byte:x}")), list(|byte| format!("{byte:#04x}"))];
    let base64 = STANDARD.encode(&part[..6]);
    let url_safe = URL_SAFE_NO_PAD.encode(&part[..6]);
    let mut forms = vec![base64, url_safe];
    forms.extend(lists);
    if !part.iter().any(u8::is_ascii_whitespace) {
        forms.push(part.escape_ascii().to_string());
        forms.extend(str::from_utf8(part).map(str::to_owned));
    }
    forms
}

fn without_blanks(text: &str) -> String {
    text.split_whitespace().collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn a_secret_is_found_in_each_of_its_forms() {
    let secret = noise(1);
    let mut secrets = Secrets::default();
    secrets.bytes("the secret", secret);
    secrets.bytes("the text", "correct-horse-battery");

    let url_safe = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let forms = [
        format!("{secret:?}"),
        format!("{secret:#?}"),
        format!("{:?}", &secret[3..11]),
        format!("{secret:x?}"),
        format!("{:#04x?}", &secret[5..13]),
        format!("{secret:02x?}").replace(", ", ""),
        hex(&secret).to_uppercase(),
        STANDARD.encode(secret),
        url_safe(&secret),
        url_safe(&[b"ab".as_slice(), &secret].concat()),
        url_safe(&[b"a".as_slice(), &secret].concat()),
        secret.escape_ascii().to_string(),
        "it was correct-horse-battery".to_owned(),
        format!("{:?}", b"correct-horse"),
    ];
    for form in forms {
        let found =
            std::panic::catch_unwind(|| secrets.assert_absent("a text", &format!("before {form} after")));
        assert!(found.is_err(), "not found: {form}");
    }
    secrets.assert_absent("a text", "nothing of the kind: correct, horse and battery");
}
