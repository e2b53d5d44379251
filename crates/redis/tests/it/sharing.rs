//! Several stores on one server, and connections that the application already has.

use redis::{Client, IntoConnectionInfo, aio::ConnectionManager};
use tower_refresh_core::{EndReason, Page, SessionStore};
use tower_refresh_redis::{RedisOptions, Server};

use crate::support::{Cluster, NOW, Redis, follow, row, with};

#[tokio::test]
#[ignore = "needs Redis"]
async fn stores_of_two_prefixes_do_not_see_each_other() {
    let server = Redis::start_with(&[]);
    let store = async |prefix: &str| {
        RedisOptions::new().with_prefix(prefix).connect(Server::url(&server.url()).unwrap()).await.unwrap()
    };
    let (shop, forum) = (store("shop").await, store("shop-s").await);
    let dead = with(row(2), |row| row.idle_expiry = NOW);
    shop.create(&row(1)).await.unwrap();
    forum.create(&dead).await.unwrap();

    assert_eq!(forum.load(row(1).handle).await.unwrap(), None);
    assert_eq!(forum.list(&row(1).subject, NOW, Page::first(10_000)).await.unwrap(), []);
    assert_eq!(shop.purge_dead(NOW.saturating_add(std::time::Duration::from_secs(1))).await.unwrap(), 0);
    assert_eq!(forum.load(dead.handle).await.unwrap(), Some(dead));
    let (seen, _following) = follow(&forum, NOW);
    seen.until_caught_up().await;
    assert!(shop.end(row(1).handle, EndReason::Logout, NOW, 7).await.unwrap());
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert!(!seen.has_seen(row(1).handle));
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_connection_manager_of_the_application_can_be_used() {
    let server = Redis::start_with(&[]);
    let client = Client::open(server.url()).unwrap();
    let manager = ConnectionManager::new(client.clone()).await.unwrap();
    works(Server::with_manager(manager, client)).await;
}

#[tokio::test]
#[ignore = "needs a Redis Cluster"]
async fn a_cluster_connection_of_the_application_can_be_used() {
    let cluster = Cluster::start(0);
    let nodes: Vec<_> = cluster.nodes.iter().map(|node| node.url().into_connection_info().unwrap()).collect();
    let client = redis::cluster::ClusterClient::new(nodes.clone()).unwrap();
    let connection = client.get_async_connection().await.unwrap();
    works(Server::with_cluster_connection(connection, nodes)).await;
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_url_can_have_user_and_password() {
    let server = Redis::start_with(&[]);
    let _: () = server.ask(&["ACL", "SETUSER", "shop", "on", ">p@ss/word", "~*", "&*", "+@all"]).unwrap();
    let url = format!("redis://shop:p%40ss%2Fword@127.0.0.1:{}/2", server.port);
    works(Server::url(&url).unwrap()).await;
    let url = format!("redis://shop:wrong@127.0.0.1:{}", server.port);
    assert!(RedisOptions::new().connect(Server::url(&url).unwrap()).await.is_err());
}

async fn works(server: Server) {
    let store = RedisOptions::new().connect(server).await.unwrap();
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    store.create(&row(1)).await.unwrap();
    assert!(store.compare_and_swap(&row(1), row(1).version + 1).await.unwrap());
    assert_eq!(store.list(&row(1).subject, NOW, Page::first(10_000)).await.unwrap().len(), 1);
    assert!(store.end(row(1).handle, EndReason::Logout, NOW, 7).await.unwrap());
    seen.until_reported(row(1).handle, NOW).await;
}
