//! Connections with TLS, with a certificate of the test's own.

use std::{fs, path::Path, process::Command};

use redis::{Client, TlsCertificates};
use tower_refresh_core::{EndReason, SessionStore};
use tower_refresh_redis::{RedisOptions, Server};

use crate::support::{NOW, Redis, follow, free_port, row};

#[tokio::test]
#[ignore = "needs Redis"]
async fn sessions_and_the_feed_use_tls() {
    let folder = tempfile::tempdir().unwrap();
    make_certificate(folder.path());
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let port = free_port();
    let _server = Redis::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        cert.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-ca-cert-file",
        cert.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{port}");
    let untrusted = RedisOptions::new().connect(Server::url(&url).unwrap()).await;
    assert!(untrusted.is_err(), "the certificate is not trusted");

    let root_cert = Some(fs::read(cert).unwrap());
    let client = Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert }).unwrap();
    let store = RedisOptions::new().connect(Server::node(client)).await.unwrap();
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    store.create(&row(1)).await.unwrap();
    assert!(store.end(row(1).handle, EndReason::Logout, NOW, 7).await.unwrap());
    seen.until_reported(row(1).handle, NOW).await;
}

fn make_certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
