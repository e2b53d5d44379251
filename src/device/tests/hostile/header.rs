//! The JOSE header.

use super::*;
use crate::crypto::MacKey;

/// The members of the header that every proof has.
pub(super) fn headers(mode: Mode) -> Vec<Case> {
    let header = |changes| signed(&mode.header_but(changes), &payload());
    let with_text =
        |text: &str| signed(&mode.header().to_string().replacen('{', &format!("{{{text},"), 1), &payload());
    let raw = |text: &str| signed(text, &payload());
    let unsigned = |changes| format!("{}.{}.", base64(mode.header_but(changes)), base64(payload()));
    vec![
        one("alg none", unsigned(json!({"alg": "none"})), WrongAlgorithm),
        one("alg None", unsigned(json!({"alg": "None"})), WrongAlgorithm),
        one("alg none with a signature", header(json!({"alg": "none"})), WrongAlgorithm),
        one("alg in another case", header(json!({"alg": "es256"})), WrongAlgorithm),
        one("alg missing", header(json!({"alg": null})), WrongAlgorithm),
        one("alg empty", header(json!({"alg": ""})), WrongAlgorithm),
        one("alg a number", header(json!({"alg": 1})), Malformed),
        one("alg a list", header(json!({"alg": ["ES256"]})), Malformed),
        one("alg of another curve", header(json!({"alg": "ES384"})), WrongAlgorithm),
        one("alg of secp256k1", header(json!({"alg": "ES256K"})), WrongAlgorithm),
        one("alg of Ed25519", header(json!({"alg": "EdDSA"})), WrongAlgorithm),
        one("alg of RSA with PSS", header(json!({"alg": "PS256"})), WrongAlgorithm),
        one("alg of RSA, where the key is a point", header(json!({"alg": "RS256"})), WrongAlgorithm),
        one("HS256 with the public key as the secret", with_public_key_as_secret(mode), WrongAlgorithm),
        one("typ missing", header(json!({"typ": null})), WrongType),
        one("typ empty", header(json!({"typ": ""})), WrongType),
        one("typ JWT", header(json!({"typ": "JWT"})), WrongType),
        one("typ of an access token", header(json!({"typ": "at+jwt"})), WrongType),
        one("typ of DPoP", header(json!({"typ": "dpop+jwt"})), WrongType),
        one("typ with a blank", header(json!({"typ": "dbsc+jwt "})), WrongType),
        one(
            "typ with the prefix twice",
            header(json!({"typ": "application/application/dbsc+jwt"})),
            WrongType,
        ),
        one("typ of another tree", header(json!({"typ": "text/dbsc+jwt"})), WrongType),
        one("typ a number", header(json!({"typ": 1})), Malformed),
        one("crit", header(json!({"crit": ["exp"]})), UnsupportedHeader),
        one("crit that names b64", header(json!({"crit": ["b64"], "b64": true})), UnsupportedHeader),
        one("crit empty", header(json!({"crit": []})), UnsupportedHeader),
        one("crit null", with_text(r#""crit":null"#), UnsupportedHeader),
        one("b64 false", header(json!({"b64": false})), UnsupportedHeader),
        one("b64 no boolean", header(json!({"b64": "true"})), UnsupportedHeader),
        one("b64 null", with_text(r#""b64":null"#), UnsupportedHeader),
        one("alg twice", with_text(r#""alg":"none""#), DuplicateMember),
        one("alg twice, the same", with_text(r#""alg":"ES256""#), DuplicateMember),
        one("alg twice, with an escape", with_text(r#""\u0061lg":"none""#), DuplicateMember),
        one("typ twice", with_text(r#""typ":"JWT""#), DuplicateMember),
        one("an unknown member twice", with_text(r#""x":1,"x":1"#), DuplicateMember),
        one("a nested member twice", with_text(r#""x":[{"y":{"z":1,"z":2}}]"#), DuplicateMember),
        one("no JSON", raw("header"), Malformed),
        one("empty JSON", raw(""), Malformed),
        one("a list", raw("[]"), Malformed),
        one("null", raw("null"), Malformed),
        one("a string", raw("\"ES256\""), Malformed),
        one("text after the object", raw(&format!("{}x", mode.header())), Malformed),
        one("a byte order mark", raw(&format!("\u{feff}{}", mode.header())), Malformed),
        one("a comma at the end", raw(r#"{"alg":"ES256","typ":"dbsc+jwt",}"#), Malformed),
        one(
            "nested too deep",
            with_text(&format!(r#""x":{}{}"#, "[".repeat(200), "]".repeat(200))),
            Malformed,
        ),
        one("not UTF-8", not_utf8_header(), Malformed),
    ]
}

fn not_utf8_header() -> String {
    let header = b"{\"alg\":\"ES256\",\"typ\":\"dbsc+jwt\",\"x\":\"\xff\"}";
    format!("{}.{}.{}", base64(header), base64(payload()), base64([1; 64]))
}

fn with_public_key_as_secret(mode: Mode) -> String {
    let key = jwk(ES256);
    let point = [key["x"].as_str().unwrap(), key["y"].as_str().unwrap()]
        .map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
    let message = format!("{}.{}", base64(mode.header_but(json!({"alg": "HS256"}))), base64(payload()));
    let mac = MacKey::new(&[&[4], point.concat().as_slice()].concat()).mac(&[message.as_bytes()]).unwrap();
    format!("{message}.{}", base64(mac))
}
