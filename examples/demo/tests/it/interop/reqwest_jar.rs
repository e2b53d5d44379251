//! reqwest with its cookie store.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{
    Client, StatusCode, Url,
    cookie::{CookieStore, Jar},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::server::Server;

/// Logs in, waits until the access token has expired and was renewed, and logs out.
async fn assert_stays_logged_in(server: &Server, access: &str) {
    let jar = Arc::new(Jar::default());
    let client = Client::builder().cookie_provider(jar.clone()).no_proxy().build().unwrap();
    let url = |path: &str| format!("{}{path}", server.url);
    let origin: Url = server.url.parse().unwrap();
    let access_cookie = || {
        let header = jar.cookies(&origin)?;
        let header = header.to_str().unwrap().to_owned();
        header.split("; ").find(|cookie| cookie.starts_with(&format!("{access}="))).map(str::to_owned)
    };

    let form = json!({ "username": "alice", "password": "alice-password" });
    let response = client.post(url("/login")).json(&form).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let first = access_cookie().unwrap();

    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let response = client.get(url("/me")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.json::<Value>().await.unwrap()["sub"], "alice");
        if access_cookie().is_some_and(|renewed| renewed != first) {
            break;
        }
        assert!(Instant::now() < deadline, "the access token is never renewed");
        sleep(Duration::from_millis(200)).await;
    }

    let response = client.post(url("/auth/logout")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(jar.cookies(&origin).is_none(), "cookies are left: {:?}", jar.cookies(&origin));
    assert_eq!(client.get(url("/me")).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

/// Like browsers, its cookie store sends cookies with `Secure` over HTTP to this machine.
#[tokio::test]
async fn reqwest_stays_logged_in_with_host_cookies_on_this_machine() {
    assert_stays_logged_in(&Server::start(&["--access-ttl", "2s"]), "__Host-access").await;
}

#[tokio::test]
async fn reqwest_stays_logged_in_over_insecure_http() {
    assert_stays_logged_in(&Server::start(&["--access-ttl", "2s", "--insecure-http"]), "access").await;
}
