//! Redis users that may do too little are rejected when a store is opened, and the documented user may do enough.

use tower_refresh_core::{EndReason, SessionStore};
use tower_refresh_redis::{OpenError, OpenErrorKind, RedisOptions, RedisStore, Server};

use crate::support::{Cluster, LEAST_RIGHTS, NOW, Redis, follow, handle, row};

/// A change of the documented user, and the rights that are named then.
const CHANGES: [(&str, &[&str]); 36] = [
    ("resetkeys", &["~tower-refresh:s:*", "~tower-refresh:u:*", "~tower-refresh:i:*", "~tower-refresh:ends"]),
    (
        "resetkeys ~other:*",
        &["~tower-refresh:s:*", "~tower-refresh:u:*", "~tower-refresh:i:*", "~tower-refresh:ends"],
    ),
    ("resetkeys ~tower-refresh:s:* ~tower-refresh:i:* ~tower-refresh:u:*", &["~tower-refresh:ends"]),
    ("resetkeys ~tower-refresh:s:* ~tower-refresh:i:* ~tower-refresh:ends", &["~tower-refresh:u:*"]),
    ("resetkeys ~tower-refresh:s:* ~tower-refresh:u:* ~tower-refresh:ends", &["~tower-refresh:i:*"]),
    ("resetkeys ~tower-refresh:i:* ~tower-refresh:u:* ~tower-refresh:ends", &["~tower-refresh:s:*"]),
    (
        "resetkeys %R~tower-refresh:* ~tower-refresh:i:* ~tower-refresh:u:* ~tower-refresh:ends",
        &["~tower-refresh:s:*"],
    ),
    ("resetchannels", &["&tower-refresh:ended"]),
    ("resetchannels &other", &["&tower-refresh:ended"]),
    ("-evalsha", &["+evalsha"]),
    ("-script|load", &["+script|load"]),
    ("-@scripting", &["+script|load", "+evalsha"]),
    ("-ping", &["+ping"]),
    ("-time", &["+time"]),
    ("-scan", &["+scan"]),
    ("-get", &["+get"]),
    ("-mget", &["+mget"]),
    ("-getrange", &["+getrange"]),
    ("-exists", &["+exists"]),
    ("-zrange", &["+zrange"]),
    ("-zrem", &["+zrem"]),
    ("-xrange", &["+xrange"]),
    ("-xinfo|stream", &["+xinfo|stream"]),
    ("-set", &["+set"]),
    ("-setrange", &["+setrange"]),
    ("-pexpireat", &["+pexpireat"]),
    ("-unlink", &["+unlink"]),
    ("-zadd", &["+zadd"]),
    ("-zscore", &["+zscore"]),
    ("-zremrangebyscore", &["+zremrangebyscore"]),
    ("-zcount", &["+zcount"]),
    ("-zrandmember", &["+zrandmember"]),
    ("-pexpiretime", &["+pexpiretime"]),
    ("-xadd", &["+xadd"]),
    ("-publish -subscribe", &["+publish", "+subscribe"]),
    ("-subscribe", &["+subscribe"]),
];

/// Makes the documented user, and changes it.
fn set_user(server: &Redis, change: &str) {
    let rights = LEAST_RIGHTS.split_whitespace().chain(change.split_whitespace());
    let words: Vec<_> =
        ["ACL", "SETUSER", "tower", "reset", "on", ">secret"].into_iter().chain(rights).collect();
    let _: () = server.ask(&words).unwrap();
}

fn url(server: &Redis) -> String {
    format!("redis://tower:secret@127.0.0.1:{}", server.port)
}

async fn open(server: &Redis) -> Result<RedisStore, OpenError> {
    RedisStore::connect(&url(server)).await
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_user_that_lacks_a_right_is_rejected_with_its_name() {
    let server = Redis::start_with(&[]);
    for (change, named) in CHANGES {
        set_user(&server, change);
        let error = open(&server).await.expect_err(change);
        assert_eq!(error.kind(), OpenErrorKind::MissingRights, "{change}: {error:?}");
        assert_eq!(error.missing_rights(), named, "{change}");
        assert!(named.iter().all(|right| error.to_string().contains(right)), "{error}");
    }
    let keys: u64 = server.ask(&["DBSIZE"]).unwrap();
    assert_eq!(keys, 0, "nothing is left behind");
}

#[test]
fn the_documentation_names_the_rights_that_are_tested() {
    let tested: Vec<_> = LEAST_RIGHTS.split_whitespace().collect();
    for name in ["README.md", "src/lib.rs", "../../src/guide/stores.md"] {
        let text = std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).expect(name);
        let (_, rights) = text.split_once("ACL SETUSER tower on '>secret'").expect(name);
        let (rights, _) = rights.split_once("```").expect(name);
        let words = rights.split_whitespace().filter(|&word| word != "//!" && word != "\\");
        let words = words.map(|word| word.trim_matches('\''));
        assert_eq!(words.collect::<Vec<_>>(), tested, "{name}");
    }
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn each_documented_right_is_needed() {
    let server = Redis::start_with(&[]);
    for right in LEAST_RIGHTS.split_whitespace().filter(|word| word.starts_with('+')) {
        let change = right.replacen('+', "-", 1);
        assert!(
            CHANGES.iter().any(|(known, _)| known.split(' ').any(|word| word == change)),
            "{right} is in the table"
        );
    }
    set_user(&server, "");
    assert!(open(&server).await.is_ok());
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn what_only_some_options_need_is_checked_with_these_options() {
    let server = Redis::start_with(&[]);
    let wait = RedisOptions::new().with_wait_for_replicas(0, std::time::Duration::from_millis(100));
    let open = async || wait.clone().connect(Server::url(&url(&server)).unwrap()).await;
    set_user(&server, "");
    assert_eq!(open().await.unwrap_err().missing_rights(), ["+wait"]);
    set_user(&server, "+wait");
    let store = open().await.unwrap();
    store.create(&row(1)).await.unwrap();
    assert!(store.end(handle(1), EndReason::Logout, NOW, 7).await.unwrap());

    let database = RedisStore::connect(&format!("{}/3", url(&server))).await.unwrap_err();
    assert_eq!(database.missing_rights(), ["+select"], "{database:?}");
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_user_that_loses_the_right_to_publish_can_still_log_out_and_outdate_claims() {
    let server = Redis::start_with(&[]);
    set_user(&server, "");
    let store = open(&server).await.unwrap();
    let other = RedisStore::connect(&server.url()).await.unwrap();
    let (seen, _following) = follow(&other, NOW);
    seen.until_caught_up().await;
    store.create(&row(1)).await.unwrap();
    set_user(&server, "resetchannels");
    assert_eq!(store.outdate_claims(handle(1), NOW, 6).await.unwrap(), Some(1));
    seen.until_outdated(handle(1), 1).await;
    assert!(store.end(handle(1), EndReason::Logout, NOW, 7).await.unwrap());
    seen.until_reported(handle(1), NOW).await;
}

#[tokio::test]
#[ignore = "needs a Redis Cluster"]
async fn a_user_that_lacks_a_right_on_one_node_of_a_cluster_is_rejected() {
    let cluster = Cluster::start(0);
    let open = async || {
        let nodes: Vec<_> = cluster.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        RedisStore::connect(&format!("redis+cluster://tower:secret@{}", nodes.join(","))).await
    };
    for node in &cluster.nodes {
        set_user(node, "+cluster|slots +asking");
    }
    let store = open().await.unwrap();
    let (seen, _following) = follow(&store, NOW);
    seen.until_caught_up().await;
    for number in 0..20 {
        store.create(&row(number)).await.unwrap();
        assert!(store.end(handle(number), EndReason::Logout, NOW, 7).await.unwrap());
        seen.until_reported(handle(number), NOW).await;
    }
    for node in &cluster.nodes {
        set_user(node, "");
    }
    let error = open().await.unwrap_err();
    assert_eq!(error.missing_rights(), ["+cluster|slots"], "{error:?}");
    for node in &cluster.nodes {
        set_user(node, "+cluster|slots +asking");
    }
    for (change, named) in [
        ("-asking", "+asking"),
        ("-setrange", "+setrange"),
        ("-zrandmember", "+zrandmember"),
        ("resetkeys ~tower-refresh:i:* ~tower-refresh:u:* ~tower-refresh:ends", "~tower-refresh:s:*"),
    ] {
        for node in &cluster.nodes {
            set_user(node, &format!("+cluster|slots +asking {change}"));
            assert_eq!(open().await.expect_err(change).missing_rights(), [named], "{change}");
            set_user(node, "+cluster|slots +asking");
        }
    }
}
