//! A store that only reads, with a user that may do nothing else.

use tower_refresh_core::{EndReason, SessionStore};
use tower_refresh_redis::{OpenError, OpenErrorKind, RedisOptions, RedisStore, Server};

use crate::support::{NOW, Redis, follow, handle, row};

const RIGHTS: &str = "resetchannels &tower-refresh:ended %R~tower-refresh:s:* %R~tower-refresh:ends \
    +ping +time +get +getrange +exists +xrange +xinfo|stream +subscribe";

fn set_user(server: &Redis, change: &str) {
    let rights = RIGHTS.split_whitespace().chain(change.split_whitespace());
    let words: Vec<_> =
        ["ACL", "SETUSER", "reader", "reset", "on", ">secret"].into_iter().chain(rights).collect();
    let _: () = server.ask(&words).unwrap();
}

async fn open(server: &Redis) -> Result<RedisStore, OpenError> {
    let url = format!("redis://reader:secret@127.0.0.1:{}", server.port);
    RedisOptions::new().with_read_only().connect(Server::url(&url)?).await
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn a_user_that_may_only_read_follows_the_feed() {
    let server = Redis::start_with(&[]);
    let writer = RedisStore::connect(&server.url()).await.unwrap();
    for number in 0..3 {
        writer.create(&row(number)).await.unwrap();
    }
    assert!(writer.end(handle(0), EndReason::Logout, NOW, 7).await.unwrap());
    set_user(&server, "");
    let keys: u64 = server.ask(&["DBSIZE"]).unwrap();

    let reader = open(&server).await.unwrap();
    let (seen, _following) = follow(&reader, NOW);
    seen.until_caught_up().await;
    assert!(seen.has_seen(handle(0)), "from before");
    assert!(writer.end(handle(1), EndReason::Logout, NOW, 7).await.unwrap());
    seen.until_reported(handle(1), NOW).await;
    let epoch = writer.outdate_claims(handle(2), NOW, 8).await.unwrap().unwrap();
    seen.until_outdated(handle(2), epoch).await;
    assert!(reader.load(handle(2)).await.unwrap().is_some());

    reader.end(handle(2), EndReason::Logout, NOW, 9).await.expect_err("it may not write");
    assert!(writer.load(handle(2)).await.unwrap().unwrap().ended.is_none());
    let keys_after: u64 = server.ask(&["DBSIZE"]).unwrap();
    assert_eq!(keys, keys_after);
}

#[tokio::test]
#[ignore = "needs Redis"]
async fn each_right_to_read_is_needed_and_named() {
    let server = Redis::start_with(&[]);
    for right in RIGHTS.split_whitespace().filter(|word| word.starts_with('+')) {
        set_user(&server, &right.replacen('+', "-", 1));
        let error = open(&server).await.expect_err(right);
        assert_eq!(error.kind(), OpenErrorKind::MissingRights, "{right}");
        assert_eq!(error.missing_rights(), [right]);
    }
    set_user(&server, "resetkeys %R~tower-refresh:ends");
    assert_eq!(open(&server).await.unwrap_err().missing_rights(), ["~tower-refresh:s:*"]);
    set_user(&server, "resetkeys %R~tower-refresh:s:*");
    assert_eq!(open(&server).await.unwrap_err().missing_rights(), ["~tower-refresh:ends"]);
    set_user(&server, "resetchannels");
    assert_eq!(open(&server).await.unwrap_err().missing_rights(), ["&tower-refresh:ended"]);
}

#[test]
fn the_documentation_names_the_rights_that_are_tested() {
    let text = std::fs::read_to_string(format!("{}/src/lib.rs", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (_, rights) = text.split_once("ACL SETUSER reader on '>secret'").unwrap();
    let (rights, _) = rights.split_once("```").unwrap();
    let words = rights.split_whitespace().filter(|&word| word != "//!" && word != "\\");
    let words: Vec<_> = words.map(|word| word.trim_matches('\'')).collect();
    assert_eq!(words, RIGHTS.split_whitespace().collect::<Vec<_>>());
}
