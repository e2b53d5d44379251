//! Several servers on one store: a role that is taken away on one is gone on the others.

use std::time::Duration;

use tower_refresh::{FeedLossPolicy, event::EventKind};

use super::{demote, log_in_as_administrator, new_access, says, says_user, scope_of};
use crate::support::{
    Browser, ManualClock, Op, TestStore, World,
    browser::{REFRESH, set_cookie},
    probe::{ACCESS_LIFETIME, carries_nothing, session_of, settle, with_bearer},
};

/// Two servers on one store that follow its feed, the second one's clock ahead of the first one's.
async fn two_servers(ahead: Duration) -> (World, World) {
    let store = TestStore::default();
    let here = World::on(ManualClock::new(), store.clone(), |builder| builder);
    let clock = ManualClock::new();
    clock.advance(ahead);
    let there = World::on(clock, store, |builder| builder);
    settle().await;
    (here, there)
}

#[tokio::test]
async fn a_role_taken_away_on_one_server_is_gone_on_the_other_for_the_next_request() {
    for ahead in [Duration::ZERO, Duration::from_secs(50)] {
        for reloading_is_ahead in [false, true] {
            let case = format!("{ahead:?} {reloading_is_ahead}");
            let (one, other) = two_servers(ahead).await;
            let (here, there) = if reloading_is_ahead { (&other, &one) } else { (&one, &other) };
            let mut browser = log_in_as_administrator(here).await;
            let bob = Browser::logged_in(here, "bob").await;
            assert_eq!(scope_of(there, browser.request("/me")).await.body(), "user admin", "{case}");

            for server in [here, there] {
                demote(server);
            }
            here.auth.reload_claims("alice").await.unwrap();
            settle().await;

            there.store.take_calls();
            let response = scope_of(there, bob.request("/me")).await;
            assert_eq!(response.body(), "user", "{case}");
            assert_eq!(there.store.take_calls(), [], "{case}: other sessions cost no call");
            let bearer = scope_of(there, with_bearer("/me", browser.access().unwrap())).await;
            assert_eq!(bearer.status(), 401, "{case}");
            assert_eq!(there.store.take_calls(), [], "{case}");
            let response = scope_of(there, browser.request("/me")).await;
            assert_eq!(response.body(), "user", "{case}: without a login");
            assert_eq!(set_cookie(&response, REFRESH), None, "{case}");
            browser.keep(response.headers());
            for server in [here, there] {
                server.store.take_calls();
                assert_eq!(scope_of(server, browser.request("/me")).await.body(), "user", "{case}");
                assert_eq!(server.store.take_calls(), [], "{case}: the new access token counts everywhere");
            }
        }
    }
}

/// Its response is on its way when the notice comes, minutes after the request.
#[tokio::test]
async fn a_slow_handler_on_another_server_sends_the_remaining_role() {
    let (here, there) = two_servers(Duration::ZERO).await;
    let mut browser = log_in_as_administrator(&here).await;
    there.users.set("alice", "Alice", "user admin");
    for server in [&here, &there] {
        server.clock.advance(ACCESS_LIFETIME);
    }
    browser.drop_access();
    let (slow, gate) = there.send_held(super::show_scope, browser.request("/me"));
    let slow = tokio::spawn(slow);
    settle().await;
    for server in [&here, &there] {
        demote(server);
    }
    here.auth.reload_claims("alice").await.unwrap();
    settle().await;
    for server in [&here, &there] {
        server.clock.advance(ACCESS_LIFETIME / 2);
    }
    gate.close();

    let response = slow.await.unwrap();

    assert_eq!(response.body(), "user admin", "it came before the change");
    assert_eq!(says(&new_access(response.headers()).unwrap()), says_user(1));
}

#[tokio::test]
async fn a_server_that_joins_late_learns_of_earlier_changes_and_an_outdated_session_may_end_later() {
    let (here, _) = two_servers(Duration::ZERO).await;
    let browser = log_in_as_administrator(&here).await;
    let other = Browser::logged_in(&here, "alice").await;
    demote(&here);
    here.auth.reload_claims("alice").await.unwrap();
    here.auth.end_session(session_of(&other)).await.unwrap();

    let late = World::on(here.clock.clone(), here.store.clone(), |builder| builder);
    settle().await;

    for browser in [&browser, &other] {
        let bearer = scope_of(&late, with_bearer("/me", browser.access().unwrap())).await;
        assert_eq!(bearer.status(), 401);
    }
    assert_eq!(scope_of(&late, browser.request("/optional")).await.body(), "user");
    assert_eq!(scope_of(&late, other.request("/optional")).await.body(), "-");
}

#[tokio::test]
async fn without_a_feed_the_role_is_gone_at_the_next_refresh_or_at_once_where_the_store_is_asked() {
    for (policy, header, cookie) in
        [(FeedLossPolicy::GoOn, "user admin", "user admin"), (FeedLossPolicy::AskStore, "user", "user")]
    {
        let store = TestStore::default();
        store.lose_feed();
        let clock = ManualClock::new();
        let here = World::on(clock.clone(), store.clone(), |builder| builder);
        let there = World::on(clock, store, |builder| builder.feed_loss_policy(policy));
        settle().await;
        let browser = log_in_as_administrator(&here).await;
        assert_eq!(scope_of(&there, browser.request("/me")).await.body(), "user admin", "{policy:?}");
        for server in [&here, &there] {
            demote(server);
        }
        here.auth.reload_claims("alice").await.unwrap();
        assert_eq!(there.take_events(), [EventKind::FeedLost], "{policy:?}");

        let mut bearer = with_bearer("/me", browser.access().unwrap());
        let alone = scope_of(&there, with_bearer("/me", browser.access().unwrap())).await;
        assert_eq!(alone.status() == 401, policy == FeedLossPolicy::AskStore, "{policy:?}");
        if policy == FeedLossPolicy::AskStore {
            let challenge = alone.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("invalid_token"), "{challenge}");
            assert!(carries_nothing(&alone));
            let rejection = alone.extensions().get::<tower_refresh::RejectionKind>();
            assert!(rejection.is_none_or(|kind| format!("{kind:?}").contains("Expired")), "{rejection:?}");
        }
        let refresh = format!("{REFRESH}={}", browser.refresh().unwrap());
        bearer.headers_mut().insert("cookie", refresh.parse().unwrap());
        assert_eq!(scope_of(&there, bearer).await.body(), header, "{policy:?}");
        assert_eq!(scope_of(&there, browser.request("/me")).await.body(), cookie, "{policy:?}");

        for server in [&here, &there] {
            server.clock.advance(ACCESS_LIFETIME);
        }
        assert_eq!(scope_of(&there, browser.request("/me")).await.body(), "user", "{policy:?}");
    }
}

/// A bearer token with the refresh cookie of another session: never refreshed with it.
#[tokio::test]
async fn a_server_that_asks_the_store_never_changes_from_one_user_to_another() {
    let store = TestStore::default();
    store.lose_feed();
    let there =
        World::on(ManualClock::new(), store, |builder| builder.feed_loss_policy(FeedLossPolicy::AskStore));
    settle().await;
    let browser = log_in_as_administrator(&there).await;
    let bob = Browser::logged_in(&there, "bob").await;
    let other = World::on(there.clock.clone(), there.store.clone(), |builder| builder);
    other.auth.reload_claims("alice").await.unwrap();
    let mut bearer = with_bearer("/me", browser.access().unwrap());
    let refresh = format!("{REFRESH}={}", bob.refresh().unwrap());
    bearer.headers_mut().insert("cookie", refresh.parse().unwrap());

    let response = scope_of(&there, bearer).await;

    assert_eq!(response.status(), 401);
    assert!(carries_nothing(&response));
}

/// As many sessions as a part of the list has room for, and one more.
#[tokio::test]
async fn more_changes_than_there_is_room_for_count_as_a_lost_feed() {
    let here = World::new();
    let browser = log_in_as_administrator(&here).await;
    for number in 0..449_u16 {
        let mut bytes = *session_of(&browser).as_bytes();
        bytes[14..].copy_from_slice(&number.to_be_bytes());
        here.store.report_outdated(tower_refresh::SessionHandle::from_bytes(bytes), 1);
    }
    let there = World::on(here.clock.clone(), here.store.clone(), |builder| builder);
    settle().await;

    assert_eq!(there.take_events(), [EventKind::FeedLost], "it is reported, once");
    let shown = format!("{:?}", there.auth);
    assert!(shown.contains("Denylist { entries: 448") && shown.contains("is_up: false"), "{shown}");
    // What this server itself does has room all the same.
    demote(&there);
    there.auth.reload_claims("alice").await.unwrap();
    assert_eq!(scope_of(&there, browser.request("/me")).await.body(), "user");
}

#[tokio::test]
async fn a_notice_about_the_claims_revives_no_session_whose_end_was_reported() {
    let here = World::new();
    let browser = log_in_as_administrator(&here).await;
    here.store.report_end(session_of(&browser), tower_refresh::Clock::now(&here.clock));
    here.store.report_outdated(session_of(&browser), 1);
    let there = World::on(here.clock.clone(), here.store.clone(), |builder| builder);
    settle().await;

    let response = scope_of(&there, browser.request("/optional")).await;

    assert_eq!(response.body(), "-", "the row is live, and the feed knows more");
}

/// Anyone who can send on the feed can send any epoch.
#[tokio::test]
async fn a_forged_notice_logs_no_user_out_and_costs_one_refresh() {
    for epoch in [0, 1, u32::MAX] {
        let here = World::new();
        let mut browser = log_in_as_administrator(&here).await;
        here.store.report_outdated(session_of(&browser), epoch);
        let there = World::on(here.clock.clone(), here.store.clone(), |builder| builder);
        there.users.set("alice", "Alice", "user admin");
        settle().await;
        there.store.take_calls();

        let response = scope_of(&there, browser.request("/me")).await;

        assert_eq!(response.body(), "user admin", "{epoch}");
        assert_eq!(there.store.take_calls().is_empty(), epoch == 0, "{epoch}");
        browser.keep(response.headers());
        there.store.take_calls();
        assert_eq!(scope_of(&there, browser.request("/me")).await.body(), "user admin", "{epoch}");
        assert_eq!(there.store.take_calls(), [], "{epoch}");
        assert_eq!(there.store.calls(Op::End), 0);
    }
}

/// Its load would have let the role in, or the session, as of when that load began.
#[cfg(feature = "tokio")]
#[tokio::test]
async fn a_server_that_asks_the_store_joins_no_load_from_before() {
    for ends in [false, true] {
        let store = TestStore::default();
        store.lose_feed();
        let clock = ManualClock::new();
        let there = World::on(clock.clone(), store.clone(), |builder| {
            builder.feed_loss_policy(FeedLossPolicy::AskStore)
        });
        let other = World::on(clock, store, |builder| builder);
        settle().await;
        let browser = log_in_as_administrator(&there).await;
        let mut without_access = browser.clone();
        without_access.drop_access();
        there.users.hold_answers();
        let spawn = |browser: &Browser| {
            let (there, request) = (there.clone(), browser.request("/me"));
            tokio::spawn(async move { scope_of(&there, request).await })
        };
        let before = spawn(&without_access);
        settle().await;
        if ends {
            other.auth.end_subject("alice").await.unwrap();
        } else {
            demote(&there);
            other.auth.reload_claims("alice").await.unwrap();
        }
        let after = [spawn(&browser), spawn(&without_access)];
        settle().await;
        there.users.let_through();

        assert_eq!(before.await.unwrap().body(), "user admin");
        for response in after {
            assert_eq!(response.await.unwrap().body(), if ends { "-" } else { "user" });
        }
    }
}
