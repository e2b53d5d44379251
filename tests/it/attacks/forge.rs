//! Tokens of an attacker or of a faulty issuer: any header, any payload, any signature.

use std::{collections::BTreeMap, str::FromStr};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{self as jwt, EncodingKey, crypto::rust_crypto::DEFAULT_PROVIDER};
use serde::Deserialize;
use serde_json::Value;
use tower_refresh::{
    KeyRing,
    keys::{Algorithm, SigningKey, VerifyingKey},
};

use crate::support::{World, world::SECRET};

const SECRET_384: &[u8] = b"a secret for HMAC-SHA384 that has 48 bytes or more";
const SECRET_512: &[u8] = b"a secret for HMAC-SHA512, which asks for as many bytes as its hash";
/// Another key than that of RS256: a key ring accepts no key for two algorithms.
const PS256: &str = "rsa.aws-lc-rs.pem";
/// The secret of an attacker.
const STRANGER: &[u8] = b"a secret that the ring does not have";

/// A key ring with a key of each algorithm: `hs` signs, the others are accepted.
pub(crate) fn ring() -> KeyRing {
    let verifying = |key: Result<VerifyingKey, _>, kid: &str| key.unwrap().with_kid(kid);
    KeyRing::new(SigningKey::from_secret(Algorithm::Hs256, SECRET).unwrap().with_kid("hs"))
        .accept(verifying(VerifyingKey::from_secret(Algorithm::Hs384, SECRET_384), "hs384"))
        .accept(verifying(VerifyingKey::from_secret(Algorithm::Hs512, SECRET_512), "hs512"))
        .accept(verifying(VerifyingKey::from_pem(Algorithm::EdDsa, file("ed25519.pub.pem")), "ed"))
        .accept(verifying(VerifyingKey::from_pem(Algorithm::Es256, file("es256.pub.pem")), "es256"))
        .accept(verifying(VerifyingKey::from_pem(Algorithm::Es384, file("es384.pub.pem")), "es384"))
        .accept(verifying(VerifyingKey::from_pem(Algorithm::Rs256, file("rsa.pub.pem")), "rs"))
        .accept(SigningKey::from_pem(Algorithm::Ps256, file(PS256)).unwrap().with_kid("ps").verifying_key())
}

/// What a valid token of an issuer is: its key, and the members of its header and payload as JSON text, with `'` for `"`.
#[derive(Clone, Copy)]
pub(crate) struct Valid {
    pub(crate) key: &'static str,
    pub(crate) header: &'static [(&'static str, &'static str)],
    pub(crate) claims: &'static [(&'static str, &'static str)],
}

/// A token of the ring above.
pub(crate) const OF_THE_RING: Valid = Valid {
    key: "hs",
    header: &[("alg", "'HS256'"), ("typ", "'at+jwt'"), ("kid", "'hs'")],
    claims: OWN_CLAIMS,
};

/// The claims of a token of this library.
pub(crate) const OWN_CLAIMS: &[(&str, &str)] = &[
    ("iss", "'https://api.example.com'"),
    ("sub", "'alice'"),
    ("aud", "'example-web'"),
    ("exp", "$now+300"),
    ("iat", "$now"),
    ("jti", "'1'"),
    ("sid", "'BwcHBwcHBwcHBwcHBwcHBw'"),
    ("scope", "'user'"),
    ("name", "'Alice'"),
];

impl Valid {
    /// Replaces the placeholders of the parts of its header.
    fn named(&self, text: &str) -> String {
        let member = |name| self.header.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let unquoted = |value: &'static str| value.trim_matches('\'');
        // A header without them: what it would have.
        text.replace("$alg", unquoted(member("alg").unwrap()))
            .replace("$typ", unquoted(member("typ").unwrap_or("at+jwt")))
            .replace("$kid", self.key)
    }
}

/// A key ring that signs with the key of tokens whose header names `ed`.
pub(crate) fn ring_of_ed() -> KeyRing {
    KeyRing::new(SigningKey::from_pem(Algorithm::EdDsa, file("ed25519.pem")).unwrap().with_kid("ed"))
}

/// One token, as differences to a valid one. `tests/attacks/README` describes the fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Forgery {
    pub(crate) reason: String,
    #[serde(default)]
    header: Json,
    #[serde(default)]
    claims: Json,
    #[serde(default)]
    latin1: bool,
    #[serde(default)]
    sign_with: Option<String>,
    #[serde(default)]
    signature: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    pad_to: Option<usize>,
    pub(crate) expect: String,
}

/// A JSON text: whole, or as changes to the members of the valid one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Json {
    Whole(String),
    Changed(BTreeMap<String, Option<String>>),
}

impl Default for Json {
    fn default() -> Self {
        Self::Changed(BTreeMap::new())
    }
}

impl Forgery {
    /// The token, at `now` in seconds.
    pub(crate) fn token(&self, valid: &Valid, now: u64) -> Vec<u8> {
        let Some(len) = self.pad_to else { return self.with_padding(valid, now, None) };
        let padded = |blanks, padding| {
            let header =
                format!("{}{}", self.header.text(valid, valid.header, None, now), " ".repeat(blanks));
            self.with_header(&header, valid, now, Some(padding))
        };
        // base64 encodes three bytes as four characters: not every header allows for every length.
        let found = (0..3).find_map(|blanks| {
            let missing = len - padded(blanks, 0).len();
            (missing / 4 * 3..)
                .map(|padding| padded(blanks, padding))
                .find(|token| token.len() >= len)
                .filter(|token| token.len() == len)
        });
        found.unwrap_or_else(|| panic!("no payload gives {len} bytes: {}", self.reason))
    }

    fn with_padding(&self, valid: &Valid, now: u64, padding: Option<usize>) -> Vec<u8> {
        self.with_header(&self.header.text(valid, valid.header, None, now), valid, now, padding)
    }

    fn with_header(&self, header: &str, valid: &Valid, now: u64, padding: Option<usize>) -> Vec<u8> {
        let claims = self.claims.text(valid, valid.claims, padding, now);
        let (header, claims) = (self.encoded("header", header), self.encoded("claims", &claims));
        let segment = |template: &str| {
            let template = template.replace("{valid header}", &URL_SAFE_NO_PAD.encode(valid_header(valid)));
            fill(&fill(&template, "header", &header), "claims", &claims)
        };
        let message = segment(self.message.as_deref().unwrap_or("{header}.{claims}"));
        let signature = self.signed(valid, message.as_bytes());
        let token = segment(self.token.as_deref().unwrap_or("{message}.{signature}")).replace('\'', "\"");
        let token = fill(&token, "signature", &signature).replace("{message}", &message);
        if self.latin1 { latin1(&token) } else { token.into_bytes() }
    }

    /// The bytes of a segment. A blank after it makes its encoding one that has padding, where a row is about that.
    fn encoded(&self, name: &str, text: &str) -> Vec<u8> {
        let templates = [&self.message, &self.token].map(|text| text.as_deref().unwrap_or_default());
        let needs_padding =
            ["padded", "loose"].iter().any(|kind| templates.concat().contains(&format!("{{{name} {kind}}}")));
        let blank = if needs_padding && text.len().is_multiple_of(3) { " " } else { "" };
        let text = format!("{text}{blank}");
        if self.latin1 { latin1(&text) } else { text.into_bytes() }
    }

    fn signed(&self, valid: &Valid, message: &[u8]) -> Vec<u8> {
        let (key, algorithm) = match self.sign_with.as_deref() {
            None => key(valid.key),
            Some("stranger") => key(&format!("stranger {}", valid.key)),
            Some(name) => match name.split_once(':') {
                Some((name, algorithm)) => (key(name).0, jwt::Algorithm::from_str(algorithm).unwrap()),
                None => key(name),
            },
        };
        let Some(change) = &self.signature else { return sign(algorithm, &key, message) };
        if change == "of another token" {
            return sign(algorithm, &key, b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ");
        }
        let mut signature = sign(algorithm, &key, message);
        changed(&mut signature, change);
        signature
    }
}

impl Json {
    fn text(&self, issuer: &Valid, valid: &[(&str, &str)], padding: Option<usize>, now: u64) -> String {
        let text = match self {
            Self::Whole(text) => text.clone(),
            Self::Changed(changes) => {
                let mut members: Vec<(&str, Option<&str>)> =
                    valid.iter().map(|(name, value)| (*name, Some(*value))).collect();
                for (name, value) in changes.iter().filter(|(name, _)| !["^", "+"].contains(&name.as_str())) {
                    match members.iter_mut().find(|(known, _)| known == name) {
                        Some((_, known)) => *known = value.as_deref(),
                        None => members.push((name, value.as_deref())),
                    }
                }
                let extra = |place: &str| changes.get(place).cloned().flatten();
                let members =
                    members.iter().filter_map(|(name, value)| value.map(|value| format!("'{name}':{value}")));
                let members: Vec<_> = extra("^")
                    .into_iter()
                    .chain(members)
                    .chain(extra("+"))
                    .chain(padding.map(|len| format!("'pad':'{}'", "x".repeat(len))))
                    .collect();
                format!("{{{}}}", members.join(","))
            }
        };
        with_times(&repeated(&issuer.named(&text)), now).replace('\'', "\"")
    }
}

/// The header of the issuer's tokens, as it writes it.
pub(crate) fn valid_header(valid: &Valid) -> String {
    Json::default().text(valid, valid.header, None, 0)
}

/// Replaces the placeholders `{name …}` with the encodings of `bytes`.
fn fill(template: &str, name: &str, bytes: &[u8]) -> String {
    let mut text = template.to_owned();
    for (kind, encoded) in [
        ("", URL_SAFE_NO_PAD.encode(bytes)),
        (" padded", URL_SAFE.encode(bytes)),
        (" in the standard alphabet", STANDARD_NO_PAD.encode(bytes)),
        (" loose", loose(bytes)),
    ] {
        let place = format!("{{{name}{kind}}}");
        if template.contains(&place) {
            let canonical = URL_SAFE_NO_PAD.encode(bytes);
            assert_eq!(encoded == canonical, kind.is_empty(), "nothing to see of{kind} in {canonical}");
            text = text.replace(&place, &encoded);
        }
    }
    text
}

/// base64url whose last character has an unused bit set.
fn loose(bytes: &[u8]) -> String {
    let mut text = URL_SAFE_NO_PAD.encode(bytes).into_bytes();
    if !bytes.len().is_multiple_of(3) {
        *text.last_mut().unwrap() += 1;
    }
    String::from_utf8(text).unwrap()
}

/// `<text*3>` three times, with `#` as the number of the repetition.
pub(crate) fn repeated(text: &str) -> String {
    let Some((before, rest)) = text.split_once('<') else { return text.to_owned() };
    let (pattern, after) = rest.split_once('>').unwrap();
    let (pattern, times) = pattern.rsplit_once('*').unwrap();
    let times = times.parse::<usize>().unwrap();
    let middle: String = (0..times).map(|number| pattern.replace('#', &number.to_string())).collect();
    format!("{before}{middle}{}", repeated(after))
}

/// `$now`, `$now+1` and `$now-1` as numbers.
fn with_times(text: &str, now: u64) -> String {
    let Some((before, rest)) = text.split_once("$now") else { return text.to_owned() };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (seconds, rest) = match rest.split_at_checked(1) {
        Some(("+", rest)) => {
            let (offset, rest) = rest.split_at(digits(rest));
            (now + offset.parse::<u64>().unwrap(), rest)
        }
        Some(("-", rest)) => {
            let (offset, rest) = rest.split_at(digits(rest));
            (now - offset.parse::<u64>().unwrap(), rest)
        }
        _ => (now, rest),
    };
    format!("{before}{seconds}{}", with_times(rest, now))
}

pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
}

/// A key and its algorithm. A public key file is used as an HMAC secret: this is the confusion that attackers try.
fn key(name: &str) -> (EncodingKey, jwt::Algorithm) {
    let secret = |secret: &[u8]| EncodingKey::from_secret(secret).unwrap();
    match name {
        "hs" => (secret(SECRET), jwt::Algorithm::HS256),
        "hs384" => (secret(SECRET_384), jwt::Algorithm::HS384),
        "hs512" => (secret(SECRET_512), jwt::Algorithm::HS512),
        "ed" => (EncodingKey::from_ed_pem(&file("ed25519.pem")).unwrap(), jwt::Algorithm::EdDSA),
        "es256" => (EncodingKey::from_ec_pem(&file("es256.pem")).unwrap(), jwt::Algorithm::ES256),
        "es384" => (EncodingKey::from_ec_pem(&file("es384.pem")).unwrap(), jwt::Algorithm::ES384),
        "rs" => (EncodingKey::from_rsa_pem(&file("rsa.pem")).unwrap(), jwt::Algorithm::RS256),
        "ps" => (EncodingKey::from_rsa_pem(&file(PS256)).unwrap(), jwt::Algorithm::PS256),
        "stranger hs" => (secret(STRANGER), jwt::Algorithm::HS256),
        "stranger ed" => {
            (EncodingKey::from_ed_pem(&file("ed25519.rust_crypto.pem")).unwrap(), jwt::Algorithm::EdDSA)
        }
        "stranger es256" => {
            (EncodingKey::from_ec_pem(&file("es256.rust_crypto.pem")).unwrap(), jwt::Algorithm::ES256)
        }
        "stranger ps" => {
            (EncodingKey::from_rsa_pem(&file("rsa.rust_crypto.pem")).unwrap(), jwt::Algorithm::PS256)
        }
        "stranger rs" => {
            (EncodingKey::from_rsa_pem(&file("rsa.rust_crypto.pem")).unwrap(), jwt::Algorithm::RS256)
        }
        "the set" => (secret(set().to_string().as_bytes()), jwt::Algorithm::HS256),
        "jwk of rs" | "jwk of ed" => {
            let keys = set();
            let is_it = |jwk: &&Value| name.ends_with(jwk["kid"].as_str().unwrap());
            let jwk = keys["keys"].as_array().unwrap().iter().find(is_it).unwrap();
            (secret(jwk.to_string().as_bytes()), jwt::Algorithm::HS256)
        }
        // HMAC pads a key with zeros (RFC 2104), so this is the empty secret, which jsonwebtoken rejects.
        "nothing" => (secret(&[0]), jwt::Algorithm::HS256),
        name => match name.split_once(' ') {
            None => (secret(&file(name)), jwt::Algorithm::HS256),
            Some((name, "der")) => (secret(&der(name)), jwt::Algorithm::HS256),
            Some((name, "point")) => (secret(&der(name)[der(name).len() - 32..]), jwt::Algorithm::HS256),
            Some((name, what)) => panic!("{what} of {name}"),
        },
    }
}

/// The public keys of the ring.
fn set() -> Value {
    let world = World::new();
    world.auth.rotate_keys(ring()).unwrap();
    serde_json::to_value(world.auth.jwks()).unwrap()
}

/// The signature with any key, whatever its algorithm.
fn sign(algorithm: jwt::Algorithm, key: &EncodingKey, message: &[u8]) -> Vec<u8> {
    (DEFAULT_PROVIDER.signer_factory)(&algorithm, key).unwrap().try_sign(message).unwrap()
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn der(name: &str) -> Vec<u8> {
    let pem = String::from_utf8(file(name)).unwrap();
    STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

fn changed(signature: &mut Vec<u8>, change: &str) {
    let half = signature.len() / 2;
    match change {
        "half of it" => signature.truncate(half),
        "one byte of it" => signature.truncate(1),
        "all but its last byte" => drop(signature.pop()),
        "all but its first byte" => drop(signature.remove(0)),
        "a byte more" => signature.push(0),
        "a zero before it" => signature.insert(0, 0),
        "twice" => signature.extend(signature.clone()),
        "a bit flipped" => signature[half] ^= 1,
        "the last bit flipped" => *signature.last_mut().unwrap() ^= 1,
        "zeros" => signature.fill(0),
        "ones" => signature.fill(0xff),
        "halves swapped" => signature.rotate_left(half),
        "r zero" => signature[..half].fill(0),
        "s zero" => signature[half..].fill(0),
        "one" => {
            signature.fill(0);
            *signature.last_mut().unwrap() = 1;
        }
        "the order of P-256 twice" => *signature = P256_ORDER.repeat(2),
        "the other s of P-256" => negate(&mut signature[half..]),
        "the neutral point" => {
            signature.fill(0);
            signature[0] = 1;
        }
        "s and the order of the group" => add_order(&mut signature[half..]),
        "in DER" => *signature = ecdsa_der(signature),
        "as text" => *signature = URL_SAFE_NO_PAD.encode(&*signature).into_bytes(),
        _ => panic!("{change}"),
    }
}

/// Adds the order of Ed25519's group (RFC 8032 §5.1): a lenient verifier accepts the sum as the same signature.
fn add_order(s: &mut [u8]) {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut carry = 0;
    for (digit, order) in s.iter_mut().zip(ORDER) {
        let sum = u16::from(*digit) + u16::from(order) + carry;
        *digit = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
}

/// The order of the group of P-256 (FIPS 186-4 §D.1.2.3), big-endian.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The order minus `s`: a signature with it is valid as well.
fn negate(s: &mut [u8]) {
    let mut borrow = 0;
    for (digit, order) in s.iter_mut().zip(P256_ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = difference as u8;
    }
    assert_eq!(borrow, 0);
}

/// `SEQUENCE { INTEGER r, INTEGER s }`: the form of ECDSA signatures in X.509, but not in JWS (RFC 7518 §3.4).
fn ecdsa_der(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    let integers: Vec<u8> = [r, s]
        .into_iter()
        .flat_map(|integer| {
            let start = integer.iter().position(|byte| *byte != 0).unwrap();
            let sign = if integer[start] < 0x80 { &[][..] } else { &[0] };
            let digits = [sign, &integer[start..]].concat();
            [vec![2, digits.len() as u8], digits].concat()
        })
        .collect();
    [vec![0x30, integers.len() as u8], integers].concat()
}
