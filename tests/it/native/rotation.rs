//! The rules of rotation at the token endpoint: they are the same as for the cookie.

use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use tower_refresh::{
    RotationPolicy, TokenError,
    event::{EndReason, EventKind, TokenClass},
};

use super::client::{Client, assert_error, exchange, json, new_refresh};
use crate::support::{
    Op, World,
    browser::generation,
    mint,
    probe::{ACCESS_LIFETIME, DAMPING, DAY, GRACE, MILLISECOND, alter_row, poll_until_stuck},
    store::Fault,
};

async fn expired_client(world: &World) -> Client {
    let client = Client::logged_in(world, "alice").await;
    world.clock.advance(ACCESS_LIFETIME);
    client
}

#[tokio::test]
async fn an_exchange_rotates_and_the_new_tokens_are_valid() {
    let world = World::new();
    let mut client = expired_client(&world).await;
    assert_eq!(client.send(&world, Method::GET, "/me").await.status(), StatusCode::UNAUTHORIZED);

    for rotated in 1..=20 {
        world.store.take_calls();
        let response = client.exchange(&world).await;
        assert_eq!(generation(&new_refresh(&response).unwrap()), rotated);
        assert_eq!(world.store.take_calls(), [(Op::Load, 1), (Op::Swap, 1)]);
        assert_eq!(world.take_events(), [EventKind::Refresh(TokenClass::Current)]);
        assert_eq!(client.send(&world, Method::GET, "/me").await.body(), "alice");
        world.clock.advance(ACCESS_LIFETIME);
    }
}

#[tokio::test]
async fn a_refresh_token_from_elsewhere_than_a_form_is_exchanged_alike() {
    let world = World::new();
    let client = expired_client(&world).await;
    let tokens = world.auth.refresh_native(&client.refresh).await.unwrap();
    assert_eq!(generation(tokens.refresh_token().unwrap()), 1);
    assert!(world.auth.refresh_native(tokens.refresh_token().unwrap()).await.is_ok(), "so it was received");
    world.clock.advance(DAMPING + GRACE);
    let browser = crate::support::Browser::logged_in(&world, "alice").await;
    for (token, reason) in [
        (client.refresh.as_str(), "reused: a later one was used"),
        (tokens.refresh_token().unwrap(), "its session has ended"),
        (browser.refresh().unwrap(), "of a cookie"),
        ("", "empty"),
        ("a%41", "of a form that was not decoded"),
    ] {
        let error = world.auth.refresh_native(token).await.unwrap_err();
        assert!(matches!(error, TokenError::InvalidGrant), "{reason}: {error:?}");
    }
}

#[tokio::test]
async fn within_the_damping_interval_there_is_no_new_refresh_token_and_the_old_one_stays_valid() {
    let world = World::new();
    let mut client = Client::logged_in(&world, "alice").await;
    let first = client.refresh.clone();
    world.clock.advance(DAMPING);
    for _ in 0..3 {
        let response = client.exchange(&world).await;
        assert_eq!((response.status(), new_refresh(&response)), (StatusCode::OK, None));
        assert_eq!(client.send(&world, Method::GET, "/me").await.body(), "alice");
    }
    assert_eq!(client.refresh, first);
    world.clock.advance(MILLISECOND);
    client.exchange(&world).await;
    assert_eq!(generation(&client.refresh), 1);
}

#[tokio::test]
async fn an_exchange_whose_response_was_lost_is_repeated_with_the_same_successor() {
    let world = World::new();
    let client = expired_client(&world).await;
    let lost = new_refresh(&exchange(&world, &client.refresh).await).unwrap();
    world.clock.advance(GRACE);
    assert_eq!(new_refresh(&exchange(&world, &client.refresh).await).unwrap(), lost);
    // After the grace period, as often as the late budget allows.
    for later in [GRACE + MILLISECOND, DAMPING + MILLISECOND] {
        world.clock.advance(later);
        assert_eq!(new_refresh(&exchange(&world, &client.refresh).await).unwrap(), lost);
    }
    world.take_events();
    world.clock.advance(DAMPING);
    let overdue = exchange(&world, &client.refresh).await;
    assert_unavailable(&overdue, "1");
    world.clock.advance(MILLISECOND);
    assert_error(&exchange(&world, &client.refresh).await, "invalid_grant", "the budget is used up");
    assert_eq!(world.take_events(), [EventKind::Spent]);
    assert_eq!(exchange(&world, &lost).await.status(), StatusCode::OK, "the session goes on");
}

#[tokio::test]
async fn a_copy_that_is_two_generations_old_ends_the_session_and_no_other() {
    let world = World::new();
    let mut client = expired_client(&world).await;
    let mut other = Client::logged_in(&world, "alice").await;
    let thief = client.clone();
    for _ in 0..2 {
        client.exchange(&world).await;
        world.clock.advance(DAMPING + MILLISECOND);
    }
    assert_eq!(client.send(&world, Method::GET, "/me").await.status(), StatusCode::OK);
    world.take_events();

    assert_error(&exchange(&world, &thief.refresh).await, "invalid_grant", "a copy");

    assert_eq!(world.take_events(), [EventKind::Reuse, EventKind::End(EndReason::Reuse)]);
    let row = world.store.row(client.session()).await.unwrap();
    assert_eq!(row.ended.unwrap().reason, EndReason::Reuse);
    assert_eq!(client.send(&world, Method::GET, "/me").await.status(), StatusCode::UNAUTHORIZED);
    assert_error(&client.exchange(&world).await, "invalid_grant", "the owner is logged out too");
    assert_eq!(other.exchange(&world).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_strict_policy_treats_the_first_late_token_as_a_copy() {
    const STRICT_GRACE: Duration = Duration::from_secs(10);
    for (later, status) in [
        (STRICT_GRACE, StatusCode::OK),
        (STRICT_GRACE + MILLISECOND, StatusCode::SERVICE_UNAVAILABLE),
        (DAMPING, StatusCode::SERVICE_UNAVAILABLE),
        (DAMPING + MILLISECOND, StatusCode::BAD_REQUEST),
    ] {
        let world = World::with(|builder| builder.policy(RotationPolicy::strict()));
        let client = expired_client(&world).await;
        exchange(&world, &client.refresh).await;
        world.clock.advance(later);
        assert_eq!(exchange(&world, &client.refresh).await.status(), status);
    }
}

#[tokio::test]
async fn concurrent_exchanges_share_one_load_and_get_one_successor() {
    let world = World::new();
    let client = expired_client(&world).await;
    let loads = world.users.loads();
    world.store.hold(Op::Load);
    let mut exchanges = Box::pin(join_all((0..20).map(|_| exchange(&world, &client.refresh))));
    assert!(poll_until_stuck(&mut exchanges).is_pending());
    world.store.let_through(Op::Load);

    let responses = exchanges.await;

    let successor = new_refresh(&responses[0]).unwrap();
    for response in &responses {
        // A request with the previous token within the damping interval gets the same successor.
        assert_eq!(new_refresh(response).as_ref(), Some(&successor));
    }
    assert_eq!(world.store.row(client.session()).await.unwrap().generation, 1);
    assert_eq!(world.users.loads(), loads + 1);
}

#[tokio::test]
async fn an_overtaken_exchange_can_be_repeated_a_second_later() {
    let world = World::new();
    let client = expired_client(&world).await;
    world.store.hold(Op::Swap);
    let mut exchange = Box::pin(exchange(&world, &client.refresh));
    assert!(poll_until_stuck(&mut exchange).is_pending());
    alter_row(&world, client.session(), |row| row.generation = 2).await;
    world.store.let_through(Op::Swap);

    let response = exchange.await;

    assert_unavailable(&response, "1");
    assert!(world.store.row(client.session()).await.unwrap().ended.is_none());
}

#[track_caller]
fn assert_unavailable(response: &http::Response<bytes::Bytes>, retry_after: &str) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], retry_after);
    assert_eq!(json(response)["error"], "temporarily_unavailable");
    super::client::assert_is_not_cached(response);
}

#[tokio::test]
async fn a_failing_store_or_claims_source_changes_nothing_and_sets_retry_after() {
    for fault in [Fault::Fails, Fault::Panics] {
        let world = World::new();
        let mut client = expired_client(&world).await;
        let row = world.store.row(client.session()).await.unwrap();
        for op in [Op::Load, Op::Swap] {
            world.store.break_op(op, fault);
            assert_unavailable(&client.exchange(&world).await, "1");
            world.store.fix();
            assert_eq!(world.store.row(client.session()).await.unwrap(), row);
        }
        world.users.break_loads(Some(fault));
        assert_unavailable(&client.exchange(&world).await, "1");
        world.users.break_loads(None);
        assert_eq!(world.store.row(client.session()).await.unwrap(), row);
        assert_eq!(client.exchange(&world).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_swap_that_was_not_acknowledged_is_a_lost_response() {
    let world = World::new();
    let mut client = expired_client(&world).await;
    world.store.break_op(Op::Swap, Fault::FailsAfterwards);
    assert_unavailable(&client.exchange(&world).await, "1");
    world.store.fix();
    client.exchange(&world).await;
    assert_eq!(generation(&client.refresh), 1);
}

#[tokio::test]
async fn a_dropped_exchange_counts_as_a_lost_response() {
    let world = World::new();
    let mut client = expired_client(&world).await;
    for op in [Op::Load, Op::Swap] {
        world.store.hold_answer(op);
        let mut dropped = Box::pin(exchange(&world, &client.refresh));
        assert!(poll_until_stuck(&mut dropped).is_pending());
        drop(dropped);
        world.store.let_through(op);
    }
    assert_eq!(client.exchange(&world).await.status(), StatusCode::OK);
    assert_eq!(generation(&client.refresh), 1);
}

#[tokio::test]
async fn claims_are_current_and_a_subject_that_is_gone_is_logged_out() {
    let world = World::new();
    let mut client = expired_client(&world).await;
    for scope in ["user admin", "user", ""] {
        world.users.set("alice", "Alice", scope);
        let tokens = json(&client.exchange(&world).await);
        assert_eq!(tokens.get("scope").map_or("", |scope| scope.as_str().unwrap()), scope);
        let claims = mint::claims(&client.access);
        assert_eq!(claims.get("scope").map_or("", |scope| scope.as_str().unwrap()), scope);
    }
    world.users.remove("alice");
    assert_error(&client.exchange(&world).await, "invalid_grant", "gone");
    let row = world.store.row(client.session()).await.unwrap();
    assert_eq!(row.ended.unwrap().reason, EndReason::Disabled);
}

#[tokio::test]
async fn a_session_that_was_not_used_or_is_too_old_is_invalid() {
    let world = World::new();
    let mut idle = expired_client(&world).await;
    world.clock.advance(7 * DAY);
    assert_error(&idle.exchange(&world).await, "invalid_grant", "idle");

    let mut busy = Client::logged_in(&world, "alice").await;
    for _ in 0..5 {
        world.clock.advance(6 * DAY - MILLISECOND);
        assert_eq!(busy.exchange(&world).await.status(), StatusCode::OK);
    }
    world.store.take_calls();
    world.clock.advance(DAY);
    assert_error(&busy.exchange(&world).await, "invalid_grant", "older than 30 days");
    assert_eq!(world.store.take_calls(), []);
}
