//! The results of a client, with a clock that the tests advance.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::net::TcpListener;
use tonic::{Code, Status};
use tower_refresh::{Clock, Timestamp};

use crate::{
    client::{Client, Greeting},
    server::serve,
};

#[derive(Clone)]
struct ManualClock(Arc<AtomicU64>);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::SeqCst))
    }
}

const ACCESS_LIFETIME: u64 = 600;

async fn connect() -> (Client, ManualClock) {
    let clock = ManualClock(Arc::new(AtomicU64::new(1_700_000_000)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, clock.clone(), Duration::from_secs(ACCESS_LIFETIME)).unwrap());
    (Client::connect(address).await.unwrap(), clock)
}

fn outcome(result: Result<Greeting, Status>) -> Result<(String, bool), (Code, String)> {
    result
        .map(|greeting| (greeting.message, greeting.refreshed))
        .map_err(|status| (status.code(), status.message().to_owned()))
}

fn unauthenticated(message: &str) -> Result<(String, bool), (Code, String)> {
    Err((Code::Unauthenticated, message.to_owned()))
}

#[tokio::test]
async fn a_call_needs_a_login() {
    let (mut client, _) = connect().await;
    assert_eq!(outcome(client.greet().await), unauthenticated("authentication required"));
    let wrong = client.log_in("alice", "guess").await.unwrap_err();
    assert_eq!(wrong.code(), Code::Unauthenticated);
    assert_eq!(outcome(client.greet().await), unauthenticated("authentication required"));
    client.log_in("alice", "alice-password").await.unwrap();
    assert_eq!(outcome(client.greet().await), Ok(("hello Alice".to_owned(), false)));
}

#[tokio::test]
async fn an_expired_token_is_rejected_without_the_refresh_token_and_refreshed_with_it() {
    let (mut client, clock) = connect().await;
    client.log_in("alice", "alice-password").await.unwrap();
    clock.0.fetch_add(ACCESS_LIFETIME, Ordering::SeqCst);
    assert_eq!(outcome(client.greet().await), unauthenticated("the access token has expired"));

    client.send_refresh_token = true;
    assert_eq!(outcome(client.greet().await), Ok(("hello Alice".to_owned(), true)));
    client.send_refresh_token = false;
    assert_eq!(outcome(client.greet().await), Ok(("hello Alice".to_owned(), false)));
}
