//! The value of the header, and the segments of the proof.

use super::*;

/// The header's value.
pub(super) fn values(mode: Mode) -> Vec<Case> {
    let good = signed(&mode.header().to_string(), &payload());
    let with = |before: &str, after: &[u8]| [before.as_bytes(), good.as_bytes(), after].concat();
    vec![
        ("two headers", vec![good.clone().into(), good.clone().into()], SeveralHeaders),
        ("two headers, the second one empty", vec![good.clone().into(), vec![]], SeveralHeaders),
        one("empty", "", Malformed),
        one("blanks", "  ", Malformed),
        one("an empty string", "\"\"", Malformed),
        one("no end of the string", with("\"", b""), Malformed),
        one("no beginning of the string", with("", b"\""), Malformed),
        one("one quote", "\"", Malformed),
        one("single quotes", with("'", b"'"), Malformed),
        one("an escape at the end", with("\"", b"\\\"\""), Malformed),
        one("an escape that says the same", with("\"\\", b"\""), Malformed),
        one("an unfinished escape", with("\"", b"\\"), Malformed),
        one("a string in a string", with("\"\\\"", b"\\\"\""), Malformed),
        one("two values joined by a proxy", with("", &with(", ", b"")), Malformed),
        one("two strings joined by a proxy", with("\"", &with("\", \"", b"\"")), Malformed),
        one("two strings, the first one with a parameter", with("\"", &with("\";a=1, \"", b"\"")), Malformed),
        one("a parameter after a bare value", with("", b";a=1"), Malformed),
        one("a parameter without a name", with("\"", b"\";"), Malformed),
        one("a parameter in upper case", with("\"", b"\";A=1"), Malformed),
        one("a parameter without its value", with("\"", b"\";a="), Malformed),
        one("a parameter whose string does not end", with("\"", b"\";a=\"b"), Malformed),
        one("text after the string", with("\"", b"\"x"), Malformed),
        one("text after a parameter", with("\"", b"\";a=1 x"), Malformed),
        one("a list", with("(\"", b"\")"), Malformed),
        one("a byte sequence", with(":", b":"), Malformed),
        one("a blank inside", good.replacen('.', ". ", 1), Malformed),
        one("a tab inside the string", with("\"", b"\t\""), Malformed),
        one("an 8-bit byte at the end", with("", b"\xff"), Malformed),
        one("an 8-bit byte in the string", with("\"", b"\xe9\""), Malformed),
        one("a letter that is not ASCII", with("", "é".as_bytes()), Malformed),
        one("one byte too long", with("", "A".repeat(8193 - good.len()).as_bytes()), TooLarge),
        one(
            "too long with its parameters",
            with("\"", [b"\";a=", "b".repeat(8192).as_bytes()].concat().as_slice()),
            TooLarge,
        ),
        one(
            "as long as allowed, with another signature",
            with("", "A".repeat(8192 - good.len()).as_bytes()),
            BadSignature,
        ),
    ]
}

/// The segments.
pub(super) fn shapes(mode: Mode) -> Vec<Case> {
    let good = signed(&mode.header().to_string(), &payload());
    let segments: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = segments[..] else { panic!("three segments") };
    let join = |segments: &[&str]| segments.join(".");
    vec![
        one("one segment", header, Malformed),
        one("two segments", join(&[header, payload]), Malformed),
        one("four segments", join(&[header, payload, signature, signature]), Malformed),
        one("five segments, as JWE", join(&[header, payload, signature, payload, signature]), Malformed),
        one("a dot at the beginning", format!(".{good}"), Malformed),
        one("a dot at the end", format!("{good}."), Malformed),
        one("dots only", "..", Malformed),
        one("no header", join(&["", payload, signature]), Malformed),
        one("no payload", join(&[header, "", signature]), BadSignature),
        one("no signature", join(&[header, payload, ""]), BadSignature),
        one("header and payload swapped", join(&[payload, header, signature]), WrongType),
        one("payload and signature swapped", join(&[header, signature, payload]), BadSignature),
        one("a padded signature", format!("{good}=="), Malformed),
        one("a padded header", join(&[&format!("{header}="), payload, signature]), Malformed),
        one("standard base64", join(&[header, payload, &standard(signature)]), Malformed),
        one("trailing bits", join(&[header, payload, &with_trailing_bits(signature)]), Malformed),
        one("a character too few for base64", join(&[header, payload, &signature[..85]]), Malformed),
        one("the general JSON serialisation", "{\"payload\":\"\",\"signatures\":[]}", Malformed),
        one("the scheme of another header", format!("Bearer {good}"), Malformed),
    ]
}

/// A signature has 64 bytes, so its last character has four unused bits.
fn with_trailing_bits(signature: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = signature.split_at(signature.len() - 1);
    let last = alphabet.iter().position(|byte| [*byte] == *last.as_bytes()).unwrap();
    format!("{rest}{}", char::from(alphabet[last + 1]))
}

/// The same in the alphabet with `+` and `/`, one of which is appended where neither is in it.
fn standard(segment: &str) -> String {
    let text = segment.replace('-', "+").replace('_', "/");
    if text == segment { format!("{}+{}", &text[..1], &text[2..]) } else { text }
}
