//! Invalid URLs and options are rejected before anything is sent.

use std::time::Duration;

use tower_refresh_redis::{OpenErrorKind, RedisOptions, Server};

const ON_THIS_MACHINE: [&str; 7] = [
    "redis://127.0.0.1",
    "redis://localhost:6379/3",
    "redis://:secret@[::1]:6379",
    "unix:///run/redis.sock",
    "redis+unix:///run/redis.sock",
    "redis+cluster://localhost,127.0.0.1:7000,[::1]:7001",
    "redis+sentinel://user:secret@localhost,127.0.0.2:26380,[::1]/main/2",
];

const ACROSS_A_NETWORK: [&str; 10] = [
    "valkey://user:secret@host",
    "redis://10.0.0.7",
    "redis://localhost@host",
    "redis://localhost.example.com/0",
    "redis+cluster://a,b:7000,[::1]:7001",
    "redis+cluster://localhost,10.0.0.7",
    "redis+cluster://:sec%40ret@a:7000",
    "valkey+cluster://a/",
    "redis+sentinel://localhost,b:26380/main",
    "redis+sentinel://user:secret@a/main/2",
];

#[test]
fn urls_of_nodes_sentinels_and_clusters_are_accepted() {
    for url in ON_THIS_MACHINE {
        assert!(Server::url(url).is_ok(), "{url}");
    }
    for url in ON_THIS_MACHINE.iter().chain(&ACROSS_A_NETWORK) {
        assert!(Server::insecure_url(url).is_ok(), "{url}");
    }
}

#[test]
fn a_url_across_a_network_never_silently_disables_tls() {
    for url in ACROSS_A_NETWORK {
        assert_eq!(Server::url(url).expect_err(url).kind(), OpenErrorKind::TlsRequired, "{url}");
    }
}

#[test]
fn other_urls_are_rejected() {
    for url in [
        "",
        "redis",
        "127.0.0.1:6379",
        "http://127.0.0.1",
        "redis://",
        "redis+cluster://",
        "redis+cluster://a,,b",
        "redis+cluster://a:port",
        "redis+cluster://a/1",
        "redis+cluster://a?x=1",
        "http+cluster://a",
        "redis+sentinel://a",
        "redis+sentinel:///main",
        "redis+sentinel://a/main/x",
        "redis+other://a",
    ] {
        for read in [Server::url, Server::insecure_url] {
            let error = read(url).expect_err(url);
            assert_eq!(error.kind(), OpenErrorKind::InvalidUrl, "{url}");
        }
    }
}

#[cfg(not(feature = "rustls"))]
#[test]
fn tls_without_the_feature_for_it_is_rejected() {
    for url in ["rediss://a", "valkeys://a", "rediss+cluster://a", "rediss+sentinel://a/main"] {
        assert_eq!(Server::url(url).expect_err(url).kind(), OpenErrorKind::InvalidUrl, "{url}");
    }
}

#[cfg(feature = "rustls")]
#[test]
fn tls_with_the_feature_for_it_is_accepted() {
    for url in ["rediss://a", "valkeys://a", "rediss+cluster://a", "rediss+sentinel://a/main"] {
        assert!(Server::url(url).is_ok(), "{url}");
    }
}

#[test]
fn passwords_are_not_shown() {
    for url in
        ["redis://user:secret@a", "redis+cluster://user:secret@a", "redis+sentinel://user:secret@a/main"]
    {
        assert!(!format!("{:?}", Server::insecure_url(url).expect(url)).contains("secret"), "{url}");
    }
}

#[tokio::test]
async fn prefixes_that_would_be_patterns_or_hash_tags_are_rejected() {
    for prefix in ["", "a*", "a?", "[a]", "{a}", "a}", "a b", "a\n", "a\0", "é", "a\\", "a'", &"a".repeat(65)]
    {
        let server = Server::url("redis://127.0.0.1:1").expect("a URL");
        let error = RedisOptions::new().with_prefix(prefix).connect(server).await.expect_err(prefix);
        assert_eq!(error.kind(), OpenErrorKind::InvalidPrefix, "{prefix:?}");
    }
}

#[tokio::test]
async fn durations_of_zero_are_rejected() {
    for options in [
        RedisOptions::new().with_retention(Duration::ZERO),
        RedisOptions::new().with_timeout(Duration::ZERO),
        RedisOptions::new().with_feed_window(Duration::ZERO),
        RedisOptions::new().with_wait_for_replicas(1, Duration::ZERO),
    ] {
        let server = Server::url("redis://127.0.0.1:1").expect("a URL");
        let error = options.connect(server).await.expect_err("a duration of zero");
        assert_eq!(error.kind(), OpenErrorKind::InvalidOption);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let server = Server::url("redis://127.0.0.1:1").expect("a URL");
    let error = RedisOptions::new().connect(server).await.expect_err("no server listens on port 1");
    assert_eq!(error.kind(), OpenErrorKind::Unavailable);
}
