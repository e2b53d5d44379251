//! The feed of ended sessions between stores, through broken connections.

use std::time::{Duration, Instant};

use tower_refresh_core::{EndReason, SessionStore, StoreErrorKind, Timestamp};
use tower_refresh_redis::{RedisOptions, RedisStore, Server};

use crate::support::{Cluster, NOW, Redis, follow, handle, row};

async fn two_stores(url: &str) -> (RedisStore, RedisStore) {
    (RedisStore::connect(url).await.unwrap(), RedisStore::connect(url).await.unwrap())
}

async fn end(store: &RedisStore, number: u64) {
    store.create(&row(number)).await.unwrap();
    assert!(store.end(handle(number), EndReason::Logout, NOW, 7).await.unwrap());
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_watcher_that_lost_its_connection_is_reported_what_it_missed() {
    let server = Redis::start_with(&[]);
    let (here, there) = two_stores(&server.url()).await;
    let (seen, _following) = follow(&here, NOW);
    seen.until_caught_up().await;
    end(&there, 1).await;
    seen.until_reported(handle(1), NOW).await;

    let _: i64 = server.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap();
    assert_eq!(seen.until_lost().await.kind(), StoreErrorKind::Unavailable);
    end(&there, 2).await;
    let (again, _following) = follow(&here, NOW);
    again.until_caught_up().await;
    assert!(again.has_seen(handle(1)) && again.has_seen(handle(2)));
    end(&there, 3).await;
    again.until_reported(handle(3), NOW).await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_watcher_notices_that_its_server_does_not_answer() {
    let server = Redis::start_with(&[]);
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    let frozen = Instant::now();
    server.freeze();
    assert_eq!(seen.until_lost().await.kind(), StoreErrorKind::TimedOut);
    assert!(frozen.elapsed() < Duration::from_secs(4));
    server.thaw();
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn other_messages_on_the_channel_are_ignored() {
    let server = Redis::start_with(&[]);
    let (here, there) = two_stores(&server.url()).await;
    let (seen, _following) = follow(&here, NOW);
    seen.until_caught_up().await;
    let channels: Vec<String> = server.ask(&["PUBSUB", "CHANNELS"]).unwrap();
    assert_eq!(channels.len(), 1, "{channels:?}");
    for message in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", "longer than the 24 bytes of an end"] {
        let receivers: i64 = server.ask(&["PUBLISH", &channels[0], message]).unwrap();
        assert_eq!(receivers, 1);
    }
    end(&there, 1).await;
    seen.until_reported(handle(1), NOW).await;
}

#[tokio::test]
#[ignore = "needs a Redis Cluster"]
async fn ends_and_outdated_claims_on_all_primaries_of_a_cluster_are_reported() {
    let cluster = Cluster::start(0);
    let (here, there) = two_stores(&cluster.url()).await;
    end(&there, 1000).await;
    let watchers: Vec<_> = (0..6).map(|_| follow(&here, NOW)).collect();
    for (seen, _) in &watchers {
        seen.until_caught_up().await;
        assert!(seen.has_seen(handle(1000)));
    }
    for number in 0..30 {
        end(&there, number).await;
    }
    for number in 30..60 {
        there.create(&row(number)).await.unwrap();
        assert_eq!(there.outdate_claims(handle(number), NOW, 7).await.unwrap(), Some(1));
    }
    for (seen, _) in &watchers {
        for number in 0..30 {
            seen.until_reported(handle(number), NOW).await;
            seen.until_outdated(handle(30 + number), 1).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_watcher_that_asks_for_more_than_the_window_fails() {
    let server = Redis::start_with(&["--stream-node-max-entries", "1"]);
    let options = RedisOptions::new().with_feed_window(Duration::from_millis(100));
    let store = options.connect(Server::url(&server.url()).unwrap()).await.unwrap();
    end(&store, 1).await;
    let (seen, _following) = follow(&store, Timestamp::default());
    seen.until_caught_up().await;
    assert!(seen.has_seen(handle(1)), "no entry was removed so far");

    tokio::time::sleep(Duration::from_millis(200)).await;
    end(&store, 2).await;
    end(&store, 3).await;
    let (failed, _following) = follow(&store, Timestamp::default());
    assert_eq!(failed.until_lost().await.kind(), StoreErrorKind::Unavailable);
    let (later, _following) = follow(&store, NOW);
    later.until_caught_up().await;
}
