//! Access tokens, verified with third-party libraries and the public keys.

use std::{
    collections::BTreeMap,
    env,
    fs::write,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::server::Server;

const NAME: &str = "tower-refresh-demo";
const SECRET: &[u8] = b"a secret of the tests, 32 bytes or more";

/// The folder in which `scripts/test-world` installs jose, and a Python environment with the other libraries.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("interop")
}

/// A program that `scripts/test-world` installs, or else the system's.
pub(crate) fn program(name: &str) -> PathBuf {
    let installed = folder().join("venv/bin").join(name);
    if installed.exists() { installed } else { name.into() }
}

/// The results of the libraries for a token.
fn run(name: &str, arguments: &[&str], case: &Value) -> BTreeMap<String, Value> {
    let mut process = Command::new(program(name))
        .args(arguments)
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} is missing, scripts/test-world installs it: {error}"));
    process.stdin.take().unwrap().write_all(case.to_string().as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{name} rejected the token, or failed: {case}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The token with one byte changed in each of its parts, and without a signature.
fn changed(token: &str) -> Value {
    let parts: Vec<_> = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    let with = |at: usize, byte: usize| {
        let mut parts = parts.clone();
        parts[at][byte] ^= 1;
        parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect::<Vec<_>>().join(".")
    };
    let payload_end = parts[1].len() - 4;
    let (unsigned, _) = token.rsplit_once('.').unwrap();
    json!({
        "the first byte of the signature": with(2, 0),
        "the last byte of the signature": with(2, parts[2].len() - 1),
        "a byte of the claims": with(1, payload_end),
        "a byte of the header": with(0, 5),
        "no signature": format!("{unsigned}."),
    })
}

fn verify(algorithm: &str, arguments: &[&str], secret: Option<&[u8]>) {
    let server = Server::start(&[&["--algorithm", algorithm, "--access-ttl", "10m"], arguments].concat());
    let jwks = format!("{}/.well-known/jwks.json", server.url);
    let log_in = json!({ "username": "admin", "password": "admin-password" }).to_string();
    let mut response = ureq::post(format!("{}/token-login", server.url))
        .content_type("application/json")
        .send(&log_in)
        .unwrap();
    let tokens: Value = serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    let keys: Value =
        serde_json::from_str(&ureq::get(&jwks).call().unwrap().body_mut().read_to_string().unwrap()).unwrap();
    let kid = match secret {
        None => keys["keys"][0]["kid"].as_str().unwrap().to_owned(),
        Some(_) => {
            assert_eq!(keys, json!({ "keys": [] }));
            header(token)["kid"].as_str().unwrap().to_owned()
        }
    };
    let case = json!({
        "token": token,
        "changed": changed(token),
        "algorithm": algorithm,
        "issuer": NAME,
        "audience": NAME,
        "jwks": jwks,
        "secret": secret.map(|secret| STANDARD.encode(secret)),
    });

    let mut results = run("node", &["--input-type=module", "--eval", include_str!("verify.mjs")], &case);
    results.append(&mut run("python", &["-c", include_str!("verify.py")], &case));

    let names: Vec<_> = results.keys().map(String::as_str).collect();
    assert_eq!(names, ["jose", "joserfc", "jwcrypto", "pyjwt"]);
    for (library, Verified { header, claims, rejected }) in
        results.iter().map(|(library, result)| (library, Verified::from_json(result)))
    {
        assert_eq!(*header, json!({ "alg": algorithm, "kid": kid, "typ": "at+jwt" }), "{library}");
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(NAME), &json!(NAME)), "{library}");
        assert_eq!((&claims["sub"], &claims["scope"]), (&json!("admin"), &json!("user admin")), "{library}");
        let (iat, exp) = (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert_eq!(exp - iat, tokens["expires_in"].as_u64().unwrap(), "{library}");
        let rejected = rejected.as_object().unwrap();
        assert!(rejected.len() >= 6, "{library}");
        for (change, rejected) in rejected {
            assert_eq!(*rejected, json!(true), "{library} accepts {algorithm} with a change: {change}");
        }
    }
}

struct Verified<'a> {
    header: &'a Value,
    claims: &'a Value,
    rejected: &'a Value,
}

impl<'a> Verified<'a> {
    fn from_json(result: &'a Value) -> Self {
        Self { header: &result["header"], claims: &result["claims"], rejected: &result["rejected"] }
    }
}

fn header(token: &str) -> Value {
    let header = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

#[test]
#[ignore = "needs Node.js and Python"]
fn eddsa_tokens_are_verified_by_other_libraries() {
    verify("EdDSA", &[], None);
}

#[test]
#[ignore = "needs Node.js and Python"]
fn es256_tokens_are_verified_by_other_libraries() {
    verify("ES256", &[], None);
}

#[test]
#[ignore = "needs Node.js and Python"]
fn rs256_tokens_are_verified_by_other_libraries() {
    verify("RS256", &[], None);
}

#[test]
#[ignore = "needs Node.js and Python"]
fn hs256_tokens_are_verified_by_other_libraries() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    write(&file, SECRET).unwrap();
    verify("HS256", &["--signing-key", file.to_str().unwrap()], Some(SECRET));
}
