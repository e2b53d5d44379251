//! One refresh token of a provider, and many requests that need it at once.

mod tokens;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};
use tokio_postgres::{Client, NoTls};

use self::tokens::{Tokens, access_token};
use super::support::Node;

const NOW: i64 = 2_000_000_000;

/// A provider that rotates refresh tokens, and takes a second use of one for theft.
#[derive(Clone, Default)]
struct Provider(Arc<Mutex<HashSet<String>>>);

#[derive(Debug)]
struct Unavailable;

impl From<tokio_postgres::Error> for Unavailable {
    fn from(error: tokio_postgres::Error) -> Self {
        panic!("the database fails: {error}")
    }
}

impl Provider {
    async fn refresh(&self, token: String, now: i64) -> Result<Tokens, Unavailable> {
        // As long as a network takes, so that the others ask meanwhile.
        sleep(Duration::from_millis(50)).await;
        let number = token.strip_prefix("refresh-").unwrap().parse::<u32>().unwrap() + 1;
        assert!(self.0.lock().unwrap().insert(token), "used twice: all tokens of the user are revoked");
        let (access_token, refresh_token) = (format!("access-{number}"), format!("refresh-{number}"));
        Ok(Tokens { access_token, refresh_token, expires_at: now + 3600 })
    }

    fn refreshes(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// The statement of the guide.
fn schema() -> &'static str {
    let guide = include_str!("../../../../../src/guide/provider_api.md");
    guide.split("```sql\n").nth(1).unwrap().split("```").next().unwrap()
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn with_expired_token(node: &Node) -> Client {
    let client = connect(&node.url()).await;
    client.batch_execute(schema()).await.unwrap();
    client
        .execute("INSERT INTO provider_token VALUES ('alice', 'access-0', 'refresh-0', $1)", &[&NOW])
        .await
        .unwrap();
    client
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn requests_at_the_same_time_use_a_refresh_token_of_the_provider_once() {
    let node = Node::postgres();
    with_expired_token(&node).await;
    let (provider, url) = (Provider::default(), node.url());
    for round in 0..3_u32 {
        let now = NOW + 4000 * i64::from(round);
        let mut tasks = JoinSet::new();
        for _ in 0..40 {
            let (provider, url) = (provider.clone(), url.clone());
            tasks.spawn(async move {
                let mut database = connect(&url).await;
                let refresh = async |token| provider.refresh(token, now).await;
                access_token(&mut database, "alice", now, refresh).await.unwrap()
            });
        }
        let expected = format!("access-{}", round + 1);
        for token in tasks.join_all().await {
            assert_eq!(token.as_deref(), Some(expected.as_str()));
        }
        assert_eq!(provider.refreshes(), round as usize + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL"]
async fn a_refresh_that_fails_changes_nothing_and_a_user_without_tokens_has_none() {
    let node = Node::postgres();
    let mut database = with_expired_token(&node).await;
    let failing = async |_| Err(Unavailable);
    let result = access_token(&mut database, "alice", NOW, failing).await;
    assert!(matches!(result, Err(Unavailable)), "{result:?}");
    let provider = Provider::default();
    let refresh = async |token| provider.refresh(token, NOW).await;
    let result = access_token(&mut database, "alice", NOW, refresh).await;
    assert_eq!(result.unwrap().as_deref(), Some("access-1"));
    let none = access_token(&mut database, "bob", NOW, async |_| Err(Unavailable)).await;
    assert_eq!(none.unwrap(), None);
}
