//! Start, and errors at start.

use std::{fs, net::TcpListener, process::Command};

use super::{
    support::{Server, fails_to_start},
    tls,
};

#[test]
fn the_first_line_contains_the_address_and_the_others_what_to_try() {
    let mut server = Server::start(&[]);
    let port: u16 = server.address.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
    assert_ne!(port, 0);
    assert_eq!(server.client().get("/public").status, 200);
    server.signal("TERM");
    let (status, output, errors) = server.wait();
    assert_eq!(status.code(), Some(0));
    for word in ["alice-password", "bob-password", "admin-password", "user admin", &server.address] {
        assert!(output.contains(word), "{output}");
    }
    assert!(errors.starts_with("warning: ") && errors.lines().count() == 1, "{errors}");
}

#[test]
fn keys_from_files_cause_no_warning() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, [7; 32]).unwrap();
    let mut server = Server::start(&["--algorithm", "HS256", "--signing-key", secret.to_str().unwrap()]);
    server.signal("TERM");
    let (_, _, errors) = server.wait();
    assert_eq!(errors, "");
}

#[test]
fn it_continues_when_its_output_is_closed() {
    let mut server = Server::start(&[]);
    server.close_output();
    assert_eq!(server.logged_in("alice").get("/me").status, 200);
}

#[test]
fn help_is_no_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_demo")).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    for flag in [
        "listen",
        "store",
        "algorithm",
        "signing-key",
        "refresh-key",
        "issuer",
        "audience",
        "access-ttl",
        "idle",
        "absolute",
        "grace",
        "damping",
        "late-refill",
        "late",
        "refresh-ahead",
        "trusted-origin",
        "access-header",
        "access-cookie",
        "insecure-http",
        "tls",
    ] {
        assert!(help.contains(&format!("--{flag}")), "{flag}");
        assert!(help.contains(&format!("DEMO_{}", flag.to_uppercase().replace('-', "_"))), "{flag}");
    }
}

#[test]
fn an_invalid_option_is_reported_in_one_line() {
    for (arguments, named) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--algorithm", "none"], "none"),
        (&["--algorithm", "eddsa"], "eddsa"),
        (&["--access-ttl", "10"], "10"),
        (&["--grace", "soon"], "soon"),
        (&["--late", "-1"], "-1"),
        (&["--refresh-ahead", "much"], "much"),
        (&["--access-header", "maybe"], "maybe"),
        (&["--listen"], "--listen"),
        (&["stray"], "stray"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--listen", "127.0.0.1:99999"], "99999"),
        (&["--store", "nothing"], "store"),
        (&["--store", "mysql://user:hunter2@host"], "store"),
        (&["--trusted-origin", "example.com"], "example.com"),
        (&["--trusted-origin", "https://example.com/"], "https://example.com/"),
        (&["--access-header", "off", "--access-cookie", "off"], "transport"),
        (&["--tls", "cert.pem"], "--tls"),
        (&["--tls", "cert.pem", "key.pem", "stray"], "stray"),
        (&["--tls", "cert.pem", "key.pem", "--insecure-http"], "--insecure-http"),
    ] {
        let line = fails_to_start(arguments, &[]);
        assert!(line.starts_with("error: ") && line.contains(named), "{arguments:?}: {line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
    assert!(fails_to_start(&[], &[("DEMO_LATE", "few")]).contains("few"));
    assert!(fails_to_start(&[], &[("DEMO_TLS", "cert.pem")]).contains("tls"));
}

#[test]
fn an_invalid_policy_is_reported_in_one_line() {
    for (arguments, named) in [
        (&["--damping", "44s"][..], "damping"),
        (&["--grace", "11m", "--damping", "12m"], "grace"),
        (&["--access-ttl", "500ms"], "access lifetime"),
        (&["--idle", "0s"], "idle"),
        (&["--absolute", "999ms"], "absolute"),
        (&["--late-refill", "0s"], "refill"),
        (&["--late", "1001"], "late"),
        (&["--refresh-ahead", "1"], "refresh-ahead"),
        (&["--refresh-ahead", "NaN"], "refresh-ahead"),
    ] {
        let line = fails_to_start(arguments, &[]);
        assert!(line.starts_with("error: ") && line.contains(named), "{arguments:?}: {line}");
    }
}

#[test]
fn an_invalid_key_is_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let missing = folder.path().join("missing").to_str().unwrap().to_owned();
    let (short, text) = (file("short", &[7; 31]), file("text", b"no key at all"));
    for (arguments, named) in [
        (["--signing-key", missing.as_str(), "--algorithm", "EdDSA"], "missing"),
        (["--refresh-key", missing.as_str(), "--algorithm", "EdDSA"], "missing"),
        (["--refresh-key", short.as_str(), "--algorithm", "EdDSA"], "32 bytes"),
        (["--signing-key", text.as_str(), "--algorithm", "EdDSA"], "PEM"),
        (["--signing-key", text.as_str(), "--algorithm", "ES256"], "PEM"),
        (["--signing-key", text.as_str(), "--algorithm", "RS256"], "PEM"),
        (["--signing-key", short.as_str(), "--algorithm", "HS256"], "32 bytes"),
        (["--signing-key", folder.path().to_str().unwrap(), "--algorithm", "HS256"], "cannot be read"),
    ] {
        let line = fails_to_start(&arguments, &[]);
        assert!(line.starts_with("error: ") && line.contains(named), "{arguments:?}: {line}");
    }
}

#[test]
fn invalid_tls_files_are_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").to_str().unwrap().to_owned();
    let text = folder.path().join("text").to_str().unwrap().to_owned();
    fs::write(&text, "no PEM at all").unwrap();
    let garbage = folder.path().join("garbage").to_str().unwrap().to_owned();
    fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let directory = folder.path().to_str().unwrap();
    let (certificate, key) = (tls::certificate("es256"), tls::key("es256"));
    for (certificate, key, named) in [
        (missing.as_str(), key.as_str(), "missing cannot be read"),
        (directory, &key, "cannot be read"),
        (&text, &key, "text is not PEM"),
        (&key, &key, "is not PEM"),
        (&garbage, &key, "garbage"),
        (&certificate, &missing, "missing cannot be read"),
        (&certificate, directory, "cannot be read"),
        (&certificate, &text, "text is not PEM"),
        (&certificate, &certificate, "is not PEM"),
        (&certificate, &tls::key("es256.encrypted"), "encrypted"),
        // The key of another certificate.
        (&certificate, &tls::key("ed25519"), "ed25519"),
    ] {
        let line = fails_to_start(&["--tls", certificate, key], &[]);
        assert!(line.starts_with("error: ") && line.contains(named), "{certificate} {key}: {line}");
    }
}

#[test]
#[cfg(not(feature = "sqlx"))]
fn the_store_of_sqlx_without_its_feature_is_reported_in_one_line() {
    let line = fails_to_start(&["--store", "sqlx+postgres://user:hunter2@127.0.0.1:1/db"], &[]);
    assert!(line.starts_with("error: ") && line.contains("--features sqlx"), "{line}");
    assert!(!line.contains("hunter2"), "{line}");
}

#[test]
fn an_unreachable_store_is_reported_in_one_line() {
    // No server listens on port 1.
    for store in [
        "postgres://user:hunter2@127.0.0.1:1/db",
        #[cfg(feature = "sqlx")]
        "sqlx+postgres://user:hunter2@127.0.0.1:1/db",
        "redis://:hunter2@127.0.0.1:1",
        "redis+cluster://:hunter2@127.0.0.1:1,127.0.0.1:1",
    ] {
        let line = fails_to_start(&["--store", store], &[]);
        assert!(line.starts_with("error: ") && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn an_address_in_use_is_reported_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(fails_to_start(&["--listen", &address], &[]).contains(&address));
}
