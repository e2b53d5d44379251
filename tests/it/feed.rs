//! A session that one server ends is rejected by the others at once.

use http::StatusCode;
use tower_refresh::{Clock, FeedLossPolicy};

use crate::support::{
    Browser, ManualClock, Op, TestStore, World,
    browser::{ACCESS, REFRESH},
    probe::as_navigation,
    store::Fault,
};

/// Two servers on one store that follow its feed.
#[cfg(feature = "tokio")]
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
#[cfg(feature = "tokio")]
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_session_that_another_server_ended_is_rejected_without_calling_the_store() {
    let (here, there) = two_servers().await;
    let mut browser = Browser::logged_in(&here, "alice").await;
    let captured = browser.clone();
    assert_eq!(captured.clone().get(&there, "/me").await.status(), StatusCode::OK);

    browser.get(&here, "/logout").await;
    settle().await;

    let mut bearer = Browser::new();
    bearer.cookies = captured.cookies;
    bearer.cookies.remove(REFRESH);
    there.store.take_calls();
    assert_eq!(bearer.get(&there, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(there.store.take_calls(), []);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_server_that_joins_late_learns_of_earlier_session_ends() {
    let (here, _) = two_servers().await;
    let mut browser = Browser::logged_in(&here, "alice").await;
    let mut captured = browser.clone();
    captured.cookies.remove(REFRESH);
    browser.get(&here, "/logout").await;

    let late = World::on(here.clock.clone(), here.store.clone(), |builder| builder);
    settle().await;

    assert_eq!(captured.get(&late, "/me").await.status(), StatusCode::UNAUTHORIZED);
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_session_end_reported_in_the_far_future_is_forgotten_like_any_other() {
    let here = World::new();
    let browser = Browser::logged_in(&here, "alice").await;
    let far = tower_refresh::Timestamp::from_millis(u64::MAX);
    here.store.report_end(crate::support::mint::session(browser.access().unwrap()), far);
    let there = World::on(here.clock.clone(), here.store.clone(), |builder| builder);
    settle().await;
    let bearer = crate::support::probe::with_bearer("/me", browser.access().unwrap());
    assert_eq!(there.send(bearer).await.status(), StatusCode::UNAUTHORIZED);

    // The tolerated difference of clocks, plus the time for which every session end is remembered.
    there.clock.advance(std::time::Duration::from_secs(60 + 600 + 60));

    let mut browser = Browser::logged_in(&there, "bob").await;
    assert_eq!(browser.get(&there, "/me").await.status(), StatusCode::OK);
    let shown = format!("{:?}", there.auth);
    assert!(shown.contains("Denylist { entries: 0"), "{shown}");
}

/// A gauge that keeps the value it was last set to.
#[cfg(feature = "metrics")]
mod gauge {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
    };

    pub(crate) struct FeedUp(Arc<AtomicU64>);

    impl FeedUp {
        pub(crate) fn new() -> Self {
            Self(Arc::new(AtomicU64::new(f64::NAN.to_bits())))
        }

        pub(crate) fn after<T>(&self, run: impl FnOnce() -> T) -> (f64, T) {
            let result = with_local_recorder(self, run);
            (f64::from_bits(self.0.load(Ordering::SeqCst)), result)
        }
    }

    impl Recorder for FeedUp {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }
        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            assert_eq!(key.name(), "tower_refresh_feed_up");
            Gauge::from_arc(self.0.clone())
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }
}

#[cfg(feature = "metrics")]
#[test]
fn the_gauge_is_down_before_the_feed_is_followed_and_after_it_is_lost() {
    let gauge = gauge::FeedUp::new();
    let (up, world) = gauge.after(World::new);
    assert_eq!(up, 0.0, "there is no runtime to follow it");
    let mut follow = Box::pin(world.auth.follow_ends());
    let (up, poll) = gauge.after(|| crate::support::probe::poll_once(&mut follow));
    assert!(poll.is_pending());
    assert_eq!(up, 1.0);
    assert_eq!(gauge.after(|| drop(follow)).0, 0.0);
    assert_eq!(world.take_events(), []);
}

#[test]
fn a_feed_that_is_no_longer_followed_counts_as_none() {
    // Outside of a runtime, so that no task follows the feed.
    let world = World::with(|builder| builder.feed_loss_policy(FeedLossPolicy::AskStore));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut browser = Browser::logged_in(&world, "alice").await;
        let mut follow = Box::pin(world.auth.follow_ends());
        assert!(crate::support::probe::poll_once(&mut follow).is_pending());
        world.store.take_calls();
        browser.get(&world, "/me").await;
        assert_eq!(world.store.take_calls(), []);

        drop(follow);

        browser.get(&world, "/me").await;
        assert_eq!(world.store.take_calls(), [(Op::Load, 1)]);
    });
}

/// Two servers without a feed between them.
fn two_servers_without_a_feed(what: FeedLossPolicy) -> (World, World) {
    let (clock, store) = (ManualClock::new(), TestStore::default());
    store.lose_feed();
    let world = || World::on(clock.clone(), store.clone(), |builder| builder.feed_loss_policy(what));
    (world(), world())
}

#[tokio::test]
async fn without_the_feed_a_server_goes_on_by_default() {
    let (here, there) = two_servers_without_a_feed(FeedLossPolicy::default());
    let mut browser = Browser::logged_in(&here, "alice").await;
    let mut captured = browser.clone();
    browser.get(&here, "/logout").await;
    here.store.take_calls();

    assert_eq!(captured.get(&there, "/me").await.status(), StatusCode::OK);
    assert_eq!(here.store.take_calls(), []);
}

#[tokio::test]
async fn without_the_feed_a_server_can_ask_the_store_on_each_request() {
    let (here, there) = two_servers_without_a_feed(FeedLossPolicy::AskStore);
    let mut browser = Browser::logged_in(&here, "alice").await;
    let bearer = format!("Bearer {}", browser.access().unwrap());
    let by_header = || crate::support::request("/me", &[("authorization", &bearer)]);
    here.store.take_calls();

    assert_eq!(browser.get(&there, "/me").await.status(), StatusCode::OK);
    assert_eq!(there.send(by_header()).await.status(), StatusCode::OK);
    assert_eq!(here.store.take_calls(), [(Op::Load, 2)]);

    here.store.break_op(Op::Load, Fault::Fails);
    assert_eq!(browser.get(&there, "/me").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    here.store.fix();

    let mut captured = browser.clone();
    browser.get(&here, "/logout").await;
    assert_eq!(captured.get(&there, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(there.send(by_header()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_server_that_asks_the_store_can_still_refresh_on_demand() {
    let (_, there) = two_servers_without_a_feed(FeedLossPolicy::AskStore);
    let mut browser = Browser::logged_in(&there, "alice").await;
    assert_eq!(browser.get(&there, "/refresh").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_access_cookie_of_an_ended_session_does_not_block_the_refresh_cookie_of_a_live_one() {
    let (here, there) = two_servers_without_a_feed(FeedLossPolicy::AskStore);
    let old = Browser::logged_in(&here, "alice").await;
    let mut browser = Browser::logged_in(&here, "bob").await;
    here.auth.end_session(crate::support::mint::session(old.access().unwrap())).await.unwrap();
    browser.cookies.insert(ACCESS.to_owned(), old.access().unwrap().to_owned());

    let response = there.send(as_navigation(browser.request("/me"))).await;

    assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, b"bob".as_slice()));
    browser.keep(response.headers());
    assert!(browser.refresh().is_some(), "the cookies of the live session stay");
}

/// A lagging replica shows the session as live, and the reason of its end is unknown: perhaps a newer login replaced it.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_session_end_that_only_the_feed_knows_removes_no_cookie() {
    let here = World::new();
    let (browser, session) = crate::support::probe::expired_browser(&here, "alice").await;
    here.store.report_end(session, here.clock.now());
    let there = World::on(here.clock.clone(), here.store.clone(), |builder| builder);
    settle().await;

    let response = there.send(as_navigation(browser.request("/me"))).await;

    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().get("set-cookie").is_none());
}

#[tokio::test]
async fn a_session_that_the_store_does_not_know_removes_no_cookie() {
    let (here, _) = two_servers_without_a_feed(FeedLossPolicy::AskStore);
    let elsewhere = two_servers_without_a_feed(FeedLossPolicy::AskStore).0;
    let mut browser = Browser::logged_in(&elsewhere, "alice").await;
    browser.cookies.remove(REFRESH);
    let response = here.send(as_navigation(browser.request("/me"))).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().get("set-cookie").is_none());
}

#[tokio::test]
async fn a_logout_that_cannot_reach_the_store_is_unavailable() {
    let (here, _) = two_servers_without_a_feed(FeedLossPolicy::AskStore);
    let browser = Browser::logged_in(&here, "alice").await;
    let bearer = format!("Bearer {}", browser.access().unwrap());
    here.store.break_op(Op::Load, Fault::Fails);
    here.store.break_op(Op::End, Fault::Fails);
    let response = here.send(crate::support::request("/logout", &[("authorization", &bearer)])).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().get("set-cookie").is_none());
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn notices_of_unknown_kinds_are_reported_once_for_each_connection_of_the_feed() {
    use tower_refresh::event::EventKind;

    let store = TestStore::default();
    let quiet = World::on(ManualClock::new(), store.clone(), |builder| builder);
    settle().await;
    (0..3).for_each(|_| store.report_unknown_notice());
    let world = World::on(ManualClock::new(), store, |builder| builder);
    settle().await;
    assert_eq!(world.take_events(), [EventKind::UnknownNotice]);
    assert_eq!(quiet.take_events(), [], "it joined before");
}
