//! Sessions that one server ends are refused by the others at once.

mod support;

use http::StatusCode;
use support::{Browser, ManualClock, TestStore, World};

/// Two servers on one store, which follow its feed.
async fn two_servers() -> (World, World) {
    let (clock, store) = (ManualClock::new(), TestStore::default());
    let servers = (
        World::on(clock.clone(), store.clone(), |builder| builder),
        World::on(clock, store, |builder| builder),
    );
    settle().await;
    servers
}

/// Lets the tasks that follow the feed run.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_session_that_another_server_ended_is_refused_without_asking_the_store() {
    let (here, there) = two_servers().await;
    let mut browser = Browser::logged_in(&here, "alice").await;
    let captured = browser.clone();
    assert_eq!(captured.clone().get(&there, "/me").await.status(), StatusCode::OK);

    browser.get(&here, "/logout").await;
    settle().await;

    let mut bearer = Browser::new();
    bearer.cookies = captured.cookies;
    bearer.cookies.remove(support::browser::REFRESH);
    there.store.take_calls();
    assert_eq!(bearer.get(&there, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(there.store.take_calls(), []);
}

#[tokio::test]
async fn a_server_that_joins_late_learns_of_the_ends_before() {
    let (here, _) = two_servers().await;
    let mut browser = Browser::logged_in(&here, "alice").await;
    let mut captured = browser.clone();
    captured.cookies.remove(support::browser::REFRESH);
    browser.get(&here, "/logout").await;

    let late = World::on(here.clock.clone(), here.store.clone(), |builder| builder);
    settle().await;

    assert_eq!(captured.get(&late, "/me").await.status(), StatusCode::UNAUTHORIZED);
}
